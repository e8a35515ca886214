"""The checker is checked: planted faults of every order turn it red, and right gradients do not."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import Kink, Undecided, check_grads

rng = np.random.default_rng(0)
x = rng.normal(size=(3, 4))

FAULTS = {  # what a rule of exp returns instead of g * y, and how late it shows
    "scaled": (lambda g, y, a: g * y * 1.001, 0),
    "flipped": (lambda g, y, a: -g * y, 0),
    "dropped": (None, 0),
    "shifted": (lambda g, y, a: g * y + 0.01, 0),
    "nan": (lambda g, y, a: g * y * np.nan, 0),
    "stopped": (lambda g, y, a: g * tm.stop_gradient(y), 1),
}


# ---- planted faults -----------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_turns_the_order_red_where_it_shows_and_none_before(fault, depth, a_new_primitive):
    """exp as a chain of operations, each the derivative of the one before; the last rule is bad."""
    rule, late = FAULTS[fault]
    op = a_new_primitive("exp(a)", (rule,))
    for _ in range(depth - 1):
        op = a_new_primitive("exp(a)", (lambda g, y, a, after=op: g * after(a),))
    red = depth + late
    if red > 1:
        check_grads(op, x, order=red - 1)
    with pytest.raises(AssertionError, match=rf"of order {red} (is wrong|is not finite)"):
        check_grads(op, x, order=3 + late)


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: tm.matmul(a, tm.stop_gradient(b)),
        lambda a, b: tm.softmax(tm.stop_gradient(a), axis=1),
        lambda a, b: a * b - tm.stop_gradient(a) * b,
    ],
    ids=["a factor forgotten", "a softmax that stops, whose rows sum to 1", "a term forgotten"],
)
def test_a_function_whose_gradient_is_cut_is_red(f):
    a, b = rng.normal(size=(2, 3, 3))
    with pytest.raises(AssertionError, match="of order 1 is wrong"):
        check_grads(f, a, b)


def test_a_fault_in_one_entry_of_many_is_found_and_named(a_new_primitive):
    bad = a_new_primitive("exp(a)", (FAULTS["scaled"][0],))
    mask = np.zeros((10, 8), bool)
    mask[7, 3] = True
    with pytest.raises(AssertionError, match=r"argument \[1\]\['w'\]\[0\] at \(7, 3\)"):
        check_grads(
            lambda n, p: tm.where(mask, bad(p["w"][0]), tm.exp(p["w"][0])) * n,
            3,
            {"w": [rng.normal(size=(10, 8))], "b": np.ones(2)},
        )


def test_a_fault_in_the_derivative_by_the_cotangent_is_red(a_new_primitive):
    """Right at order 1, but the rule hides its g from order 2."""
    op = a_new_primitive("exp(a)", (lambda g, y, a: tm.stop_gradient(g) * y,))
    with pytest.raises(AssertionError, match=r"(?s)of order 2 is wrong.*cotangent 0 of order 1"):
        check_grads(op, np.array([0.3]))


def test_a_gradient_of_another_dtype_is_red(a_new_primitive):
    op = a_new_primitive("exp(a)", (lambda g, y, a: tm.astype(g * y, np.float32),))
    with pytest.raises(AssertionError, match=r"returned float32\(3, 4\), its input is float64"):
        check_grads(op, x)


def test_every_direction_can_fail_on_its_own():
    """Directions and cotangents are fresh: no two comparisons see the same number."""
    rows = check_grads(lambda x: tm.exp(x), x, order=3, n_dirs=4).rows
    assert len({row.analytic for row in rows}) == 12


def test_a_fault_of_float32_alone_is_red(a_new_primitive):
    fault = {np.dtype(np.float32): 1.001, np.dtype(np.float64): 1.0}
    op = a_new_primitive("exp(a)", (lambda g, y, a: g * y * fault[a.dtype],))
    check_grads(op, x)
    with pytest.raises(AssertionError, match=r"(?s)of order 1 is wrong.*float32 .*wrong"):
        check_grads(op, x.astype(np.float32))


def test_a_second_order_fault_of_float32_alone_is_red(a_new_primitive):
    op = a_new_primitive(
        "exp(a)", (lambda g, y, a: g * (tm.stop_gradient(y) if a.dtype == np.float32 else y),)
    )
    with pytest.raises(AssertionError, match=r"(?s)of order 2 is wrong.*float32 .*wrong"):
        check_grads(op, x.astype(np.float32))


@pytest.mark.parametrize("name", ["exp", "steep", "softmax", "norm layer", "large sum", "small"])
def test_float32_passes_with_a_tolerance_of_its_rounding(name):
    f, x = RIGHT[name]
    for seed in range(5):
        rows = check_grads(f, x.astype(np.float32), order=3, n_dirs=1, seed=seed).rows
        short = [row for row in rows if row.dtype == "float32"]
        assert len(short) == 3 and all(row.noise <= 0.05 * row.size for row in short)


# ---- mixed orders -------------------------------------------------------------------------------


def test_every_mixture_of_modes_is_compared():
    report = check_grads(lambda x: tm.tanh(x) @ x.T, x, order=3, n_dirs=1, modes=("rev", "fwd"))
    modes = [row.mode for row in report.rows]
    assert len(modes) == len(set(modes)) == 14 and modes[:6] == [
        "rev",
        "fwd",
        "rev-rev",
        "rev-fwd",
        "fwd-rev",
        "fwd-fwd",
    ]


def test_a_fault_that_the_pullback_of_the_pullback_shows(a_new_primitive):
    """Linear in g no more: J^T u is right, and J v is zero."""
    op = a_new_primitive("exp(a)", (lambda g, y, a: tm.stop_gradient(g) * y,))
    check_grads(op, x, order=1)
    with pytest.raises(AssertionError, match=r"(?s)of order 1 is wrong.*  fwd  .*wrong"):
        check_grads(op, x, order=1, modes=("fwd",))


# ---- not a number, and not to be decided --------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * np.nan,
        lambda x: tm.log(x - 10.0),
        lambda x: tm.where(x > -9.0, x, x / (x - x)),
        lambda x: tm.exp(x * 1e4),
    ],
    ids=["value", "domain", "slope alone", "infinite"],
)
def test_nan_and_infinity_never_pass(f):
    with pytest.raises(AssertionError, match="(the value of|derivative of).* is not finite"):
        check_grads(f, np.abs(x) + 0.1)


def test_the_slope_at_a_kink_is_no_difference():
    with pytest.raises(Kink, match="4 of 4 comparisons lie at kinks"):
        check_grads(tm.relu, np.zeros(3))


def test_at_the_edge_of_the_domain_nothing_is_decided():
    with pytest.raises(Undecided, match="cannot be decided by differences: an edge of the domain"):
        check_grads(tm.sqrt, np.zeros(3))


def test_a_slope_lost_in_rounding_is_not_decided(a_new_primitive):
    for op in (tm.exp, a_new_primitive("exp(a)", (FAULTS["scaled"][0],))):
        with pytest.raises(Undecided, match="rounding hides it"):
            check_grads(lambda x: op(x) + 1e13, x)


def test_a_kink_near_by_is_stepped_around():
    check_grads(lambda x: tm.relu(x) * x + tm.abs(x), np.array([1e-4, -1e-4, 2.0]), order=3)
    check_grads(tm.relu, np.array([1e-7, 0.3, 2.0, 0.7]))


def test_the_rounding_of_what_cancels_inside_is_no_mistake_and_hides_none(a_new_primitive):
    """The values are a millionth of the numbers that they are differences of."""
    for seed in range(10):
        point = np.random.default_rng(seed).normal(size=(3, 3))
        check_grads(lambda x: (x**3 - x**3 * 0.999999).sum(), point, seed=seed)
    cube = a_new_primitive("a * a * a", (lambda g, y, a: 3.003 * g * a * a,))
    with pytest.raises(AssertionError, match="of order 1 is wrong"):
        check_grads(lambda x: (cube(x) - cube(x) * 0.999999).sum(), x)


# ---- what is right passes, with a tolerance that means something ---------------------------------

# fmt: off
RIGHT = {
    "exp":          (lambda x: tm.exp(x), x),
    "steep":        (lambda x: tm.sin(300.0 * x), x),
    "large":        (lambda x: x ** 3, 1e6 * x),
    "small":        (lambda x: tm.sin(x), 1e-6 * x),
    "near an edge": (lambda x: tm.log(x), np.array([1e-3, 1.0, 1e3])),
    "at a zero":    (lambda x: x ** 3 - x, np.array([1.0, -1.0, 0.0])),
    "softmax":      (lambda x: tm.softmax(x), x),
    "norm layer":   (lambda x: (x - tm.mean(x, 0)) * tm.rsqrt(tm.var(x, 0) + 1e-5), x),
    "large sum":    (lambda x: tm.exp(x).sum(), rng.normal(size=1000)),
    "convolution":  (lambda x: tm.conv2d(x, np.ones((2, 3, 1, 2)), stride=2) ** 2,
                     rng.normal(size=(2, 5, 5, 1))),
}
# fmt: on


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_passes_and_the_tolerance_is_small(name):
    f, x = RIGHT[name]
    for row in check_grads(f, x, order=3, seed=np.random.default_rng(7)).rows:
        assert row.error <= row.numeric.tolerance <= 1e-3 * max(row.size, row.numeric.size)
        assert row.size > 0


def test_a_stationary_point_is_no_constant_function():
    first, _, second, _ = check_grads(lambda x: x * x, np.zeros(3)).rows
    assert first.analytic == 0 and second.analytic != 0


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_single_entry_keeps_its_shape(shape):
    """np.float64(array) would make a scalar of it before NumPy 2.4."""
    check_grads(tm.exp, np.full(shape, 0.3))


def test_trees_integers_and_float32_go_in_and_come_out():
    p = {"w": rng.normal(size=(4, 3)).astype(np.float32), "b": [tm.zeros(3)], "none": None}
    labels = np.array([2, 0, 1, 1])

    def f(p, labels, scale, x):
        z = tm.asarray(x).T @ x @ p["w"] + p["b"][0]
        loss = tm.losses.cross_entropy(z, labels) * scale
        return {"loss": loss, "right": tm.argmax(z, -1), "z": z}

    with pytest.raises(TypeError, match="lambda> cannot be called with float32: .* as arguments"):
        check_grads(lambda p: f(p, labels, 1.0, x), p)
    rows = check_grads(f, p, labels, 0.5, x.astype(np.float32), order=2, n_dirs=3).rows
    assert [row.dtype for row in rows] == ["float64", "float32"] * 6


def test_the_report_is_a_table():
    report = check_grads(lambda x: tm.exp(x), x, order=2, n_dirs=1)
    header, first, second = str(report).splitlines()
    assert header.split() == [
        "order",
        "mode",
        "dtype",
        "direction",
        "analytic",
        "numeric",
        "error",
        "tolerance",
    ]
    assert first.split()[:4] == ["1", "rev", "float64", "1"]
    assert second.split()[:4] == ["2", "rev-rev", "float64", "1"]
    assert float(first.split()[4]) == pytest.approx(report.rows[0].analytic, rel=1e-10)


def test_a_failure_shows_the_table_and_the_worst_entry(a_new_primitive):
    op = a_new_primitive("exp(a)", (FAULTS["scaled"][0],), name="too steep")
    with pytest.raises(AssertionError) as error:
        check_grads(op, np.array([0.0, 3.0]))
    first, header, row, worst = str(error.value).splitlines()
    assert first == "check_grads: the derivative of too steep of order 1 is wrong"
    assert row.endswith("wrong")
    assert worst.startswith("worst entry: argument [0] at (1,): analytic ")


def test_a_seed_repeats_a_check_and_a_generator_moves_on():
    analytic = lambda seed: [row.analytic for row in check_grads(tm.exp, x, seed=seed).rows]
    assert analytic(3) == analytic(3) != analytic(4)
    generator = np.random.default_rng(3)
    assert analytic(generator) == analytic(3) != analytic(generator)


# ---- what cannot be checked gets a sentence ------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: check_grads(tm.exp, x, order=0), "order=0 must be a whole number >= 1"),
        (lambda: check_grads(tm.exp, x, order=1.5), "order=1.5 must be a whole number >= 1"),
        (lambda: check_grads(tm.exp, x, n_dirs=0), "n_dirs=0 must be a whole number >= 1"),
        (
            lambda: check_grads(tm.exp, x, modes=("forward",)),
            r"modes \('forward',\) must be some of",
        ),
        (lambda: check_grads(tm.exp, x, modes=()), r"modes \(\) must be some of"),
    ],
)
def test_a_check_of_nothing_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
