"""`tinymeta.numpy`: tinymeta's function where a tensor is among the arguments, else NumPy's."""

import numpy
import pytest

import tinymeta as tm
import tinymeta.numpy as np

X = numpy.linspace(0.5, 2.0, 6).reshape(2, 3)
# By name, what it is called with besides the first argument; the gradient is that of tinymeta's.
CALLS = {
    **dict.fromkeys(("exp", "log", "sqrt", "tanh", "abs", "absolute", "negative", "sin"), ()),
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "maximum", "power"), (X[::-1],)),
    **dict.fromkeys(("sum", "mean", "max", "min", "var", "argmax"), (1,)),
    **dict.fromkeys(("remainder", "true_divide"), (X[::-1],)),
    **dict.fromkeys(("amax", "amin"), (0,)),
    "dot": (X.T,),
    "matmul": (X.T,),
    "reshape": ((3, 2),),
    "transpose": (),
    "clip": (0.7, 1.5),
    "expand_dims": (1,),
    "take": (numpy.array([1, 0]), 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_tensor_goes_to_tinymeta_and_an_array_to_numpy(name):
    function = getattr(np, name)
    expected = getattr(numpy, name)(X, *CALLS[name])
    of_array, of_tensor = function(X, *CALLS[name]), function(tm.tensor(X), *CALLS[name])
    assert type(of_array) is type(expected) and isinstance(of_tensor, tm.Tensor)
    for found in (of_array, of_tensor.numpy()):
        numpy.testing.assert_allclose(found, expected, rtol=1e-12)


def test_masks_of_tensors():
    expected = numpy.logical_and(X > 0.7, X < 1.5)
    between = tm.jit(lambda x: np.logical_and(x > 0.7, x < 1.5))
    assert not expected.all() and between(X).tolist() == expected.tolist()


def test_tensors_in_lists_and_keywords():
    x = tm.tensor(X)
    for found in (np.stack([X, x]), np.array([x, x]), np.concatenate((x, X))):
        assert isinstance(found, tm.Tensor) and found.dtype == numpy.float64
    assert isinstance(np.sum(a=X), numpy.float64) and isinstance(np.array([1.0, 2]), numpy.ndarray)
    assert np.array([1.0, 2]).dtype == numpy.float64, "NumPy's own numbers"
    assert np.array([x[0, 0], 1], "float32").dtype == numpy.float32
    slope = tm.grad(lambda x: np.sum(np.array([x[0] * x[1], x[1]])))(numpy.array([2.0, 3.0]))
    assert slope.tolist() == [3, 3]


def test_the_rest_is_numpys():
    assert np.pi == numpy.pi and np.float32 is numpy.float32 and np.newaxis is None
    assert np.random is numpy.random and np.sinc is numpy.sinc
    assert np.linalg.eigvalsh is numpy.linalg.eigvalsh
    with pytest.raises(TypeError, match="^maximum takes no argument 'out'"):
        np.maximum(tm.tensor(X), 1.0, out=X)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        np.nothing
    with pytest.raises(AttributeError, match="no attribute 'hvp'"):
        np.hvp


def test_linear_algebra():
    a = X[:, :2] + 2 * numpy.eye(2)
    assert isinstance(np.linalg.inv(a), numpy.ndarray)
    assert isinstance(np.linalg.inv(tm.tensor(a)), tm.Tensor)
    log_det = tm.grad(lambda a: np.linalg.slogdet(a)[1])(a)
    numpy.testing.assert_allclose(log_det.numpy(), numpy.linalg.inv(a).T, rtol=1e-12)


def test_a_gradient_is_not_lost_in_what_tinymeta_has_not():
    with pytest.raises(TypeError, match=r"^np.interp of a tensor .* would drop the gradient"):
        tm.grad(lambda x: np.interp(x, X[0], X[1]).sum())(X[0])
    assert np.interp(tm.tensor(X[0]), X[0], X[1]).tolist() == X[1].tolist()


def test_numbers_of_a_compiled_program_are_its_own():
    f = tm.jit(lambda a: np.exp(a) * np.ones(2))
    assert f(0.0).tolist() == [1, 1] and f(1.0).tolist() == [numpy.e] * 2
