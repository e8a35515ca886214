"""`__array_namespace__`: what the array API standard names, beside NumPy's own namespace."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.ops import standard

pytest.importorskip("numpy", "2.1", reason="whose own namespace is that of the standard")
rng = np.random.default_rng(0)
XP = tm.tensor(1.0).__array_namespace__()
A, B = rng.uniform(0.1, 0.9, size=(2, 3, 4))
BOOLS, INTS = A > 0.5, np.arange(12).reshape(3, 4)
# By name: what it is called with. Others take one array of floats, or two.
CALLS = {
    **{
        name: lambda xp, x, name=name: getattr(xp, name)(x(A), x(B))
        for name in (
            *("add", "subtract", "multiply", "divide", "pow", "maximum", "minimum"),
            *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
            *("atan2", "floor_divide", "logaddexp", "remainder"),
        )
    },
    **{
        name: lambda xp, x, name=name: getattr(xp, name)(x(BOOLS), x(BOOLS[::-1]))
        for name in ("logical_and", "logical_or", "logical_xor")
    },
    "acosh": lambda xp, x: xp.acosh(x(1 + A)),
    "cumulative_sum": lambda xp, x: xp.cumulative_sum(x(A), axis=1),
    "cumulative_prod": lambda xp, x: xp.cumulative_prod(x(A), axis=0),
    "linspace": lambda xp, x: xp.linspace(1.0, 2.0, 5),
    "outer": lambda xp, x: xp.outer(x(A[0]), x(B[0])),
    "repeat": lambda xp, x: xp.repeat(x(A), 2, axis=1),
    "roll": lambda xp, x: xp.roll(x(A), 1, axis=0),
    "tensordot": lambda xp, x: xp.tensordot(x(A), x(B), axes=2),
    "tile": lambda xp, x: xp.tile(x(A), (2, 1)),
    "logical_not": lambda xp, x: xp.logical_not(x(BOOLS)),
    "concat": lambda xp, x: xp.concat([x(A), x(B)], axis=1),
    "stack": lambda xp, x: xp.stack([x(A), x(B)], axis=-1),
    "permute_dims": lambda xp, x: xp.permute_dims(x(A), (1, 0)),
    "reshape": lambda xp, x: xp.reshape(x(A), (2, -1)),
    "expand_dims": lambda xp, x: xp.expand_dims(x(A), axis=1),
    "squeeze": lambda xp, x: xp.squeeze(x(A[:1]), axis=0),
    "moveaxis": lambda xp, x: xp.moveaxis(x(A), 0, 1),
    "broadcast_to": lambda xp, x: xp.broadcast_to(x(A), (2, 3, 4)),
    "broadcast_arrays": lambda xp, x: xp.broadcast_arrays(x(A), x(B[:1]))[1],
    "unstack": lambda xp, x: xp.unstack(x(A), axis=1)[2],
    "matmul": lambda xp, x: xp.matmul(x(A), x(B.T)),
    "vecdot": lambda xp, x: xp.vecdot(x(A), x(B)),
    "sum": lambda xp, x: xp.sum(x(A), axis=0, keepdims=True),
    "mean": lambda xp, x: xp.mean(x(A), axis=(0, 1)),
    "max": lambda xp, x: xp.max(x(A), axis=1),
    "min": lambda xp, x: xp.min(x(A)),
    "var": lambda xp, x: xp.var(x(A), axis=1, correction=1),
    "std": lambda xp, x: xp.std(x(A), axis=0, keepdims=True),
    "argmax": lambda xp, x: xp.argmax(x(A), axis=1),
    "take": lambda xp, x: xp.take(x(A), x(np.array([0, 2])), axis=1),
    "take_along_axis": lambda xp, x: xp.take_along_axis(x(A), x(INTS % 3), axis=0),
    "where": lambda xp, x: xp.where(x(BOOLS), x(A), x(B)),
    "clip": lambda xp, x: xp.clip(x(A), min=0.2, max=0.5),
    "astype": lambda xp, x: xp.astype(x(A), xp.float32),
    "eye": lambda xp, x: xp.eye(3),
    "ones": lambda xp, x: xp.ones((2, 3)),
    "zeros": lambda xp, x: xp.zeros((2, 3)),
    "full": lambda xp, x: xp.full((2, 3), 1.5),
    "arange": lambda xp, x: xp.arange(1, 7, 2),
    "asarray": lambda xp, x: xp.asarray([1.0, 2.0], dtype=xp.float64),
    "from_dlpack": lambda xp, x: xp.from_dlpack(x(A)),
}
NO_FUNCTION = {*standard._DTYPES, "e", "inf", "nan", "pi", "newaxis", "linalg", "finfo", "iinfo"}
ELSEWHERE = {"isdtype", "result_type"}


@pytest.mark.parametrize("name", sorted({*standard.__all__} - NO_FUNCTION - ELSEWHERE))
def test_it_is_called_as_the_standard_says(name):
    """With NumPy's arrays in NumPy's namespace, and ours in ours."""
    call = CALLS.get(name, lambda xp, x: getattr(xp, name)(x(A)))
    found, expected = call(XP, tm.asarray), call(np, np.asarray)
    assert isinstance(found, tm.Tensor) and found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_what_the_namespace_is():
    assert XP is standard and XP.__array_api_version__ == "2024.12"
    assert tm.tensor(1.0).__array_namespace__(api_version="2023.12") is XP
    with pytest.raises(ValueError, match="api_version '1999' is none of"):
        tm.tensor(1.0).__array_namespace__(api_version="1999")
    assert XP.float32 == np.float32 and XP.newaxis is None and XP.linalg is tm.linalg
    assert not hasattr(XP, "sub") and not hasattr(XP, "concatenate")
    assert len({*XP.__all__}) == len(XP.__all__)


def test_dtypes():
    assert XP.isdtype(XP.float32, "real floating") and not XP.isdtype(XP.bool, "numeric")
    assert XP.isdtype(XP.int8, ("real floating", "integral")) and XP.isdtype(XP.int8, XP.int8)
    assert XP.result_type(tm.tensor(1.0), XP.int64) == XP.float32
    with pytest.raises(TypeError, match="do not mix"):
        XP.result_type(XP.float32, XP.float64)


def standardized(x):
    """A function written for any library that keeps to the standard."""
    xp = x.__array_namespace__()
    centred = xp.subtract(x, xp.mean(x, axis=0, keepdims=True))
    return xp.divide(centred, xp.std(x, axis=0, correction=1, keepdims=True)) @ centred.mT


def test_a_function_for_the_standard_has_a_gradient():
    np.testing.assert_allclose(standardized(tm.asarray(A)).numpy(), standardized(A), rtol=1e-12)
    tm.testing.check_grads(standardized, A, order=2)


def test_there_is_no_variance_of_as_many_numbers_as_are_taken_off():
    for name in ("var", "std"):
        with pytest.raises(
            ValueError, match=f"^{name}: of 2 numbers, with correction=2, there is no"
        ):
            getattr(XP, name)(tm.asarray(A[:2]), axis=0, correction=2)


def test_the_transpose_of_each_matrix():
    x = rng.normal(size=(2, 3, 4))
    np.testing.assert_array_equal(tm.asarray(x).mT.numpy(), x.mT)
    with pytest.raises(ValueError, match="axis -1 is out of range|axis -2 is out of range"):
        tm.asarray(x[0, 0]).mT
