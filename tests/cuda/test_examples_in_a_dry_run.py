"""The examples with `--device cuda`, from flags to pictures, in a dry run.

It computes nothing: what is looked at is where its arrays and the host's meet.
"""

import runpy
import sys
from pathlib import Path

import pytest

import tinymeta.cuda
from tinymeta.cuda import driver, target
from tinymeta.cuda.dry_run import DryRunDriver

EXAMPLES = Path(__file__).parents[2] / "examples"
IMAGES = ["--iterations", "2", "--filters", "4"]


@pytest.mark.ptx
@pytest.mark.parametrize(
    "name, flags, written",
    [
        ("maml_sinusoid", ["--iterations", "2"], "maml_sinusoid.npz"),
        ("maml_sinusoid", ["--iterations", "2", "--no-jit"], "maml_sinusoid.npz"),
        ("maml_images", [*IMAGES, "--test-tasks", "20"], "maml_glyphs.npz"),
        ("siamese_images", IMAGES, "siamese_glyphs.npz"),
    ],
)
def test_an_example_runs_to_its_end(name, flags, written, tmp_path, monkeypatch):
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip("kernels cannot be compiled here")
    dry_run = DryRunDriver(key=object())
    monkeypatch.setattr(tinymeta.cuda, "usable", lambda: True)
    monkeypatch.setattr(tinymeta.cuda, "count", lambda: 1)
    monkeypatch.setattr(sys, "argv", [name, *flags, "--device", "cuda", "--out", str(tmp_path)])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with driver.replaced_by(dry_run):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert dry_run.texts and (tmp_path / written).exists()
