"""The examples with `--device cuda`, from flags to pictures, on the fake driver.

It computes nothing: what is looked at is where its arrays and the host's meet.
"""

import runpy
import sys
from pathlib import Path

import pytest
from fake_driver import FakeDriver, fresh_kernels

import tinymeta.cuda
from tinymeta.cuda import driver, target

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
    fake = FakeDriver((9, 0))
    monkeypatch.setattr(driver, "open_drivers", [fake])
    monkeypatch.setattr(tinymeta.cuda, "usable", lambda: True)
    monkeypatch.setattr(tinymeta.cuda, "count", lambda: 1)
    monkeypatch.setattr(sys, "argv", [name, *flags, "--device", "cuda", "--out", str(tmp_path)])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    fresh_kernels()
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    fresh_kernels()
    assert fake.texts and (tmp_path / written).exists()
