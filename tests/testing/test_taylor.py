"""The slope is 2 or 3 for what is right and less for what is not; what is undecided says so."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import Foreign, Kink, check_taylor

rng = np.random.default_rng(0)
x = rng.normal(size=(3, 4))


# ---- planted faults -----------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    "rule",
    [
        lambda g, y, a: g * y * 1.001,
        lambda g, y, a: g * y * (1.0 + 1e-5),
        lambda g, y, a: -g * y,
        lambda g, y, a: g * y + 0.01,
        lambda g, y, a: g * y * np.nan,
        lambda g, y, a: tm.where(a > 1.5, 0.0, g * y),
    ],
    ids=["scaled", "by a hundred-thousandth", "flipped", "shifted", "nan", "in one entry"],
)
def test_a_wrong_gradient_has_slope_one(rule, order, a_new_primitive):
    op = a_new_primitive("exp(a)", (rule,))
    with pytest.raises(AssertionError, match=f"a derivative of .* up to order {order} is wrong"):
        check_taylor(op, np.minimum(x, 1.0) + (x == x.max()), order=order)


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, y, a: g * tm.stop_gradient(y),
        lambda g, y, a: g * (1.001 * y - 0.001 * tm.stop_gradient(y)),
    ],
)
def test_a_wrong_second_derivative_shows_at_order_two_alone(rule, a_new_primitive):
    op = a_new_primitive("exp(a)", (rule,))
    check_taylor(op, x, order=1)
    with pytest.raises(AssertionError, match=r"(?s)up to order 2 is wrong.*slope 2\.0\d\d, should"):
        check_taylor(op, x, order=2)


def test_a_linear_function_of_the_wrong_slope_is_no_exact_one(a_new_primitive):
    op = a_new_primitive("3 * a", (lambda g, y, a: 3.001 * g,))
    for order in (1, 2):
        with pytest.raises(AssertionError, match=r"is wrong"):
            check_taylor(op, x, order=order)


# ---- what is right ------------------------------------------------------------------------------

# fmt: off
RIGHT = {
    "exp":           (tm.exp, x),
    "steep":         (lambda x: tm.sin(300.0 * x), x),
    "large":         (lambda x: x ** 4, 1e6 * x),
    "small":         (tm.exp, 1e-6 * x),
    "near an edge":  (tm.log, np.array([1e-3, 1.0, 1e3])),
    "at a zero":     (lambda x: x ** 3 - x, np.array([1.0, -1.0, 0.1])),
    "a norm layer":  (lambda x: (x - tm.mean(x, 0)) * tm.rsqrt(tm.var(x, 0) + 1e-5), x + 10),
    "a long sum":    (lambda x: tm.exp(x).sum(), rng.normal(size=1000)),
    "near a kink":   (lambda x: tm.relu(x) * tm.exp(x), np.array([1e-2, -1e-2, 2.0])),
    "softmax":       (lambda x: tm.softmax(x), x.astype(np.float32)),
}
# fmt: on


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", RIGHT)
def test_the_remainder_shrinks_by_its_order(name, order):
    for seed in range(5):
        report = check_taylor(*RIGHT[name], order=order, seed=seed)
        assert order + 1 - 0.1 < report.slope < order + 1.1
        assert len(report.fitted) == 5


@pytest.mark.parametrize(
    "f, order",
    [
        (lambda x: 3.0 * x, 1),
        (lambda x: 3.0 * x, 2),
        (lambda x: x * x - x, 2),
        (lambda x: tm.relu(x - 1e-3), 1),
        (lambda x: x @ x.T, 2),
    ],
)
def test_a_remainder_of_rounding_is_exact(f, order):
    assert check_taylor(f, x, order=order).slope == np.inf


def test_rounding_grows_with_what_is_subtracted():
    """At a zero of the function and its gradient, nothing else is rounded."""
    for seed in range(5):
        assert check_taylor(lambda x: x * x, np.zeros(2), order=2, seed=seed).slope == np.inf


def test_a_higher_order_than_expected_is_right():
    assert 2.9 < check_taylor(lambda x: x**3, np.zeros(3)).slope < 3.1


def test_steps_stop_before_a_kink_and_before_the_edge_of_the_domain():
    at = lambda f, x: check_taylor(f, np.array([x])).steps[0]
    assert at(lambda x: tm.relu(x) * x, 1e-3) < 1e-2 < at(lambda x: tm.relu(x) * x, 10.0)
    assert at(tm.log, 1e-3) < 1e-1 and at(tm.exp, 1e-3) == 0.5


# ---- kinks that no branch tells -----------------------------------------------------------------

# fmt: off
PIECEWISE = {                   # of NumPy: f, its gradient by hand, where the kinks are
    "relu":   (lambda x: np.maximum(x, 0.0), lambda g, x: g * (x > 0)),
    "abs":    (np.abs, lambda g, x: g * np.sign(x)),
    "clip":   (lambda x: np.clip(x, 0.0, 1.0), lambda g, x: g * ((x > 0) & (x < 1))),
    "x |x|":  (lambda x: x * np.abs(x), lambda g, x: 2 * g * np.abs(x)),
    "norm 1": (lambda x: np.abs(x).sum() + (x**2).sum(), lambda g, x: g * (np.sign(x) + 2 * x)),
    "jump":   (lambda x: np.exp(x) + (x > 0), lambda g, x: g * np.exp(x)),
}
# fmt: on


@pytest.mark.parametrize("name", PIECEWISE)
def test_a_right_foreign_function_passes_at_any_distance_from_a_kink(name):
    """At a kink itself there is nothing to decide; a wrong gradient is red, near or far."""
    f, backward = PIECEWISE[name]
    right = Foreign(f, backward=backward)
    wrong = Foreign(f, backward=lambda g, x: 1.001 * backward(g, x))
    for seed, distance in enumerate([1e-6, 1e-5, 1e-4, 0.003, 0.009, 0.02, 0.1, 0.3]):
        at = np.array([distance, -1.1, 0.7, -distance])
        assert check_taylor(right, at, seed=seed).slope >= 1.75
        with pytest.raises(AssertionError, match="is wrong") as error:
            check_taylor(wrong, at, seed=seed)
        assert error.type is AssertionError


@pytest.mark.parametrize("name", ["relu", "abs", "clip", "norm 1"])
def test_at_a_kink_that_no_branch_tells_nothing_is_called_wrong(name):
    f, backward = PIECEWISE[name]
    with pytest.raises(Kink, match="kinks near: a function that tells no branches"):
        check_taylor(Foreign(f, backward=backward), np.array([0.0, 0.3]))


# ---- what cannot be decided ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "f, x, why",
    [
        (tm.relu, np.zeros(3), r"cannot be decided.*\(kinks near: relu\)"),
        (tm.sqrt, np.zeros(3), "cannot be decided"),
        (lambda x: tm.exp(x) + 1e11, x, "cannot be decided: no steps are short and yet above roun"),
        (
            lambda x: 3.0 * x + 1e11,
            x,
            "cannot be decided: no steps are short and yet above rounding",
        ),
    ],
)
def test_at_a_kink_an_edge_or_in_rounding_nothing_is_decided(f, x, why):
    with pytest.raises(AssertionError, match=why):
        check_taylor(f, x)


def test_any_other_order_is_refused():
    for order in (0, 3):
        with pytest.raises(ValueError, match=f"the order {order} must be 1 or 2"):
            check_taylor(tm.exp, x, order=order)


def test_the_report_is_a_table_and_a_seed_repeats_it():
    report = check_taylor(tm.exp, x, order=2, seed=3)
    header, *rungs, last = str(report).splitlines()
    assert header.split() == ["step", "remainder", "rounding"] and len(rungs) == len(report.steps)
    assert sum(rung.endswith("fitted") for rung in rungs) == 5
    assert last.startswith("slope 3.0") and "should be 3" in last
    again, other = (
        check_taylor(tm.exp, x, order=2, seed=s).remainders for s in (np.random.default_rng(3), 4)
    )
    assert (again == report.remainders).all() and (other != report.remainders).any()
