"""The examples as a user runs them.

The tour holds, a short run writes what it says, bad input is one line.
"""

import functools
import runpy
import subprocess
import sys
import warnings
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from tinymeta.data import Glyphs
from tinymeta.testing import without_compiling

ROOT = Path(__file__).resolve().parent.parent


def process(name, *flags, out=None):
    """The example in a process of its own."""
    command = [
        sys.executable,
        "-W",
        "error",
        str(ROOT / "examples" / f"{name}.py"),
        *flags,
        *(["--out", str(out)] if out else []),
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=out or ROOT)


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def example(monkeypatch, capsys):
    """example(name, *flags, out): the same in this one, whose kernels are warm and glyphs drawn."""
    monkeypatch.setattr(Glyphs, "characters", drawn_once)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))

    def ended(name, *flags, out):
        path, code = str(ROOT / "examples" / f"{name}.py"), None
        monkeypatch.chdir(out)
        monkeypatch.setattr(sys, "argv", [path, *flags, "--out", str(out)])
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                runpy.run_path(path, run_name="__main__")
            except SystemExit as end:  # a text goes to stderr, with the status 1
                code = end.code
        out, err = capsys.readouterr()
        text = f"{code}\n" if isinstance(code, str) else ""
        return Ended(1 if text else code or 0, out, err + text)

    return ended


drawn_once = functools.cache(Glyphs.characters)


def test_the_tour_holds():
    done = process("tour")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("every assert held")


def test_the_mistakes_in_ones_own_gradients_are_found():
    done = process("property_test_your_op")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the smallest case found") == 3
    assert done.stdout.rstrip().endswith("every mistake was found, and every correction passed")


@pytest.mark.examples
def test_a_short_run_ends_with_a_result_line_and_keeps_its_curve(example, tmp_path):
    flags = [
        "--iterations",
        "3",
        "--way",
        "3",
        "--tasks",
        "4",
        "--filters",
        "8",
        "--test-tasks",
        "10",
        "--validation-tasks",
        "10",
        "--glyph-alphabets",
        "5",
    ]
    done = process("maml_images", *flags, out=tmp_path)
    assert done.returncode == 0, done.stderr
    line = [
        row
        for row in done.stdout.splitlines()
        if row.startswith("result: 3-way 1-shot test accuracy")
    ]
    assert line and "+-" in line[0] and "seed 0" in line[0]
    rows = (tmp_path / "maml_glyphs.csv").read_text().splitlines()
    assert rows[0].startswith("iteration,seconds,loss,accuracy") and rows[-1].startswith("3,")
    assert (tmp_path / "maml_glyphs.npz").exists()
    assert not list(tmp_path.glob("*.part")), "nothing half-written is left"

    again = example("maml_images", *flags, out=tmp_path)
    repeated = [r for r in again.stdout.splitlines() if r.startswith("result")]
    assert repeated[0].split(", seed")[0] == line[0].split(", seed")[0]


@pytest.mark.examples
@pytest.mark.parametrize(
    "flags, said",
    [
        (["--data", "omniglot", "--root", "nowhere"], "images_background"),
        (["--way", "100000", "--iterations", "1", "--filters", "4"], "way=100000"),
        (["--shot", "11", "--iterations", "1", "--filters", "4"], "drawers"),
        (["--device", "cuda"], "cuda"),
        (["--iterations", "-1"], "iterations"),
        (["--load", "missing.npz"], "missing.npz"),
        (["--filters", "0"], "filters=0 must be"),
    ],
)
def test_bad_input_is_one_line(example, tmp_path, flags, said):
    done = example("maml_images", *flags, out=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.examples
def test_a_run_that_diverges_says_so(example, no_pictures, tmp_path):
    flags = ["--beta", "inf", "--iterations", "2", "--filters", "4"]
    done = example("maml_images", *flags, out=tmp_path)
    assert done.returncode == 1
    assert "error: train: a parameter is no longer a number" in done.stderr.splitlines()[-1]


SMALL = ["--filters", "4", "--way", "3", "--validation-tasks", "10"]


@pytest.mark.examples
@pytest.mark.parametrize(
    "name, method",
    [
        *(
            ("maml_sinusoid", method)
            for method in ("maml", "first-order", "meta-sgd", "anil", "reptile", "imaml", "maml++")
        ),
        ("maml_images", "anil"),
        ("maml_images", "maml++"),  # rates: a tree, and one number
    ],
)
def test_every_method_learns_a_few_steps(name, method, example, tmp_path, request):
    if (name, method) not in (("maml_sinusoid", "maml"), ("maml_images", "anil")):
        request.getfixturevalue("no_pictures")  # the others' are drawn by the same lines
    flags = ["--iterations", "2", "--steps", "2", "--tasks", "3", "--test-tasks", "10", "--no-jit"]
    flags += SMALL if name == "maml_images" else []
    done = example(name, *flags, "--method", method, out=tmp_path)
    assert done.returncode == 0 and "result: " in done.stdout, done.stderr
    assert (tmp_path / f"{method}_{name[5:]}.csv".replace("_images", "_glyphs")).exists()


HYPERGRADIENT = ["--way", "2", "--batch", "3", "--test-tasks", "2", "--no-jit"]


@pytest.mark.examples
@pytest.mark.parametrize(
    "name, flags, written",
    [
        (
            "prototypical_images",
            ["--iterations", "2", "--way", "5", "--filters", "4", "--test-tasks", "5"],
            "prototypical_glyphs_space.png",
        ),
        (
            "ridge_images",
            ["--iterations", "2", "--way", "3", "--filters", "4", "--test-tasks", "5", "--no-jit"],
            "ridge_glyphs.npz",
        ),
        ("gaussian_process", ["--iterations", "3", "--points", "12"], "gaussian_process.png"),
        (
            "siamese_images",
            [
                "--iterations",
                "2",
                "--filters",
                "4",
                "--features",
                "8",
                "--affine",
                "--rotations",
                "--test-tasks",
                "5",
                "--test-pairs",
                "500",
                "--no-jit",
            ],
            "siamese_glyphs.npz",
        ),
        (
            "siamese_images",
            [
                "--iterations",
                "2",
                "--filters",
                "4",
                "--classes",
                "0",
                "--affine",
                "--test-tasks",
                "5",
                "--test-pairs",
                "500",
                "--no-jit",
            ],
            "siamese_glyphs.npz",
        ),
        (
            "learned_optimizer",
            ["--iterations", "2", "--steps", "3", "--no-jit", "--test-tasks", "10"]
            + ["--exact", "--remat", "nested"],
            "learned_optimizer.npz",
        ),
        (
            "maml_sinusoid",
            ["--iterations", "2", "--steps", "3", "--no-jit", "--test-tasks", "10"]
            + ["--tasks", "3", "--remat", "sqrt", "--mode", "mixed"],
            "maml_sinusoid.npz",
        ),
        *(
            (
                "hypergradient",
                [*HYPERGRADIENT, "--work", work, *flags],
                f"hypergradient_{work}{end}",
            )
            for work, flags, end in (
                ("weights", ["--iterations", "2", "--steps", "4"], "_learned.png"),
                ("rates", ["--iterations", "2", "--steps", "4"], ".npz"),
                ("cost", ["--inner", "2", "5"], ".csv"),
            )
        ),
        (
            "metagradient_lab",
            ["--iterations", "2", "--inner", "1", "--repeats", "1", "--tasks", "2"],
            "metagradient_lab_sinusoid.csv",
        ),
        (
            "learning_bias",
            ["--iterations", "1", "--glyph-iterations", "1", "--test-tasks", "2", "--way", "2"]
            + ["--filters", "4"],
            "learning_bias_glyphs.csv",
        ),
    ],
)
def test_the_other_examples_write_what_they_say(
    name, flags, written, example, tmp_path, monkeypatch, request
):
    if name == "siamese_images" and "--classes" in flags:  # with the pictures of the other one
        request.getfixturevalue("no_pictures")
    if name == "learning_bias":  # an update is not worth a hundred kernels
        monkeypatch.setattr(sys.modules["tinymeta.meta.train"], "jit", lambda f: f)
    with without_compiling() if name == "metagradient_lab" else nullcontext():
        done = example(name, *flags, out=tmp_path)
    assert done.returncode == 0, done.stderr
    if not written.endswith(".png") or find_spec("matplotlib"):
        assert (tmp_path / written).exists()
    assert not list(tmp_path.glob("*.part")), "nothing half-written is left"


TINY = ["--iterations", "4", "--tasks", "3", "--test-tasks", "10", "--no-jit"]


@pytest.mark.examples
def test_a_saved_run_is_evaluated_with_its_own_flags(example, no_pictures, tmp_path):
    done = example("maml_images", *TINY, *SMALL, out=tmp_path)
    again = example(
        "maml_images",
        "--evaluate",
        str(tmp_path / "maml_glyphs.npz"),
        "--test-tasks",
        "10",
        out=tmp_path,
    )
    assert again.returncode == 0, again.stderr
    ours, theirs = (
        [row.split(", seed")[0] for row in run.stdout.splitlines() if row.startswith("result")]
        for run in (again, done)
    )
    assert ours[:1] == theirs and "not transductive" in ours[1]


@pytest.mark.examples
def test_resuming_with_other_flags_is_one_line_and_loses_nothing(example, no_pictures, tmp_path):
    example("maml_sinusoid", *TINY, out=tmp_path)
    kept = (tmp_path / "maml_sinusoid.checkpoint.npz").read_bytes()
    done = example("maml_sinusoid", *TINY, "--lr", "0.1", "--resume", out=tmp_path)
    assert done.returncode != 0 and "lr was 0.01 and is 0.1" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "maml_sinusoid.checkpoint.npz").read_bytes() == kept
    same = example("maml_sinusoid", *TINY, "--resume", out=tmp_path)
    assert same.returncode == 0 and "result: " in same.stdout
