"""Kernels on disk: whatever is wrong with them, the result is right."""

import functools
import hashlib
import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.ccallback import CFunc

import tinymeta as tm
from tinymeta.jit import cache, replay
from tinymeta.system import kernel_folder
from tinymeta.testing.interpreted import without_compiling

ROOT = Path(__file__).parent.parent.parent
X = np.linspace(0, 1, 7)


def three(x):
    """Three kernels that are soon compiled."""
    return x * x + 2.0, (x[:2] - 3.0) * x[:2], abs(x[:3]) / 5.0


def sinusoid() -> str:
    """A hash of the kernels of a meta-step."""
    model, rng = tm.nn.mlp(1, 40, 40, 1), np.random.default_rng(0)
    tasks = tm.data.Sinusoids().sample(rng, tasks=25, shot=10, query=10)
    method = tm.meta.maml(model, tm.losses.mse, lr=0.01, steps=2)
    with without_compiling():
        step = tm.explain(method.meta_grad, model.init(rng), tasks)
    text = "".join(step.kernels) + str(step.replay.memory.size)
    return hashlib.sha256(text.encode()).hexdigest()


def made() -> tuple[int, int]:
    """Runs it in this process, as one that has loaded no kernel: (compiled, loaded)."""
    before = dict(cache.counts)
    for y, z in zip(tm.jit(three)(X), three(X)):
        np.testing.assert_allclose(y.numpy(), z, rtol=1e-15)
    return tuple(cache.counts[key] - before[key] for key in ("compiled", "loaded"))


@pytest.fixture
def fresh(monkeypatch):
    """Forgets what is loaded; what is loaded stays in memory, as other tests have its addresses."""

    def forget():
        loaded = functools.cache(cache.load_or_compile.__wrapped__)
        for module in (cache, replay):
            monkeypatch.setattr(module, "load_or_compile", loaded)
        kernel_folder.usable.cache_clear()

    forget()
    yield forget
    kernel_folder.usable.cache_clear()


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A folder with its kernels, and with the functions of this package."""
    path = tmp_path_factory.mktemp("kernels")
    with pytest.MonkeyPatch.context() as patch:
        for file in kernel_folder.folder().glob("[!k]*_" + "?" * 32):
            shutil.copy2(file, path)
        patch.setenv("TINYMETA_CACHE", str(path))
        patch.setattr(replay, "load_or_compile", functools.cache(cache.load_or_compile.__wrapped__))
        assert made() == (3, 0)
    return path


@pytest.fixture
def folder(full, tmp_path, monkeypatch, fresh):
    """A copy of it, in use."""
    path = tmp_path / "kernels"
    shutil.copytree(full, path)
    monkeypatch.setenv("TINYMETA_CACHE", str(path))
    return path


def kernels(folder) -> list[Path]:
    return sorted(folder.glob("kernel_*"))


def test_they_are_found_again(folder):
    assert len(kernels(folder)) == 3 and made() == (0, 3)


DAMAGES = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "nonsense": lambda path: path.write_bytes(b"\x80" * 100),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_again(damage, folder, fresh):
    DAMAGES[damage](kernels(folder)[0])
    assert made() == (1, 2)
    fresh()
    assert made() == (0, 3)


def test_a_folder_where_a_file_should_be(folder):
    before, (taken, *_) = sorted(folder.iterdir()), kernels(folder)
    taken.unlink()
    taken.mkdir()
    assert made() == (1, 2) and sorted(folder.iterdir()) == before


def test_two_files_that_are_exchanged(folder):
    a, b, _ = kernels(folder)
    whole = a.read_bytes(), b.read_bytes()
    a.write_bytes(whole[1])
    b.write_bytes(whole[0])
    assert made() == (2, 1)


def flipped(path: Path, rng: random.Random) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    path.write_bytes(damaged)


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_flipped_bits(rounds, folder, fresh):
    """One in each file, of the package's own functions as well."""
    rng = random.Random()
    for _ in range(rounds):
        for path in folder.iterdir():
            flipped(path, rng)
            assert kernel_folder.load_kernel(path.name) is None
        fresh()
        assert made() == (3, 0)


class Planted:
    """A pickle that does something when it is read."""

    def __reduce__(self):
        return os.mkdir, ("planted",)


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")
def test_what_others_planted_is_not_run(hashed, folder, tmp_path, monkeypatch):
    """Without its hash a file is not loaded; with it, the folder is refused: others may write."""
    monkeypatch.chdir(tmp_path)
    for path in kernels(folder):
        content = pickle.dumps(Planted())
        path.write_bytes(content)
        if hashed:
            kernel_folder.save_kernel(path.name, content)
    if hashed:
        kernel_folder.usable.cache_clear()
        folder.chmod(0o777)
        with pytest.warns(RuntimeWarning, match="others may write to"):
            assert made() == (3, 0)
    else:
        assert made() == (3, 0)
    assert not Path("planted").exists()


# ---- several processes ---------------------------------------------------------------------------


def start(folder, code, **env):
    """A process of this file with its kernels in this folder."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"from test_kernel_cache import made, sinusoid\n{code}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        text=True,
        env={**os.environ, "TINYMETA_CACHE": str(folder), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def output_of(process) -> str:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.strip()


def test_every_process_makes_and_finds_the_same_kernels(folder, fresh):
    """Two at once, in an empty folder, whatever Python's hashes: no order comes from a set."""
    for path in kernels(folder):
        path.unlink()
    code = "print(sum(made()), sinusoid())"
    both = [start(folder, code, PYTHONHASHSEED=seed) for seed in ("1", "7")]
    assert {output_of(process) for process in both} == {f"3 {sinusoid()}"}
    assert made() == (0, 3) and len(kernels(folder)) == 3


def test_without_a_home_nothing_is_left_behind(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "temporary").mkdir()
    env = {
        "HOME": str(tmp_path / "file"),
        "XDG_CACHE_HOME": "",
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path / "temporary")),
    }
    assert output_of(start("", "print(made())", **env)) == "(3, 0)"
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.fixture
def empty(folder, monkeypatch):
    """A folder with no kernel, and three are worth a second process."""
    for path in kernels(folder):
        path.unlink()
    for name, value in (("WORTH_A_PROCESS", 3), ("cores", lambda: 2), ("_shared", set())):
        monkeypatch.setattr(cache, name, value)
    return folder


def let_the_second_end(monkeypatch):
    """The second processes of a test, each of which has ended before the first goes on."""
    processes, start = [], cache._start_second_process

    def started(sources, where):
        processes.append(start(sources, where))
        processes[-1].wait()
        return processes[-1]

    monkeypatch.setattr(cache, "_start_second_process", started)
    return processes


def calls_of(kind, name, monkeypatch):
    """The objects whose method was called, as it is called."""
    found, method = [], getattr(kind, name)

    def called(self, *args):
        found.append(self)
        return method(self, *args)

    monkeypatch.setattr(kind, name, called)
    return found


def test_many_kernels_are_compiled_by_two_processes(empty, fresh, tmp_path, monkeypatch):
    """The second imports nothing from the current folder, and finds tinymeta wherever it is."""
    elsewhere = tmp_path / "current folder"
    elsewhere.mkdir()
    for name in ("numba", "numpy", "json", "tinymeta"):
        (elsewhere / f"{name}.py").write_text("open('imported', 'w'); raise SystemExit(1)")
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    processes = let_the_second_end(monkeypatch)
    compiled_here = calls_of(CFunc, "_compile_uncached", monkeypatch)
    assert made() == (3, 0) and [p.returncode for p in processes] == [0] and not compiled_here
    assert not (elsewhere / "imported").exists()
    fresh()
    cache._shared.clear()
    assert made() == (0, 3)


@pytest.mark.parametrize("python", ["nowhere/python", "", None])
def test_one_process_compiles_them_all_if_the_other_does_not_start(python, empty, monkeypatch):
    monkeypatch.setattr(sys, "executable", python)
    assert made() == (3, 0) and len(kernels(empty)) == 3


def test_one_process_compiles_them_all_if_the_other_fails(empty, monkeypatch):
    monkeypatch.setattr(cache, "SECOND_PROCESS", "raise SystemExit(1)")
    processes = let_the_second_end(monkeypatch)
    assert made() == (3, 0) and [p.returncode for p in processes] == [1]


def test_each_kernel_is_asked_for_in_the_order_of_the_steps(empty, monkeypatch):
    """The first process begins with the first, the second with the last."""
    orders, asked = [], []
    start, load = cache._start_second_process, replay.load_or_compile

    def started(sources, where):
        orders.append(sources)
        return start(sources, where)

    def loaded(source):
        asked.append(source)
        return load(source)

    monkeypatch.setattr(cache, "_start_second_process", started)
    monkeypatch.setattr(replay, "load_or_compile", loaded)
    assert made() == (3, 0)
    assert orders == [[*dict.fromkeys(asked)][::-1]]
