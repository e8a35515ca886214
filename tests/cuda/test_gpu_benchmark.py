"""`python -m benchmarks.gpu` rehearses in the simulator, and says what is missing without a GPU."""

import json

import pytest

import tinymeta as tm
from benchmarks import gpu
from tinymeta.cuda.target import SIMULATED


@pytest.mark.cuda
@pytest.mark.skipif(not SIMULATED, reason="on a GPU one runs the real one")
def test_a_rehearsal_writes_its_report(tmp_path, capsys):
    gpu.main(["--skip", "parity", "steps", "--out", str(tmp_path / "gpu.json")])
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert report["simulated"] is True and set(report) == {
        "device",
        "machine",
        "simulated",
        "products",
    }
    assert report["products"]["conv, layer 2"]["tinymeta"] > 0
    assert "== summary" in capsys.readouterr().out


def test_without_a_gpu_it_says_why():
    if tm.devices()["cuda"] is True:
        pytest.skip("cuda is usable here")
    with pytest.raises(SystemExit, match="error: cuda is not usable here: "):
        gpu.main([])
