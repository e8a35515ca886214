"""The examples as a user runs them.

The tour holds, a short run writes what it says, bad input is one line.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def example(name, *flags, out):
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / f"{name}.py"), *flags,
               *(["--out", str(out)] if out else [])]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=out or ROOT)


def test_the_tour_holds():
    done = example("tour", out=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("every assert held")


def test_the_mistakes_in_ones_own_gradients_are_found():
    done = example("property_test_your_op", out=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the smallest case found") == 3
    assert done.stdout.rstrip().endswith("every mistake was found, and every correction passed")


@pytest.mark.examples
def test_a_short_run_ends_with_a_result_line_and_keeps_its_curve(tmp_path):
    flags = ["--iterations", "3", "--way", "3", "--tasks", "4", "--filters", "8",
             "--test-tasks", "10"]
    done = example("maml_images", *flags, out=tmp_path)
    assert done.returncode == 0, done.stderr
    line = [row for row in done.stdout.splitlines()
            if row.startswith("result: 3-way 1-shot test accuracy")]
    assert line and "+-" in line[0] and "seed 0" in line[0]
    rows = (tmp_path / "maml_glyphs.csv").read_text().splitlines()
    assert rows[0].startswith("iteration,seconds,loss,accuracy") and rows[-1].startswith("3,")
    assert (tmp_path / "maml_glyphs.npz").exists()
    assert not list(tmp_path.glob(".*")), "nothing half-written is left"

    again = example("maml_images", *flags, out=tmp_path)
    repeated = [r for r in again.stdout.splitlines() if r.startswith("result")]
    assert repeated[0].split(", seed")[0] == line[0].split(", seed")[0]


@pytest.mark.examples
@pytest.mark.parametrize("flags, said", [
    (["--data", "omniglot", "--root", "nowhere"], "images_background"),
    (["--way", "100000", "--iterations", "1", "--filters", "4"], "way=100000"),
    (["--shot", "11", "--iterations", "1", "--filters", "4"], "drawers"),
    (["--device", "cuda"], "cuda"),
    (["--iterations", "-1"], "iterations"),
    (["--load", "missing.npz"], "missing.npz"),
    (["--filters", "0"], "outputs must be"),
])
def test_bad_input_is_one_line(tmp_path, flags, said):
    done = example("maml_images", *flags, out=tmp_path)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.examples
def test_a_run_that_diverges_says_so(tmp_path):
    flags = ["--beta", "nan", "--iterations", "2", "--filters", "4"]
    done = example("maml_images", *flags, out=tmp_path)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "error: train: the loss became nan" in done.stderr.splitlines()[-1]
