"""At a kink a difference is no judge: what a check does there is the caller's choice."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import Kink, Skip, check_grads
from tinymeta.testing.differences import one_sided_slopes

KINKED = {
    "relu": tm.relu,
    "abs": tm.abs,
    "maximum": lambda x: tm.maximum(x, 0.0),
    "minimum": lambda x: tm.minimum(x * 2.0, x),
    "clip": lambda x: tm.clip(x, 0.0, 1.0),
    "a hinge": lambda x: tm.relu(0.0 - x) * 2.0 + x,
}
at_kinks, smooth = np.array([0.0, 0.5, -0.0]), np.array([0.3, 0.5, -0.2])


@pytest.mark.parametrize("name", KINKED)
def test_one_sided_takes_every_subgradient_and_nothing_else(name):
    f = KINKED[name]
    check_grads(f, at_kinks, order=1, n_dirs=8, kinks="one-sided")
    at_zero = np.array([1.0, 0.0, 1.0])
    beyond = lambda x: f(x) + 2.2 * at_zero * (tm.stop_gradient(x) - x)  # slopes 2.2 less
    with pytest.raises(AssertionError, match="of order 1 is wrong"):
        check_grads(beyond, at_kinks, order=1, n_dirs=8, kinks="one-sided")


def test_raise_raises_even_where_both_sides_agree_with_the_rule():
    even = lambda x: tm.abs(x) + x  # abs'(0) = 0 is the central difference, too
    check_grads(even, np.zeros(2), order=1, kinks="skip")
    with pytest.raises(Kink, match=r"(?s)is asked for at a kink.*between the points compared: abs"):
        check_grads(even, np.zeros(2), order=1, kinks="raise")
    check_grads(even, smooth, kinks="raise")


def test_skip_counts_and_fails_above_its_share():
    with pytest.raises(Kink, match=r"relu: 4 of 4 comparisons lie at kinks and were ski"):
        check_grads(tm.relu, at_kinks)
    report = check_grads(tm.relu, at_kinks, kinks=Skip(at_most=1.0, grace=0))
    assert len(report.rows) == 4 and all(row.skipped for row in report.rows)
    assert report.kinks == ["relu", "relu_gradient"]


def test_a_skip_counts_over_the_checks_it_is_given():
    skip = Skip(at_most=0.2, grace=4)
    for _ in range(9):
        check_grads(tm.relu, smooth, kinks=skip)  # 36 comparisons
    for _ in range(3):
        check_grads(tm.relu, at_kinks, kinks=skip)
    assert (skip.skipped, skip.compared) == (12, 48)
    with pytest.raises(
        Kink, match="16 of 52 comparisons lie at kinks and were skipped, more than 20% and 4"
    ):
        for _ in range(2):
            check_grads(tm.relu, at_kinks, kinks=skip)


def test_a_test_that_skips_everything_fails():
    skip = Skip()
    with pytest.raises(Kink):
        for _ in range(5):
            check_grads(tm.relu, at_kinks, kinks=skip)


@pytest.mark.parametrize("kinks", ["skip", "one-sided", Skip(at_most=1.0)])
def test_a_wrong_rule_is_not_excused_by_a_kink_elsewhere(kinks, a_new_primitive):
    bad = a_new_primitive("exp(a)", (lambda g, y, a: g * y * 1.001,))
    with pytest.raises(AssertionError, match="of order 1 is wrong"):
        check_grads(lambda x: (bad(x), tm.relu(x)), smooth, kinks=kinks)


@pytest.mark.parametrize("kinks", ["skip", "one-sided", Skip(at_most=1.0)])
def test_nan_at_a_kink_is_no_subgradient(kinks, a_new_primitive):
    bad = a_new_primitive("maximum(a, 0)", (lambda g, y, a: g * np.nan,))
    with pytest.raises(AssertionError, match="of order 1 is not finite"):
        check_grads(bad, at_kinks, kinks=kinks)


def test_an_unknown_policy_is_named():
    with pytest.raises(
        ValueError, match="kinks 'ignore' must be one of skip, raise, one-sided, or"
    ):
        check_grads(tm.exp, smooth, kinks="ignore")


# ---- the slopes on the two sides ----------------------------------------------------------------


@pytest.mark.parametrize(
    "f, left, right, kinked",
    [
        (lambda t: abs(t), -1, 1, True),
        (lambda t: max(t, 0), 0, 1, True),
        (lambda t: abs(t) + 1e3 * t, 999, 1001, True),
        (lambda t: t * abs(t), 0, 0, False),
        (lambda t: np.exp(3 * t), 3, 3, False),
        (lambda t: np.sin(300 * t), 300, 300, False),
        (lambda t: t**3 * 1e6, 0, 0, False),
        (lambda t: 7.0, 0, 0, False),
    ],
)
def test_they_differ_at_a_kink_and_nowhere_else(f, left, right, kinked):
    found = one_sided_slopes(lambda t: np.array([float(f(t))]), 1.0)
    assert found.left.value == pytest.approx(left, rel=1e-5, abs=1e-6)
    assert found.right.value == pytest.approx(right, rel=1e-5, abs=1e-6)
    assert found.kinked == kinked


@pytest.mark.parametrize(
    "f, kinked",
    [
        (lambda t: float(t > 0), True),
        (lambda t: float(t < 0) + t, True),
        (lambda t: np.sqrt(t) if t >= 0 else np.nan, False),
    ],
)
def test_a_jump_is_a_kink_and_an_edge_is_none(f, kinked):
    assert one_sided_slopes(lambda t: np.array([float(f(t))]), 1.0).kinked == kinked
