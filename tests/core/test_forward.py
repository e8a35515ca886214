"""Forward mode: nested with itself and with reverse mode in any order, and what it holds."""

import gc
import itertools
from functools import reduce

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.scope import state
from tinymeta.testing import Foreign, check_grads

rng = np.random.default_rng(0)
x, v = rng.normal(size=3), rng.normal(size=3)
ONE = np.ones(())


def along(f, direction=ONE):
    return lambda x: tm.jvp(f, (x,), (direction,))[1]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_order_of_the_two_modes_gives_one_derivative(order):
    """d^n exp(2x) is 2^n exp(2x), and d^n x^4 is 4!/(4-n)! x^(4-n)."""
    for modes in itertools.product([tm.grad, along], repeat=order):
        exponential = reduce(lambda f, mode: mode(f), modes, lambda x: tm.exp(2.0 * x))
        power = reduce(lambda f, mode: mode(f), modes, lambda x: x**4)
        at = np.array(0.7)
        np.testing.assert_allclose(exponential(at), 2**order * np.exp(1.4), rtol=1e-13)
        factor = np.prod(range(4, 4 - order, -1))
        np.testing.assert_allclose(power(at), factor * 0.7 ** (4 - order), rtol=1e-13)


@pytest.mark.parametrize("outer", [tm.grad, along])
@pytest.mark.parametrize("inner", [tm.grad, along])
def test_perturbations_are_not_confused(outer, inner):
    """The classic: d/dx (x * d/dy (x + y)) is 1, though both are moved along 1."""
    d = outer(lambda x: x * inner(lambda y: x + y)(ONE))(ONE)
    assert d.item() == 1
    d = outer(lambda x: x * inner(lambda y: x * x * y)(x))(np.array(3.0))  # d/dx x^3
    assert d.item() == 27
    shifted = outer(lambda x: inner(lambda y: x * y**3)(x * x))(np.array(2.0))  # d/dx 3 x^5
    assert shifted.item() == 15 * 16


@pytest.mark.parametrize("inner", [tm.grad, along])
def test_a_tracked_tensor_is_captured_from_outside(inner):
    def f(x):
        outside = tm.sin(x)
        made_of_constants = lambda y: y * y * outside * x
        return inner(lambda y: tm.exp(y * outside))(x) + inner(made_of_constants)(np.array(2.0))

    def by_hand(x):
        return tm.sin(x) * tm.exp(x * tm.sin(x)) + 4.0 * tm.sin(x) * x

    at = np.array(0.6)
    for outer in (tm.grad, along):
        for second in (tm.grad, along):
            np.testing.assert_allclose(outer(f)(at), outer(by_hand)(at), rtol=1e-14)
            twice = second(outer(f))(at)
            np.testing.assert_allclose(twice, second(outer(by_hand))(at), rtol=1e-14)


def test_a_pullback_from_outside_is_pushed_through():
    _, pull = tm.vjp(tm.sin, x)
    value, pushed = tm.jvp(lambda u: pull(u)[0], (v,), (2 * v,))
    np.testing.assert_array_equal(value.numpy(), np.cos(x) * v)
    np.testing.assert_array_equal(pushed.numpy(), np.cos(x) * 2 * v)


@pytest.mark.parametrize(
    "f, args",
    [
        (lambda x, w: tm.log_softmax(x @ w), (rng.normal(size=(2, 3)), rng.normal(size=(3, 4)))),
        (tm.conv2d, (rng.normal(size=(1, 5, 5, 2)), rng.normal(size=(3, 3, 2, 2)))),
        (lambda x: tm.max(x, 0) * tm.take(x, np.array([1, 0]), 0), (rng.normal(size=(2, 3)),)),
        (tm.checkpoint(lambda x: {"a": tm.sin(x), "b": [x * x]}), (x,)),
        (lambda x: tm.grad(lambda p: tm.checkpoint(tm.sin)(p * x).sum())(x), (x,)),
        (lambda x: tm.jit(tm.sin)(x) * tm.jit(lambda: tm.exp(x))(), (x,)),
    ],
)
def test_both_modes_mixed_agree_with_differences(f, args):
    check_grads(f, *args, order=2, modes=("fwd", "rev"))


def test_of_a_foreign_function_with_a_pullback_of_its_own():
    of_both = lambda h, g, x: (h * np.cos(x), -h * g * np.sin(x))
    foreign = Foreign(np.sin, backward=Foreign(lambda g, x: g * np.cos(x), backward=of_both))
    _, pushed = tm.jvp(lambda x: tm.exp(foreign(x)), (x,), (v,))
    np.testing.assert_allclose(pushed, np.exp(np.sin(x)) * np.cos(x) * v, rtol=1e-14)


def test_trees_integers_and_what_is_not_used():
    labels = np.array([2, 0])

    def f(p, i, unused):
        picked = tm.take(p["w"], i) * p["b"][0]
        return {"y": picked, "i": i, "none": None, "mask": p["w"] > 0}, "kept"

    primals = {"w": x, "b": [np.array(2.0)], "none": None}, labels, (v, True)
    tangents = {"w": v, "b": [np.array(3.0)], "none": None}, np.zeros(2), (v, False)
    value, pushed, aux = tm.jvp(f, primals, tangents, has_aux=True)
    assert aux == "kept" and value["none"] is None and pushed["none"] is None
    np.testing.assert_allclose(pushed["y"], v[labels] * 2 + x[labels] * 3, rtol=1e-15)
    assert pushed["i"].dtype == labels.dtype and not pushed["i"].numpy().any()
    assert pushed["mask"].dtype == bool and not pushed["mask"].numpy().any()
    assert not any(t.serial for t in tm.tree.leaves((value, pushed)))


def test_a_result_that_does_not_move_has_a_tangent_of_zeros():
    for f in (lambda x: x * 0 + v, lambda x: tm.asarray(v), tm.stop_gradient, lambda x: v + 1):
        value, pushed = tm.jvp(f, (x,), (v,))
        assert pushed.shape == value.shape and not pushed.numpy().any()
    captured = tm.grad(lambda w: tm.jvp(lambda x: w * w, (x,), (v,))[0].sum())(x)
    np.testing.assert_allclose(captured, 2 * x)


def test_the_value_may_be_read_and_leaves_no_trace_of_the_tangent():
    seen = []

    def f(x):
        seen.append(x)
        assert x.sum() > -10 and x.numpy().shape == (3,)
        with pytest.raises(TypeError, match="would drop the gradient"):
            np.sin(x)
        return tm.sin(x)

    tm.jvp(f, (x,), (v,))
    (escaped,) = seen
    np.testing.assert_array_equal((escaped * 2.0).numpy(), 2 * x)


def test_under_jit_it_has_the_same_derivatives():
    def f(x, v):
        inner = lambda x: tm.jvp(lambda x: tm.tanh(x) * x, (x,), (v,))[1]
        return tm.jvp(inner, (x,), (v,)), tm.grad(lambda x: inner(x).sum())(x)

    for eager, compiled in zip(tm.tree.leaves(f(x, v)), tm.tree.leaves(tm.jit(f)(x, v))):
        np.testing.assert_allclose(compiled, eager, rtol=1e-14)


def test_the_values_of_cotangents_are_not_computed():
    """0 * inf would be: the rule of sqrt's slope is asked at no cotangent."""
    with tm.debug_nans():
        _, pushed = tm.jvp(tm.log, (np.array(1e-320),), (np.array(1e-320),))
    np.testing.assert_allclose(pushed, 1.0)
    counted = tm.jit(lambda x: tm.jvp(tm.sin, (x,), (x,)))
    counted(x)
    (program,) = counted.programs.values()
    assert {e.op for e in program.program.equations} <= {"input", "sin", "cos", "mul"}


@pytest.mark.parametrize(
    "primals, tangents, words",
    [
        ((x,), (v[:2],), r"the tangent is float64\(2,\) but the argument is float64\(3,\)"),
        ((x,), (v.astype("f4"),), "the tangent is float32"),
        ((np.arange(3),), (np.arange(3),), "the tangent of an integer or bool argument must be"),
        ((np.arange(3),), (np.zeros(2),), "the tangent is .* they must agree"),
        ((x,), (v, v), "the trees differ"),
        (({"a": x},), ([x],), "the trees differ"),
    ],
)
def test_a_tangent_unlike_its_argument_is_refused(primals, tangents, words):
    with pytest.raises(ValueError, match=words):
        tm.jvp(lambda *args: args, primals, tangents)


@pytest.mark.usefixtures("forget_new_primitives")
def test_a_rule_that_is_not_linear_in_its_cotangent_is_named():
    bent = tm.elementwise("a * 2", (lambda g, y, a: g * g,), name="bent", replace=True)
    with pytest.raises(ValueError, match="the derivative rule of bent is not linear in its"):
        tm.jvp(bent, (x,), (v,))


@pytest.mark.parametrize("f", ["eager", "gradient"])
def test_what_is_held_does_not_grow_with_the_length(f):
    """The tensors alive after the last operation of few and of many."""

    def held(length):
        def body(x):
            for _ in range(length):
                step = tm.grad(lambda x: tm.cos(x).sum()) if f == "gradient" else tm.sin
                x = x - 0.1 * step(x)
            alive.append(sum(type(o) is tm.Tensor for o in gc.get_objects()))
            return x

        alive = []
        gc.collect()
        tm.jvp(body, (x,), (v,))
        return alive[0]

    assert held(10) == held(100) == held(100 if f == "gradient" else 1000)


def test_it_is_linear_in_the_tangent_to_the_last_bit():
    """Scaling by a power of 2 rounds nothing, and minus nothing."""
    f = lambda x: tm.log_softmax(tm.tanh(x) * x) / (1.0 + x * x)
    pushed = lambda u: tm.jvp(f, (x,), (u,))[1].numpy()
    np.testing.assert_array_equal(pushed(-4 * v), -4 * pushed(v))
    np.testing.assert_array_equal(pushed(0 * v), 0)


@pytest.mark.parametrize("mode", ["reverse", "mixed"])
def test_the_state_of_the_thread_is_as_it_was(mode):
    """Else a later trace would say that a rule of this derivative made its equations."""

    def loss(w, batch):
        return (tm.tanh(batch * w) ** 2).sum(-1)

    assert (state.order, state.differentiated) == (0, None)
    tm.jvp(lambda x: tm.grad(lambda x: tm.tanh(x).sum())(x), (x,), (v,))
    tm.hvp(lambda x: tm.tanh(x).sum(), x, v)

    def outer(w):
        return tm.meta.adapt(loss, w, np.ones((2, 3)), lr=0.1, steps=2, mode=mode).sum()

    tm.grad(outer)(np.ones((2, 1)))
    assert (state.order, state.differentiated) == (0, None)
