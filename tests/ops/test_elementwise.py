"""An operation of one's own, from a scalar text: value, derivatives, and what a wrong one meets."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.primitive import registry


@pytest.fixture(autouse=True)
def forget_new_primitives():
    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]


def test_an_operation_of_ones_own_to_third_order():
    """a exp(-b): d/da d/db d/db is exp(-b)."""
    op = tm.elementwise("a * exp(-b)", (lambda g, y, a, b: g * tm.exp(-b),
                                        lambda g, y, a, b: -g * y))
    a, b = np.array([2.0, 3.0]), np.array([0.5, 1.0])
    np.testing.assert_allclose(op(a, b).numpy(), a * np.exp(-b), rtol=1e-15)
    f = lambda a, b: op(a, b).sum()
    for argnum in (1, 1, 0):
        f = (lambda f, n: lambda a, b: tm.grad(f, n)(a, b).sum())(f, argnum)
    np.testing.assert_allclose(f(a, b).item(), np.exp(-b).sum(), rtol=1e-14)


def test_it_broadcasts_and_promotes_as_the_others_do():
    op = tm.elementwise("a + 2 * b", (lambda g, y, a, b: g, lambda g, y, a, b: 2.0 * g))
    y = op(np.ones((2, 1), np.float32), 3)
    assert y.dtype == np.float32 and y.numpy().tolist() == [[7], [7]]
    g = tm.grad(lambda b: op(np.ones(3), b).sum())(np.array(1.0))
    assert g.item() == 6


def test_a_text_may_be_a_comparison_a_constant_part_or_the_bare_input():
    assert tm.elementwise("a > 0", (None,))(np.array([-1.0, 2.0])).numpy().tolist() == [0, 1]
    assert tm.elementwise("pi * a", (None,))(np.array(1.0)).item() == np.pi
    back = tm.elementwise("a", (lambda g, y, a: -g,), name="reversed gradient")
    value, g = tm.value_and_grad(lambda x: back(x))(3.0)
    assert (value.item(), g.item()) == (3, -1)


def test_the_kernel_computes_in_the_dtype_of_its_input():
    for dtype in (np.float32, np.float64):
        for name in ("sigmoid", "softplus", "rsqrt", "reciprocal_or_zero", "gate", "relu"):
            op = registry[name]
            assert op(*[np.full(3, 0.7, dtype)] * op.arity).dtype == dtype


@pytest.mark.parametrize("text", ["nothing(a)", "exp(a", "a ** 2", "np.exp(a)", "a in b", "not a",
                                  "a b", "", "exp(z)"])
def test_a_wrong_text_leaves_no_trace(text):
    with pytest.raises(ValueError):
        tm.elementwise(text, (None,), name="wanted")
    assert "wanted" not in registry
    assert tm.elementwise("exp(a)", (None,), name="wanted")(0.0).item() == 1


def test_a_primitive_of_ones_own():
    """The cumulative sum, whose adjoint is the cumulative sum from the other end."""
    def kernel(out, x):
        np.cumsum(x, axis=-1, out=out)

    cumsum = tm.primitive("cumsum", shape=lambda x: (x.shape, x.dtype), kernels={"cpu": kernel},
                          vjps=(lambda g, y, x: tm.flip(cumsum(tm.flip(g, -1)), -1),))
    x, u = np.array([[1.0, 2.0, 3.0]]), np.array([[5.0, 7.0, 11.0]])
    y, pull = tm.vjp(cumsum, x)
    assert y.numpy().tolist() == [[1, 3, 6]] and pull(u)[0].numpy().tolist() == [[23, 18, 11]]
    lower = np.tril(np.ones((3, 3)))
    h = tm.hessian(lambda x: (cumsum(x) ** 2).sum())(x[0]).numpy()
    np.testing.assert_allclose(h, 2 * lower.T @ lower)


def test_a_primitive_without_a_kernel_says_where_one_goes():
    op = tm.primitive("bare", shape=lambda x: (x.shape, x.dtype), vjps=(None,), kernels={})
    with pytest.raises(NotImplementedError, match="bare has no cpu kernel: add .* or pass kernels"):
        op(np.ones(2))


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="named 'exp' exists already: choose another name"):
        tm.primitive("exp", shape=None, vjps=(), kernels={})
