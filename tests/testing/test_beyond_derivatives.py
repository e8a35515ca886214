"""Batches, equal bits, memory, an optimizer's steps: what is right passes, each fault is named."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import (
    Foreign,
    check_batch,
    check_deterministic,
    check_memory,
    check_optimizer_step,
)

rng = np.random.default_rng(0)
X, W = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))


# ---- batches ------------------------------------------------------------------------------------


def layer(x, w):
    return tm.tanh(x @ w)


@pytest.mark.parametrize(
    "f, options",
    [
        (layer, {}),
        (layer, {"one": layer}),
        (lambda x, w: (layer(x, w), tm.softmax(x)), {}),
        (lambda x, w: layer(x.T, w).T, {"axis": 1}),
    ],
    ids=["batches of one", "a function of one", "several outputs", "another axis"],
)
def test_examples_that_do_not_feel_each_other_pass(f, options):
    x = X.T if "axis" in options else X
    w = rng.normal(size=(3, 3)) if options.get("axis") else W
    assert check_batch(f, x, w, **options) == 5


def crosstalk(x, w):
    """Right values, and gradients that reach the example after."""
    pull = lambda g, x, w: ((g + np.roll(g, 1, 0)) @ w.T, x.T @ g)
    return Foreign(lambda x, w: x @ w, backward=pull)(x, w)


@pytest.mark.parametrize(
    "f, options, message",
    [
        (lambda x, w: tm.softmax(x @ w, axis=0), {}, "output 0 of example 0 is another alone"),
        (lambda x, w: layer(x, w) - tm.mean(x), {}, "output 0 of example 0 is another alone"),
        (crosstalk, {}, "the gradient of argument .* of example 0|depends on the others"),
        (layer, {"one": lambda x, w: 1.001 * layer(x, w)}, "output 0 of example 0 is another"),
        (lambda x, w: layer(x, w).sum(), {}, r"output 0 of .* has the shape \(\), and no 5"),
        (
            layer,
            {"one": lambda x, w: (layer(x, w), x)},
            "has 2 inputs and 1 outputs, and .* 2 and 2",
        ),
    ],
    ids="softmax over the batch|mean of the batch|crosstalk|another one|reduced|more".split("|"),
)
def test_examples_that_feel_each_other_are_named(f, options, message):
    with pytest.raises(AssertionError, match=f"^check_batch: .*({message})"):
        check_batch(f, X, W, **options)


def test_one_entry_of_many_is_seen_in_float32():
    x = np.ones((4, 5000), np.float32)
    off = np.where(np.arange(5000) == 7, 1.01, 1.0).astype(np.float32)
    with pytest.raises(AssertionError, match="output 0 of example 0 is another alone"):
        check_batch(lambda x: 2.0 * x, x, one=lambda x: 2.0 * x * off)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batched": 0}, r"batched=0 must be places among the 2 arguments, such as \(0,\)"),
        ({"batched": "0"}, "batched='0' must be places"),
        ({"batched": (2,)}, r"batched=\(2,\) must be places"),
        ({"axis": -1}, "axis=-1 must be a whole number >= 0"),
        ({"axis": 2}, r"the arguments \(0,\) have \[0\] examples along axis 2"),
    ],
)
def test_a_place_or_an_axis_that_is_none_is_refused(options, message):
    with pytest.raises(ValueError, match=f"^check_batch: {message}"):
        check_batch(layer, X, W, **options)


@pytest.mark.parametrize("x, batched", [(X[:1], (0,)), (X, (0, 1)), (X, (2,))])
def test_a_batch_that_is_none_is_refused(x, batched):
    with pytest.raises(ValueError, match="check_batch: the arguments .* examples along axis 0"):
        check_batch(lambda *args: layer(*args[:2]), x, W, 3, batched=batched)


# ---- the same call again ------------------------------------------------------------------------


def test_equal_bits_pass_and_others_are_named():
    check_deterministic(layer, X, W)
    calls = []

    def backward(g, x):
        calls.append(g)
        return g * (1.0 + 1e-15 * (len(calls) > 3))

    with pytest.raises(
        AssertionError, match=r"the gradient of argument \[0\] of .* has other bits"
    ):
        check_deterministic(Foreign(lambda x: x * 1.0, backward=backward), X)


def test_a_gradient_that_ones_as_cotangents_would_hide_is_compared():
    """Of what sums to a constant: they are zero for ones, whatever else is wrong with it."""
    calls = []

    def backward(g, x):
        calls.append(g)
        return (g - g.mean()) * (1.0 + 1e-6 * len(calls))

    with pytest.raises(AssertionError, match="the gradient of .* has other bits at call 2"):
        check_deterministic(Foreign(lambda x: x - x.mean(), backward=backward), X[0])


@pytest.mark.parametrize("check, least", [(check_deterministic, 2), (check_memory, 1)])
@pytest.mark.parametrize("calls", [0, 1.5, "many"])
def test_too_few_calls_are_refused(check, least, calls):
    with pytest.raises(ValueError, match=f"calls={calls!r} must be a whole number >= {least}"):
        check(tm.exp, X, calls=calls)


KEPT = []


def keeps_arrays(x):
    KEPT.append(np.zeros(100))
    return tm.exp(x)


def keeps_graphs(x):
    y = tm.exp(x)
    KEPT.append(y)
    return y


@pytest.mark.parametrize("f", [keeps_arrays, keeps_graphs])
def test_what_a_call_leaves_behind_is_counted(f):
    check_memory(tm.exp, X)
    with pytest.raises(AssertionError, match=f"each call of {f.__name__} leaves .* behind"):
        check_memory(f, X)
    KEPT.clear()


# ---- optimizers ---------------------------------------------------------------------------------

GRADIENTS = [rng.normal(size=4) for _ in range(3)]
START = rng.normal(size=4)


def momentum(params, gradient, velocity):
    velocity = 0.9 * velocity + gradient
    return params - 0.1 * velocity, velocity


def test_steps_that_can_be_differentiated_pass():
    check_optimizer_step(momentum, START, GRADIENTS, np.zeros(4), order=2, equation=momentum)
    tree = {"w": START, "b": START[:1]}
    gradients = [{"w": g, "b": g[:1]} for g in GRADIENTS]
    adam = tm.optim.adam(0.01)

    def step(params, gradient, state):
        return adam.update(gradient, state, params)

    check_optimizer_step(step, tree, gradients, adam.init(tree))


@pytest.mark.parametrize(
    "step, message",
    [
        (lambda p, g, v: momentum(p, g, tm.stop_gradient(v)), "of order 1 is wrong"),
        (lambda p, g, v: momentum(tm.stop_gradient(p), g, v), "of order 1 is wrong"),
        (
            lambda p, g, v: (p - g.sum() * np.ones((1, 4)), v),
            r"the parameters, float64\(4,\), a float64\(1, 4\): a",
        ),
        (lambda p, g, v: (p - g, {"v": v}), r"makes of the state, .*\) at \['v'\]: a"),
        (lambda p, g, v: (p - 0.2 * v - g, 0.9 * v + g), "does not follow its equation"),
    ],
    ids=["a state cut off", "parameters cut off", "another shape", "another tree", "another step"],
)
def test_a_step_that_is_wrong_is_named(step, message):
    equation = momentum if "equation" in message else None
    with pytest.raises(AssertionError, match=message):
        check_optimizer_step(step, START, GRADIENTS, np.ones(4), equation=equation)


@pytest.mark.parametrize("gradients", [GRADIENTS[:1], [], None, 3])
def test_one_gradient_says_nothing_of_the_state(gradients):
    with pytest.raises(ValueError, match="gradients=.*: give two at least"):
        check_optimizer_step(momentum, START, gradients, np.zeros(4))


@pytest.mark.parametrize(
    "step, equation, message",
    [
        (3, None, "step must be a function, got 3"),
        (momentum, 3, "equation must be a function, got 3"),
        (lambda p, g, v: p - g, None, r".* returns .*: return \(params, state\)"),
        (lambda p, g, v: None, None, r".* returns None: return \(params, state\)"),
        (momentum, lambda p, g, v: None, r".* returns None: return \(params, state\)"),
    ],
)
def test_what_is_no_step_is_refused(step, equation, message):
    with pytest.raises(TypeError, match=f"^check_optimizer_step: {message}"):
        check_optimizer_step(step, START, GRADIENTS, np.zeros(4), equation=equation)


def test_an_equation_of_less_is_not_compared_in_part():
    without_state = lambda p, g, v: (momentum(p, g, v)[0], 0.0)
    with pytest.raises(
        AssertionError, match=r"and its equation \[0\] \(4,\), \[1\] \(\): let both"
    ):
        check_optimizer_step(momentum, START, GRADIENTS, np.zeros(4), equation=without_state)
