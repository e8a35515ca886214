"""custom_vjp: the given derivative is the function's, at every order, in both modes, under jit."""

import itertools
from functools import reduce

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import check_grads, check_identities

x = np.array([0.3, -0.7])
exponential = tm.custom_vjp(tm.exp, lambda x: 2 * (tm.exp(x),), lambda y, g: (g * y,))
softplus = tm.custom_vjp(
    lambda x: tm.log(1.0 + tm.exp(x)),
    lambda x: (tm.log(1.0 + tm.exp(x)), x),
    lambda x, g: (g / (1.0 + tm.exp(-x)),),
)
straight_through = tm.custom_vjp(tm.sign, lambda x: (tm.sign(x), None), lambda _, g: (g,))


def scaled(p, i, how):
    return {"y": p["w"] * p["b"][0], "i": i, how: p["w"] + 1.0}


def backward(p, g):
    w, (b, *_) = p["w"], p["b"]
    return {"w": g["y"] * b + g["more"], "b": [(g["y"] * w).sum(), None]}, None, None


of_trees = tm.custom_vjp(scaled, lambda p, i, how: (scaled(p, i, how), p), backward)


@pytest.mark.parametrize("f", [exponential, softplus])
def test_it_agrees_with_differences_and_keeps_the_identities(f):
    """Its value is differenced, so a bwd that is wrong would be seen."""
    check_grads(f, x, order=3, n_dirs=1, modes=("fwd", "rev"))
    check_grads(lambda x: tm.grad(lambda w: (f(w * x) * w).sum())(x), x, modes=("fwd", "rev"))
    check_identities(f, x)


def test_a_wrong_backward_is_seen():
    wrong = tm.custom_vjp(tm.sin, lambda x: (tm.sin(x), x), lambda x, g: (g * tm.cos(x) * 1.001,))
    with pytest.raises(AssertionError, match="of order 1 is wrong"):
        check_grads(wrong, x)


def test_every_order_in_both_modes():
    along = lambda f: lambda x: tm.jvp(f, (x,), (np.ones(()),))[1]
    for modes in itertools.product([tm.grad, along], repeat=3):
        third = reduce(lambda f, mode: mode(f), modes, exponential)
        np.testing.assert_allclose(third(np.array(0.5)), np.exp(0.5), rtol=1e-14)


def test_the_rule_is_the_derivative_wherever_the_result_goes():
    """d/dx sign(x)^2, if the slope of sign is 1, is 2 sign(x); its derivative is 2."""
    squared = lambda x: (straight_through(x) ** 2).sum()
    np.testing.assert_array_equal(tm.grad(squared)(x), 2 * np.sign(x))
    np.testing.assert_array_equal(tm.hvp(squared, x, x), 2 * x)
    np.testing.assert_array_equal(tm.hessian(squared)(x), 2 * np.eye(2))
    np.testing.assert_array_equal(tm.jvp(straight_through, (x,), (x,))[1], x)


def test_a_stable_form_is_stable_where_the_plain_one_is_not():
    plain = lambda x: tm.log(1.0 + tm.exp(x))
    stable = tm.custom_vjp(plain, lambda x: (plain(x), x), lambda x, g: (g * tm.sigmoid(x),))
    big = np.array([-800.0, 800.0])
    with np.errstate(over="ignore", invalid="ignore"), tm.debug_nans():
        slope = tm.grad(lambda x: stable(x).sum())(big)
        _, pushed = tm.jvp(stable, (big,), (big,))
        with pytest.raises(FloatingPointError):
            tm.grad(lambda x: plain(x).sum())(big)
    np.testing.assert_array_equal(slope, [0, 1])
    np.testing.assert_array_equal(pushed, [0, 800])


def test_trees_several_results_integers_and_what_is_no_tensor():
    p, i = {"w": x, "b": [np.array(2.0), np.array(1.0)]}, np.array([3, 4])
    f = lambda p: of_trees(p, i, "more")
    check_grads(lambda p: f(p)["y"] * f(p)["more"], p, order=2, modes=("fwd", "rev"))
    assert of_trees(p, i, "more")["i"] is i
    value, pushed = tm.jvp(f, (p,), (p,))
    np.testing.assert_array_equal(value["i"], i)
    np.testing.assert_array_equal(pushed["y"], 4 * x)
    assert not any(t.serial for t in tm.tree.leaves((value, pushed)))


def test_compiled_as_eagerly():
    """And what its gradient and its pushforward multiply to, and what theirs do."""
    orders = [lambda x: (exponential(x) * softplus(x) * straight_through(x)).sum()]
    for _ in range(2):
        of_gradient = lambda x, f=orders[-1]: (tm.grad(f)(x) * tm.jvp(f, (x,), (x,))[1]).sum()
        orders.append(of_gradient)
    all_orders = lambda x: [f(x) for f in orders]
    for compiled, eager in zip(tm.jit(all_orders)(x), all_orders(x), strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-13)


def test_under_a_checkpoint_and_around_one():
    inner = tm.custom_vjp(tm.checkpoint(tm.exp), lambda x: 2 * (tm.exp(x),), lambda y, g: (g * y,))
    for f in (tm.checkpoint(exponential), inner):
        np.testing.assert_allclose(tm.hessian(lambda x: f(x).sum())(x), np.diag(np.exp(x)))
        np.testing.assert_allclose(tm.jvp(f, (x,), (x,))[1], np.exp(x) * x)


def test_nobody_differentiates_and_nothing_is_kept():
    y = exponential(x)
    assert y.serial == 0 and y.inputs == ()


@pytest.mark.parametrize(
    "fwd, bwd, error, words",
    [
        (lambda x: tm.exp(x), None, TypeError, "fwd of exp must return a pair .*, got Tensor"),
        (None, lambda y, g: g * y, ValueError, "bwd of exp must return a tuple of 1, .* Tensor"),
        (None, lambda y, g: (g, g), ValueError, "must return a tuple of 1"),
        (None, lambda y, g: ({"w": g},), ValueError, r"returned .* for argument \[0\], which is"),
        (None, lambda y, g: (g[:1],), ValueError, r"float64\(1,\) for argument \[0\], which is"),
        (None, lambda y, g: (g.astype("f4"),), ValueError, r"returned float32\(2,\) for argument"),
        (None, lambda y, g: (g * g,), ValueError, "rule of exp is not linear in its cotangent"),
    ],
)
def test_what_does_not_fit_is_named(fwd, bwd, error, words):
    fwd = fwd or (lambda x: 2 * (tm.exp(x),))
    f = tm.custom_vjp(tm.exp, fwd, bwd or (lambda y, g: (g * y,)))
    with pytest.raises(error, match=words):
        tm.jvp(f, (x,), (x,))


@pytest.mark.parametrize("of", [tm.grad, lambda f: lambda x: tm.jvp(f, (x,), (x,))])
def test_a_tensor_that_it_closes_over_is_refused(of):
    def loss(x):
        f = tm.custom_vjp(lambda y: y * x, lambda y: (y * x, x), lambda x, g: (g * x,))
        return f(2.0 * x).sum()

    with pytest.raises(ValueError, match="closes over a tensor that is being differentiated"):
        of(loss)(x)


def test_a_backward_that_reads_its_cotangent_is_named():
    f = tm.custom_vjp(tm.exp, lambda x: 2 * (tm.exp(x),), lambda y, g: (g * g.sum().item(),))
    with pytest.raises(TypeError, match="reads the value of its cotangent"):
        tm.jvp(f, (x,), (x,))
