"""`python -m benchmarks.gpu` rehearses in the simulator, and says what is missing without a GPU."""

import json

import numpy as np
import pytest
from fake_driver import FakeDriver, fresh_kernels

import tinymeta as tm
from benchmarks import gpu, gpu_kernels, gpu_rates
from tinymeta.core.scope import setting
from tinymeta.cuda import driver, target
from tinymeta.cuda.target import SIMULATED


@pytest.mark.cuda
@pytest.mark.skipif(not SIMULATED, reason="on a GPU one runs the real one")
def test_a_rehearsal_writes_its_report_as_it_goes(tmp_path, capsys, monkeypatch):
    texts, write = [], gpu.write
    monkeypatch.setattr(gpu, "write", lambda path, text: (texts.append(text), write(path, text)))
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
    options, report = gpu._parser().parse_args([]), {"device": "none", "simulated": False}
    options.out = tmp_path / "gpu.json"
    for name, part in gpu.PARTS.items():
        gpu.run_part(name, part, options, report)
    found = json.loads(options.out.read_text())
    assert found["products"]["first"] == 1.0
    assert found["products"]["error"] == "RuntimeError: no more"
    assert "products: RuntimeError: no more\ntraining: passed" in gpu.summary(found)
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
    job, counts = gpu.rehearsal(), []
    for share in range(2):
        fresh_kernels()
        counts.append(gpu_kernels.compile_share([job], (9, 0), share, 2))
    assert min(counts) > 5 and abs(counts[0] - counts[1]) <= 1
    fresh_kernels()
    before = dict(target.kernel_counts)
    monkeypatch.setattr(driver, "open_drivers", [FakeDriver((9, 0))])
    with setting(device="cuda"):
        tm.jit(job.run).prepare(job.params, job.data)
    fresh_kernels()
    assert target.kernel_counts["compiled"] == before["compiled"]
    assert target.kernel_counts["loaded"] > before["loaded"]


def test_without_a_gpu_it_says_why():
    if tm.devices()["cuda"] is True:
        pytest.skip("cuda is usable here")
    with pytest.raises(SystemExit, match="error: cuda is not usable here: "):
        gpu.main([])
