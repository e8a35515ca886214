"""An exception anywhere, at any level of derivatives, leaves nothing behind."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.primitive import registry
from tinymeta.core.scope import state


class Stop(Exception):
    pass


def undisturbed():
    assert (state.recording, state.order, state.path, state.interpreter) == (True, 0, (), None)
    assert state.differentiated is None
    assert tm.grad(tm.grad(tm.grad(lambda x: x**4)))(2.0).item() == 48


@pytest.mark.parametrize("level", [1, 2, 3])
def test_after_an_exception_in_the_function_all_is_as_before(level):
    def f(x):
        x * x
        raise Stop

    def wrap(f):
        return tm.grad(lambda x: x * f(x))

    for _ in range(level):
        f = wrap(f)
    with pytest.raises(Stop):
        f(2.0)
    undisturbed()


@pytest.mark.parametrize("level", [1, 2, 3])
def test_after_an_exception_in_a_rule_all_is_as_before(level, a_new_primitive):
    def rule(g, y, a):
        if state.order == level:
            raise Stop
        return g * op(a)

    op = a_new_primitive("exp(a)", (rule,))
    f = lambda x: op(x)
    for _ in range(level - 1):
        f = tm.grad(f)
    f(2.0)
    with pytest.raises(Stop):
        tm.grad(f)(2.0)
    undisturbed()


def test_an_exception_caught_inside_leaves_the_gradient_right():
    def f(x):
        try:
            tm.grad(lambda y: (_ for _ in ()).throw(Stop))(x)
        except Stop:
            pass
        return x**3

    assert tm.grad(f)(2.0).item() == 12


def test_a_rule_that_changes_the_shape_is_named(a_new_primitive):
    op = a_new_primitive("exp(a)", (lambda g, y, a: g.sum(),), name="bad_rule")
    with pytest.raises(ValueError, match=r"rule of bad_rule for input 0 returned float64\(\), its"):
        tm.grad(lambda x: op(x).sum())(np.ones(3))


def test_a_rule_that_returns_no_tensor_is_named(a_new_primitive):
    op = a_new_primitive("exp(a)", (lambda g, y, a: g.numpy() * y.numpy(),), name="numpy_rule")
    with pytest.raises(TypeError, match="rule of numpy_rule for input 0 returned a ndarray"):
        tm.grad(lambda x: op(x).sum())(np.arange(3.0))


def test_a_primitive_with_too_few_rules_is_named():
    def kernel(out, a, b):
        np.add(a, b, out=out)

    op = tm.primitive(
        "one_rule_short",
        shape=lambda a, b: (a.shape, a.dtype),
        vjps=(lambda g, y, a, b: g,),
        kernels={"cpu": kernel},
    )
    try:
        with pytest.raises(ValueError, match="one_rule_short has 1 derivative rules for 2 inputs"):
            tm.grad(lambda x: op(x, x).sum())(np.arange(3.0))
    finally:
        del registry["one_rule_short"]
