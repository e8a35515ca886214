"""The examples with `--device cuda`, from flags to pictures, in a dry run.

It computes nothing: what is looked at is where its arrays and the host's meet. So kernels are
compiled for one example only, and for the others noted: each has a hundred, a minute's work.
"""

import runpy
import sys
from pathlib import Path

import pytest

import tinymeta.cuda
from tinymeta.cuda import driver, target
from tinymeta.cuda.dry_run import DryRunDriver, NotingDriver

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.ptx
IMAGES = ["--iterations", "2", "--filters", "4"]


def test_an_examples_kernels_compile(tmp_path, monkeypatch):
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip("kernels cannot be compiled here")
    dry_run = DryRunDriver(key=object())
    run("maml_sinusoid", ["--iterations", "2"], dry_run, tmp_path, monkeypatch)
    assert len(dry_run.texts) > 30 and (tmp_path / "maml_sinusoid.npz").exists()


@pytest.mark.parametrize(
    "name, flags, written",
    [
        ("maml_sinusoid", ["--iterations", "2", "--no-jit"], "maml_sinusoid.npz"),
        ("maml_images", [*IMAGES, "--test-tasks", "20"], "maml_glyphs.npz"),
        ("siamese_images", IMAGES, "siamese_glyphs.npz"),
    ],
)
def test_an_example_runs_to_its_end(name, flags, written, tmp_path, monkeypatch):
    if target.SIMULATED:
        pytest.skip("its arrays are the CPU's")
    noting = NotingDriver()
    run(name, flags, noting, tmp_path, monkeypatch)
    assert len(noting.noted) > 30 and (tmp_path / written).exists()


def run(name, flags, dry_run, tmp_path, monkeypatch):
    """The example, as its command with these flags."""
    monkeypatch.setattr(tinymeta.cuda, "usable", lambda: True)
    monkeypatch.setattr(tinymeta.cuda, "count", lambda: 1)
    monkeypatch.setattr(sys, "argv", [name, *flags, "--device", "cuda", "--out", str(tmp_path)])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with driver.replaced_by(dry_run):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
