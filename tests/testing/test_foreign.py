"""A NumPy function with a hand-written backward pass is checked like an operation of ours."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import (
    Foreign,
    Kink,
    NoRule,
    Vacuous,
    check_grads,
    check_identities,
    check_meta_grad,
    check_taylor,
)

rng = np.random.default_rng(0)
x, w = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))


def layer(p, x, labels):
    """Logits, of which some are picked, and something that is no float."""
    z = np.tanh(x @ p["w"])
    return {"picked": z[np.arange(len(labels)), labels], "z": z}, labels + 1


def layer_backward(g, p, x, labels):
    z = np.tanh(x @ p["w"])
    dz = np.array(g[0]["z"])
    dz[np.arange(len(labels)), labels] += g[0]["picked"]
    dz = dz * (1 - z * z)
    return {"w": x.T @ dz}, dz @ p["w"].T, None


LAYER = {"w": w}, x, np.array([1, 0, 1])


def cubed(x):
    return x**3


def cubed_backward(g, x):
    return 3 * g * x**2


def cubed_twice(w, g, x):
    return 3 * w * x**2, 6 * w * g * x


TWICE = Foreign(cubed, backward=Foreign(cubed_backward, backward=cubed_twice))


# ---- what is right passes -----------------------------------------------------------------------


def test_trees_of_arrays_go_in_and_come_out():
    f = Foreign(layer, backward=layer_backward)
    assert len(check_grads(f, *LAYER, order=1, n_dirs=3).rows) == 3
    check_taylor(f, *LAYER)
    value, after = f(*LAYER)
    np.testing.assert_array_equal(value["z"].numpy(), layer(*LAYER)[0]["z"])
    assert after.numpy().tolist() == [2, 1, 2] and after.dtype == np.int64


def test_a_backward_with_a_backward_has_a_second_derivative():
    check_grads(TWICE, x, order=2)
    check_grads(TWICE, x, order=1, modes=("rev", "fwd"))
    with pytest.raises(NoRule, match="the derivative of cubed_twice"):
        check_grads(TWICE, x, order=3)
    assert [row.what for row in check_identities(TWICE, x).rows][-3].startswith("<Ha, b>")
    assert check_taylor(TWICE, x, order=2).slope == pytest.approx(3, abs=0.3)


def test_it_is_an_operation_among_others():
    np.testing.assert_allclose(
        tm.grad(tm.grad(lambda t: TWICE(tm.sin(t))))(np.array(0.5)).item(),
        6 * np.sin(0.5) * np.cos(0.5) ** 2 - 3 * np.sin(0.5) ** 3,
        rtol=1e-6,
    )
    assert not TWICE(x).serial, "untracked input, no history"


def test_float32_is_computed_in_float32():
    met = []
    f = Foreign(lambda x: met.append(x.dtype) or np.exp(x), backward=lambda g, x: g * np.exp(x))
    rows = check_grads(f, x.astype(np.float32), order=1, n_dirs=1).rows
    assert [row.dtype for row in rows] == ["float64", "float32"]
    assert {str(dtype) for dtype in met} == {"float32", "float64"}


def test_identities_that_need_no_second_derivative_are_looked_at():
    rows = check_identities(Foreign(cubed, backward=cubed_backward), x).rows
    assert len(rows) == 5 and "J'(2u - w/2)" in rows[3].what
    crooked = Foreign(cubed, backward=lambda g, x: cubed_backward(g, x) + 1e-9 * g * g)
    with pytest.raises(AssertionError, match=r"cubed: broken: J'\(2u - w/2\)"):
        check_identities(crooked, x)


def test_a_hand_written_meta_gradient_of_numpy_functions():
    """L = (theta - x)^2 / 2 for each task: theta' = theta - r (theta - s),
    and F' = (1 - r)(theta' - q).
    """
    rate, support, query = 0.3, rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    adapt = lambda theta, s: theta - rate * (theta - s)
    loss = lambda theta, q: ((theta - q) ** 2).sum(1) / 2
    exact = lambda theta, tasks: ((1 - rate) * (adapt(theta, tasks[0]) - tasks[1])).mean(0)
    theta = rng.normal(size=5)
    check_meta_grad(exact, loss, adapt, theta, (support, query))
    with pytest.raises(AssertionError, match="first-order MAML gradient"):
        check_meta_grad(
            lambda theta, tasks: exact(theta, tasks) / (1 - rate),
            loss,
            adapt,
            theta,
            (support, query),
        )


# ---- what is wrong is red -----------------------------------------------------------------------


def test_a_wrong_backward_is_red_at_its_entry():
    def wrong(g, p, x, labels):
        dp, dx, _ = layer_backward(g, p, x, labels)
        dp["w"][2, 1] *= 1.001
        return dp, dx, None

    with pytest.raises(AssertionError, match=r"(?s)layer of order 1 is wrong.*\['w'\] at \(2, 1\)"):
        check_grads(Foreign(layer, backward=wrong), *LAYER, order=1)


def test_a_wrong_second_backward_is_red_at_order_two():
    once = Foreign(cubed_backward, backward=lambda w, g, x: (3 * w * x**2, 6 * w * x))
    f = Foreign(cubed, backward=once)
    check_grads(f, x, order=1)
    with pytest.raises(AssertionError, match="derivative of cubed of order 2 is wrong"):
        check_grads(f, x)


@pytest.mark.parametrize(
    "backward, kind, message",
    [
        (
            cubed_backward,
            NoRule,
            "nobody said what the derivative of cubed_backward is: ask for a lowe",
        ),
        (lambda g, x: (g, g), AssertionError, "returned 2 gradients for 1 floating inputs"),
        (lambda g, x: None, AssertionError, "returned 0 gradients for 1 floating inputs"),
        (lambda g, x: (3 * g * x**2).astype(np.float32), AssertionError, "returned float32"),
        (lambda g, x: (3 * g * x**2).sum(), AssertionError, r"returned float64\(\)"),
        (lambda g, x: 3 * g * x**2 * np.nan, AssertionError, "of order 1 is not finite"),
        (lambda g, x: x.sort() or g, AssertionError, "writes into its argument"),
    ],
)
def test_a_backward_that_is_none_gets_a_sentence(backward, kind, message):
    with pytest.raises(kind, match=message):
        check_grads(Foreign(cubed, backward=backward), x)


@pytest.mark.parametrize("what", ["backward", "vjp", "asarray"])
def test_what_is_no_function_is_refused_at_once(what):
    with pytest.raises(TypeError, match=f"^Foreign: {what} must be a function, got 3"):
        Foreign(cubed, **{what: 3})


def test_a_backward_is_given_what_the_function_is_given():
    class Boxed(np.ndarray):
        """As another framework's array."""

    def backward(g, x):
        assert isinstance(g, Boxed) and isinstance(x, Boxed)
        return 3 * g * x**2

    check_grads(Foreign(cubed, backward=backward, asarray=lambda x: x.view(Boxed)), x, order=1)


def writes(x):
    x += 1.0
    return x * 2.0


@pytest.mark.parametrize(
    "f, message",
    [
        (writes, r"writes into its argument \[0\]: let it make a new array"),
        (lambda x: x * rng.normal(), "gives two values for one input"),
        (lambda x: np.float16(x) * 2, "returns float16 for float64 inputs, too coarse"),
        (lambda x: x.shape[0], "nothing to differentiate"),
        (lambda x: x * np.inf, "is not finite"),
    ],
)
def test_a_function_that_is_none_gets_a_sentence(f, message):
    with pytest.raises((AssertionError, ValueError), match=message):
        check_grads(Foreign(f, backward=lambda g, x: 2 * g), x)


def test_a_constant_function_is_no_test_of_anything():
    with pytest.raises(Vacuous, match="does not move with its inputs"):
        check_grads(Foreign(lambda x: 0 * x + 1, backward=lambda g, x: 0 * g), x, order=1)


def test_one_way_to_differentiate():
    with pytest.raises(ValueError, match="cubed: give a backward or a vjp, not both"):
        Foreign(cubed, backward=cubed_backward, vjp=tm.vjp)


# ---- kinks, which it does not tell --------------------------------------------------------------


def rectified(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_its_slopes_on_the_two_sides_are_what_tells(at_zero):
    f = Foreign(rectified, backward=lambda g, x: g * np.where(x > 0, 1.0, (x == 0) * at_zero))
    check_grads(f, np.array([0.5, -1.0]), order=1)
    check_grads(f, np.array([0.0, 0.5]), order=1, kinks="one-sided")
    with pytest.raises(Kink, match="a function that tells no branches"):
        check_grads(f, np.array([0.0, 0.5]), order=1, kinks="raise")


def test_no_subgradient_is_red():
    f = Foreign(rectified, backward=lambda g, x: g * np.where(x == 0, 1.1, x > 0))
    with pytest.raises(AssertionError, match="of order 1 is wrong"):
        check_grads(f, np.array([0.0, 0.5]), order=1, n_dirs=6, kinks="one-sided")
