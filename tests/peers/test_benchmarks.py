"""The benchmarks: they count right, they compare equals, and they refuse to time anything else."""

import json

import numpy as np
import pytest

import tinymeta as tm

pytest.importorskip("benchmarks", reason="only python -m pytest, at the root, finds benchmarks/")

from benchmarks import __main__ as command                           # noqa: E402
from benchmarks import profile                                       # noqa: E402

pytestmark = pytest.mark.peers


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


@pytest.mark.parametrize("arguments, rivals", [
    (["conv4", "--tasks", "2", "--loops"], {"torch.func, vmap and grad", "JAX, jit and lax.map"}),
    (["sinusoid", "--steps", "2"], {"JAX, jit and vmap", "torch, leading task axis"})])
def test_a_comparison(torch, jax, arguments, rivals, tmp_path, capsys):
    command.main([*arguments, "--rounds", "1", "--out", str(tmp_path / "report.json")])
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["agreement"] < 1e-12 and rivals < report["seconds"].keys()
    assert all(0 < r["best"] <= r["median"] and r["first"] > 0 for r in report["seconds"].values())
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert "torch" in report["machine"] and "ratio" in capsys.readouterr().out


def test_what_differs_is_not_timed(monkeypatch, tmp_path):
    def rivals(job, compiled, loops):
        return {"wrong": lambda: [2 * np.asarray(p) for p in tm.tree.leaves(job.params)]}

    monkeypatch.setattr(command, "rivals", rivals)
    with pytest.raises(SystemExit, match="in float64 the gradients differ by"):
        command.main(["sinusoid", "--out", str(tmp_path / "report.json")])
    assert not list(tmp_path.iterdir())


def test_floating_operations_are_counted():
    """A conv of 2 tasks and 3 images, 5x4 places, a 3x3x6 window, 7 filters: 2 operations each."""
    x, w = np.ones((2, 3, 5, 4, 6)), np.ones((2, 3, 3, 6, 7))

    def step():
        y, pull = tm.vjp(tm.conv2d, x, w)
        pull(np.ones(y.shape))

    rows = profile.watched(step)
    expected = 2 * (2 * 3) * (5 * 4) * (3 * 3 * 6) * 7
    assert [rows[name][2] for name in ("conv", "conv_input", "conv_weight")] == [expected] * 3
