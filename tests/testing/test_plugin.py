"""The pytest plugin, as pytest runs it: in another process, on test files that users may write."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent.parent
STRICT = ["--strict-markers", "--strict-config", "-W", "error"]


@pytest.fixture
def run(tmp_path):
    """run(text, *options): (exit status, what pytest prints) for a test file of that text."""

    def run(text, *options):
        (tmp_path / "test_it.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_tinymeta", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        environment.pop("PYTEST_ADDOPTS", None)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    return run


RIGHT = """
import numpy as np
def test_sine(gradcheck):
    gradcheck(np.sin, np.ones((2, 3)), backward=lambda g, x: g * np.cos(x))
"""
WRONG = """
import numpy as np
def square(x):
    return x * x
def backward(g, x):
    return g * np.where(x > 0.9, 2.1, 2.0) * x
def test_square(gradcheck):
    gradcheck(square, np.array([0.123456789, 1.23456789]), backward=backward)
"""
UNUSED = """
import sys
def test_nothing():
    ours = [name for name in sys.modules if name.startswith("tinymeta")]
    slow = {"numpy", "numba", "hypothesis.strategies", "torch", "jax"} & {*sys.modules}
    assert not ours and not slow
"""


# ---- where nobody asks for it -------------------------------------------------------------------


def test_it_imports_nothing_until_its_fixture_is_asked_for(run):
    status, said = run(UNUSED, *STRICT)
    assert status == 0, said


def test_it_says_nothing_where_it_is_not_used(run):
    without_time = lambda said: re.sub(r"in [\d.]+s", "", said)
    with_it, without_it = (
        run(UNUSED, "-v", *STRICT, "-p", f"{word}pytest_tinymeta") for word in ("", "no:")
    )
    lines = [
        {line for line in without_time(said).splitlines() if not line.startswith("plugins:")}
        for _, said in (with_it, without_it)
    ]
    assert with_it[0] == without_it[0] == 0 and lines[0] == lines[1]


def test_its_fixture_loads_no_compiler(run):
    status, said = run(RIGHT + "    import sys\n    assert 'numba' not in sys.modules\n", *STRICT)
    assert status == 0, said


# ---- what it says -------------------------------------------------------------------------------


def test_a_failure_is_told_in_sections_with_the_smallest_input_and_the_command(run):
    status, said = run(WRONG)
    assert status == 1
    for line in [
        "E       AssertionError: gradcheck: square",
        "E       check_grads: the derivative of square of order 1 is wrong",
        "E       -- smallest input found (",
        "E       argument [0] = float64 [1.0]",
        'E       python -m pytest "test_it.py::test_square" --gradcheck-seed=0',
    ]:
        assert line in said, said
    assert "worst entry: argument [0] at (0,)" in said
    assert "fixture.py" not in said and "gradcheck.py" not in said, "no line of ours in between"


def test_the_seed_is_in_the_report_and_an_option(run, tmp_path):
    status, said = run(WRONG, "--gradcheck-seed=7", f"--junitxml={tmp_path / 'junit.xml'}", "-v")
    assert status == 1 and "gradcheck seed: 7" in said and "--gradcheck-seed=7" in said
    case = next(ElementTree.parse(tmp_path / "junit.xml").iter("testcase"))
    (seed,) = case.iter("property")
    assert seed.attrib == {"name": "gradcheck_seed", "value": "7"}
    assert "smallest input found" in next(case.iter("failure")).text
    tables = {run(WRONG, f"--gradcheck-seed={seed}")[1].split("worst")[0] for seed in (7, 8)}
    assert len(tables) == 2


@pytest.mark.parametrize("text", [WRONG, UNUSED], ids=["used", "unused"])
def test_a_seed_that_is_none_is_refused_at_the_start(run, text):
    status, said = run(text, "--gradcheck-seed=some")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert said.strip() == "ERROR: --gradcheck-seed=some: pass a whole number, or random"


def test_a_random_seed_is_one_for_all_workers(run):
    pytest.importorskip("xdist")
    two = WRONG + "def test_again(gradcheck):\n    test_square(gradcheck)\n"
    status, said = run(two, "--gradcheck-seed=random", "-n", "2")
    assert status == 1 and "2 failed" in said
    assert len({*re.findall(r"--gradcheck-seed=(\d+)", said)}) == 1


def test_markers_set_options_and_calls_override_them(run):
    text = """
import numpy as np
import pytest
pytestmark = pytest.mark.gradcheck(kinks="raise")
RELU = (lambda x: np.maximum(x, 0)), np.array([0.0, 1.0])
BACKWARD = {"backward": lambda g, x: g * (x > 0)}
def test_file(gradcheck):
    with pytest.raises(AssertionError, match="at a kink"):
        gradcheck(*RELU, **BACKWARD)
@pytest.mark.gradcheck(kinks="one-sided")
def test_function(gradcheck):
    gradcheck(*RELU, **BACKWARD)
    with pytest.raises(AssertionError, match="at a kink"):
        gradcheck(*RELU, kinks="raise", **BACKWARD)
@pytest.mark.gradcheck(oder=1)
def test_no_option(gradcheck):
    with pytest.raises(ValueError, match="no option is named oder: choose of order, modes"):
        gradcheck(*RELU, **BACKWARD)
@pytest.mark.parametrize("option", [{"seed": "a"}, {"seed": -1}, {"examples": 0}, {"seconds": "1"}])
def test_no_number(gradcheck, option):
    (name,) = option
    with pytest.raises(ValueError, match=f"^gradcheck: {name}=.* must be a"):
        gradcheck(*RELU, **BACKWARD, **option)
@pytest.mark.gradcheck(1)
def test_no_name(gradcheck):
    with pytest.raises(pytest.UsageError, match="give each option by its name, such as order=1"):
        gradcheck(*RELU, **BACKWARD)
"""
    status, said = run(text, *STRICT)
    assert status == 0, said


def test_dtypes_and_orders(run):
    text = """
import numpy as np, pytest, tinymeta as tm
x = np.ones(3, np.float32)
def dtypes(report):
    return {row.dtype for row in report.rows}
def test_dtype(gradcheck):
    assert dtypes(gradcheck(tm.exp, x)) == {"float32", "float64"}
    for sample in (x, tm.tensor(x)):
        assert dtypes(gradcheck(tm.exp, sample, dtype="float64")) == {"float64"}
    with pytest.raises(ValueError, match="dtype 'float16' is not 'given' or 'float64'"):
        gradcheck(tm.exp, x, dtype="float16")
def test_order(gradcheck):
    assert {row.order for row in gradcheck(tm.exp, x).rows} == {1, 2}
    by_hand = gradcheck(np.exp, x, backward=lambda g, x: g * np.exp(x))
    assert {row.order for row in by_hand.rows} == {1}
    with pytest.raises(ValueError, match="order=0 must be a whole number"):
        gradcheck(tm.exp, x, order=0)
    both = gradcheck(tm.exp, x, modes=("rev", "fwd"), order=1)
    assert {row.mode for row in both.rows} == {"rev", "fwd"}
class Ridge:
    def loss_and_grad(self, w, x, y):
        r = x @ w - y
        return 0.5 * r @ r + 0.5 * w @ w, x.T @ r + self.scale * w
def test_scikit(gradcheck):
    ridge, data = Ridge(), (np.eye(2), np.ones(2))
    ridge.scale = 1.0
    gradcheck(ridge, np.array([0.3, 0.4]), *data)
    ridge.scale = 2.0
    with pytest.raises(AssertionError, match="the derivative of Ridge of order 1 is wrong"):
        gradcheck(ridge, np.array([0.3, 0.4]), *data)
    with pytest.raises(ValueError, match="Ridge.loss_and_grad.* needs samples"):
        gradcheck(ridge)
    ridge.loss_and_grad = lambda w: (w @ w,)
    with pytest.raises(TypeError, match="Ridge.loss_and_grad returns .*: return .loss, gradient"):
        gradcheck(ridge, np.ones(2))
"""
    status, said = run(text, *STRICT)
    assert status == 0, said


# ---- drawn samples ------------------------------------------------------------------------------

DRAWN = """
import numpy as np, tinymeta as tm
from hypothesis import given, settings, strategies as st
from tinymeta.testing.strategies import shapes, tensors
def cube(x):
    return x**3
def backward(g, x):
    return 3 * g * x**2 * (1 + (x.ndim == 2) * (x > 1))
ARRAYS = tensors(shapes(min_dims=1, min_side=1))
"""


def test_strategies_are_drawn_from_and_a_failure_is_made_small(run):
    status, said = run(
        DRAWN + "def test_cube(gradcheck): gradcheck(cube, ARRAYS, backward=backward)"
    )
    assert status == 1 and "smallest input found (" in said, said
    # The summary of a run on CI has it once more.
    smallest, *_ = re.findall(r"argument \[0\] = float64 (.*)", said)
    assert smallest.startswith("[[") and smallest.count(",") <= 1, smallest


def test_a_test_of_hypothesis_may_use_the_fixture(run):
    text = """
@settings(deadline=None, max_examples=10)
@given(ARRAYS.filter(lambda x: x.ndim == 1))
def test_cube(gradcheck, x):
    gradcheck(cube, x + 2.0, backward=backward)
"""
    status, said = run(DRAWN + text)
    assert status == 0, said


def test_examples_that_say_nothing_are_passed_over_and_only_such_are_an_error(run):
    text = """
import pytest
from tinymeta.testing import Vacuous
def test_some(gradcheck): gradcheck(tm.relu, tensors(2), examples=10)
def test_none(gradcheck):
    with pytest.raises(Vacuous, match="no case that was drawn says anything"):
        gradcheck(tm.relu, tensors(2, high=-0.5), examples=10)
"""
    status, said = run(DRAWN + text)
    assert status == 0, said
