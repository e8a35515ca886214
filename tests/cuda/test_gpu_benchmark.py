"""`python -m benchmarks.gpu` rehearses in the simulator and, its questions to a new GPU, on the
emulated one; it says what is missing without a GPU."""

import argparse
import functools
import json
import os
import subprocess
import time
from ctypes import c_size_t, c_void_p

import numpy as np
import pytest

import tinymeta as tm
from benchmarks import gpu, gpu_first, gpu_kernels, gpu_rates, gpu_report, gpu_steps
from tinymeta.core.scope import setting
from tinymeta.cuda import driver, target
from tinymeta.cuda.dry_run import DryRunDriver
from tinymeta.cuda.target import SIMULATED


@pytest.mark.cuda
@pytest.mark.skipif(not SIMULATED, reason="on a GPU one runs the real one")
def test_a_rehearsal_writes_its_report_as_it_goes(tmp_path, capsys, monkeypatch):
    texts, write = [], gpu_report.write
    keep = lambda path, text: (texts.append(text), write(path, text))
    monkeypatch.setattr(gpu_report, "write", keep)
    gpu.main(["--skip", "parity", "--out", str(tmp_path / "gpu.json")])
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert report["simulated"] is True and list(report) == [
        *("device", "machine", "simulated", "steps", "products")
    ]
    assert report["steps"]["rehearsal"]["contenders"]["tinymeta, jit"]["median"] > 0
    assert report["steps"]["rehearsal"]["agreement"] < 1e-9
    assert report["products"]["conv, layer 2"]["tinymeta"] > 0
    assert [*json.loads(texts[0])["steps"]["rehearsal"]][:2] == ["first", "arena"]
    assert len(texts) == 3 + 4, "after the parts of a step, and after each product"
    assert "== summary" in capsys.readouterr().out


def test_a_part_that_fails_is_noted_and_the_next_one_begins(tmp_path, monkeypatch, capsys):
    def failing(options, small):
        yield "first", 1.0
        raise RuntimeError("no more")

    def passing(options, small):
        yield "results", ["result: learned"]
        yield "passed", True

    monkeypatch.setattr(gpu, "PARTS", {"products": failing, "training": passing})
    options = gpu._parser().parse_args(["--out", str(tmp_path / "gpu.json")])
    report = {"device": "none", "simulated": False}
    gpu._all(options, report)
    found = json.loads(options.out.read_text())
    assert found["products"]["first"] == 1.0
    assert found["products"]["error"] == "RuntimeError: no more"
    assert "products: RuntimeError: no more\ntraining: passed" in gpu_report.summary(found)
    capsys.readouterr()


@pytest.mark.cuda
def test_rates_are_of_random_numbers():
    x = tm.Tensor(gpu_rates.random_array((50, 40), np.float32)).numpy()
    assert abs(x.std() - 1) < 0.1 and len(np.unique(x)) > 1900


@pytest.mark.ptx
def test_kernels_compiled_in_shares_are_all_there_are(tmp_path, monkeypatch):
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip("kernels cannot be compiled here")
    monkeypatch.setenv("TINYMETA_CACHE", str(tmp_path))
    monkeypatch.setattr(gpu_rates, "SIZES", [])
    job, counts = gpu_steps.rehearsal(), []
    for share in range(2):
        counts.append(gpu_kernels.compile_share([job], (9, 0), share, 2))
    assert min(counts) > 5 and abs(counts[0] - counts[1]) <= 1
    before = dict(target.kernel_counts)
    with driver.replaced_by(DryRunDriver((9, 0), key=object())), setting(device="cuda"):
        tm.jit(job.run).prepare(job.params, job.data)
    assert target.kernel_counts["compiled"] == before["compiled"]
    assert target.kernel_counts["loaded"] > before["loaded"]


@pytest.mark.parametrize("arguments", [[], ["--first"]])
def test_without_a_gpu_it_says_why(arguments):
    if tm.devices()["cuda"] is True:
        pytest.skip("cuda is usable here")
    with pytest.raises(SystemExit, match="error: cuda is not usable here: "):
        gpu.main(arguments)


# ---- --first -------------------------------------------------------------------------------------


OPTIONS = argparse.Namespace(rehearse=True, rounds=1, compile=False)
QUESTIONS = [*gpu_first.PARTS][: [*gpu_first.PARTS].index("parity")]


@pytest.mark.ptx_run
@pytest.mark.parametrize("name", [*QUESTIONS, "profile"])
def test_a_part_of_the_first_ones_asks_the_emulated_gpu(name):
    part, _ = gpu_first.PARTS[name]
    found = dict(part(OPTIONS, True))
    assert found and not gpu_report.failures({name: found})


@pytest.mark.ptx_run
@pytest.mark.parametrize(
    "name, broken, told",
    [
        ("uploads", "staging", "it was read after the call had returned"),
        ("launches", "numbers", "off by"),
    ],
)
def test_what_is_wrong_is_found(name, broken, told, monkeypatch, gpu):
    if broken == "staging":  # as if a pageable copy had to have been read
        monkeypatch.setattr(driver.current().pinned, "upload", _upload_late)
        gpu.configure(late_uploads=1)
    else:
        monkeypatch.setattr(tm, "exp", tm.tanh)
    part, _ = gpu_first.PARTS[name]
    found = gpu_report.failures({name: dict(part(OPTIONS, True))})
    assert found and told in found[0]


def _upload_late(address, array):
    """Without a pinned page."""
    source, size = c_void_p(array.ctypes.data), c_size_t(array.nbytes)
    gpu = driver.current()
    gpu.call("cuMemcpyHtoDAsync_v2", driver.Address(address), source, size, gpu.stream)


@pytest.mark.ptx_run
def test_the_first_command_writes_as_it_goes(tmp_path, capsys):
    out = tmp_path / "first.json"
    gpu.main(["--first", "environment", "newer-ptx", "--rehearse", "--out", str(out)])
    report = json.loads(out.read_text())
    assert report["device"] == "emulated" and report["simulated"] is True
    assert report["environment"]["capability"] == [9, 0]
    assert report["newer-ptx"]["9.9"].startswith("refused: ")
    said = capsys.readouterr().out
    assert "== newer-ptx\nas it is: loads\n" in said and "== summary" in said


def _answers_and(end):
    """A part that ends in this way after its first result."""
    return functools.partial(_one_answer, end)


def _one_answer(end, options, small):
    yield "first", 1
    end()
    yield "second", 2


def _fail():
    raise ValueError("not so")


def _hang():
    subprocess.run(["sleep", "60"])


@pytest.mark.parametrize(
    "end, limit, error",
    [
        (_fail, 60, "ValueError: not so"),
        (os.abort, 60, "its process ended with status -6"),
        (_hang, 4, "not done in 4 s"),
    ],
)
def test_a_part_that_ends_badly_leaves_what_it_had(end, limit, error, capfd):
    start = time.monotonic()
    found = dict(gpu_report.in_a_process(_answers_and(end), OPTIONS, True, limit))
    assert time.monotonic() - start < 50, "what hangs is ended"
    if end is _hang:  # a loaded machine may not even have begun
        found["first"] = 1
    assert found == {"first": 1, "error": error}


def test_a_part_without_time_is_said_to_have_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_first, "LIMIT", 0)
    with pytest.raises(SystemExit):
        gpu.main(["--first", "uploads", "--rehearse", "--out", str(tmp_path / "first.json")])
    assert "uploads: no time was left for it" in capsys.readouterr().out


def test_a_part_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--first", "upload"])
    assert "--first has no part upload: choose of environment, " in capsys.readouterr().err
