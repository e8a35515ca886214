"""Kernels on disk: whatever is the matter with the folder, the result is right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CODE = """
import numpy as np, tinymeta as tm
from tinymeta.jit.cache import made
f = tm.jit(lambda x: tm.exp(x) * 2.0 + tm.sin(x).sum())
x = np.linspace(0, 1, 7)
np.testing.assert_allclose(f(x).numpy(), np.exp(x) * 2 + np.sin(x).sum(), rtol=1e-14)
print(made["compiled"], made["loaded"])
"""


def start(folder, code=CODE, **env):
    """A process with its kernels in this folder, and Numba's machine code beside them."""
    own = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True,
                            env={**own, "TINYMETA_CACHE": str(folder), **env},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def counts(process) -> tuple[int, int]:
    """(compiled, loaded)."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return tuple(map(int, out.split()))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    assert counts(start(folder)) == (2, 0)
    return folder


def test_the_second_process_finds_them_whatever_its_hashes(full):
    assert counts(start(full, PYTHONHASHSEED="7")) == (0, 2)


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:len(path.read_bytes()) // 2]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\x80" * 100),
], ids=["cut short", "empty", "nonsense"])
@pytest.mark.parametrize("kind", ["*.py", "*.nbi", "*.nbc"])
def test_a_damaged_file(full, kind, damage, tmp_path):
    for path in full.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(full)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    hit = list(tmp_path.rglob(kind))
    assert hit
    for path in hit:
        damage(path)
    for _ in range(2):
        assert sum(counts(start(tmp_path))) == 2


def test_two_processes_on_an_empty_folder(tmp_path):
    both = [start(tmp_path) for _ in range(2)]
    assert all(sum(counts(process)) == 2 for process in both)
    assert counts(start(tmp_path)) == (0, 2)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert counts(start(tmp_path / "file" / "kernels")) == (2, 0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root ignores it")
def test_a_folder_that_is_read_only(full):
    full.chmod(0o555)
    try:
        assert sum(counts(start(full))) == 2
    finally:
        full.chmod(0o755)


MANY = """
import numpy as np, tinymeta as tm
from tinymeta.jit import cache
functions = (tm.exp, tm.expm1, tm.log, tm.log1p, tm.sin, tm.cos, tm.tanh, tm.sigmoid, tm.sqrt)
f = tm.jit(lambda x: [g(x[:n]) for n, g in enumerate(functions, 1)])
x = np.random.default_rng(0).uniform(0.1, 1.0, size=(9, 2))
for y, z in zip(f(x), f.__wrapped__(x)):
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-12)
print(cache.made["compiled"], cache.made["loaded"])
"""


@pytest.mark.parametrize("hindrance", [{}, {"PYTHONHOME": "nowhere"}], ids=["helped", "alone"])
def test_many_kernels_are_compiled_by_two_processes(hindrance, tmp_path):
    """The second one may fail to start: then the first compiles them all."""
    code = MANY.replace("f = ", f"import os; os.environ.update({hindrance!r}); f = ", 1)
    new, old = counts(start(tmp_path, code))
    assert new == 9 and old == 0
    assert counts(start(tmp_path, MANY)) == (0, new)


SINUSOID = """
import numpy as np, tinymeta as tm
model = tm.nn.mlp(1, 40, 40, 1)
params = model.init(np.random.default_rng(0))
tasks = tm.data.Sinusoids().sample(np.random.default_rng(0), tasks=25, shot=10, query=10)
step = tm.explain(tm.meta.maml(model, tm.losses.mse, lr=0.01, steps=2).meta_grad, params, tasks)
import hashlib
print(hashlib.sha256("".join(step.kernels).encode()).hexdigest(), step.replay.memory.size)
"""


def test_every_process_makes_the_same_kernels():
    """Whatever Python's hashes: no order comes from a set."""
    found = {subprocess.run([sys.executable, "-c", SINUSOID], cwd=ROOT, text=True, check=True,
                            env={**os.environ, "PYTHONHASHSEED": seed},
                            capture_output=True).stdout for seed in ("1", "2")}
    assert len(found) == 1
