"""Along one axis: beside NumPy, eager as compiled, ties, NaN, gradients; no Python in a program."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import check_grads
from tinymeta.testing.interpreted import interpreted_jit

rng = np.random.default_rng(0)
with_ties = rng.integers(-3, 4, (3, 17, 2)).astype(float)
with_nan = with_ties.copy()
with_nan[1, [3, 9]] = np.nan
distinct = rng.permutation(24).reshape(2, 3, 4) / 7.0
with_zeros = np.where(np.arange(24).reshape(2, 3, 4) % 5, distinct, 0.0)


def accumulated(a, axis=None):
    return np.maximum.accumulate(a.ravel() if axis is None else a, axis or 0)


PAIRS = {
    "argsort": (tm.argsort, lambda a, axis: np.argsort(a, axis, kind="stable")),
    "sort": (tm.sort, np.sort),
    "cumsum": (tm.cumsum, np.cumsum),
    "cumprod": (tm.cumprod, np.cumprod),
    "cummax": (tm.cummax, accumulated),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8, np.uint16, bool])
def test_it_is_numpys_along_any_axis_eager_and_compiled(name, dtype):
    ours, numpys = PAIRS[name]
    a = (with_nan if np.dtype(dtype).kind == "f" else with_ties).astype(dtype)
    for axis in (0, 1, -1, None):
        expected = numpys(a, axis=axis)
        for f in (ours, interpreted_jit(lambda a, axis: ours(a, axis))):
            found = f(a, axis)
            assert found.dtype == expected.dtype
            eps = np.finfo(dtype).eps if expected.dtype.kind == "f" else 0
            np.testing.assert_allclose(found.numpy(), expected, rtol=8 * eps, atol=8 * eps)


def test_compiled_by_numba_it_is_the_same():
    def all_of(a):
        values, places = tm.topk(a, 2, axis=1)
        cumulative = tm.cumsum(a, 1), tm.cumprod(a, 1), tm.cummax(a, 1)
        return tm.sort(a, 1), tm.argsort(a, 1), values, places, *cumulative, tm.median(a, 1)

    for a in (with_nan, with_nan.astype(np.float32), with_ties.astype(np.int16)):
        program = tm.jit(all_of)
        for found, expected in zip(program(a), all_of(a)):
            np.testing.assert_array_equal(found.numpy(), expected.numpy())
    loss = lambda a: tm.sum(tm.sort(a, 1) * tm.cumsum(a, 1) * tm.cumprod(a, 1))
    found, expected = tm.jit(tm.grad(loss))(with_ties), tm.grad(loss)(with_ties)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


DIFFERENTIABLE = {
    "cumsum": lambda a: tm.cumsum(a, 1),
    "cumsum of all": tm.cumsum,
    "cumprod": lambda a: tm.cumprod(a, 2),
    "cummax": lambda a: tm.cummax(a, 1),
    "sort": lambda a: tm.sort(a, 1),
    "sort descending": lambda a: tm.sort(a, None, descending=True),
    "topk": lambda a: tm.topk(a, 2)[0],
    "median": lambda a: tm.median(a, 2),
    "median of all": tm.median,
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_its_derivatives_are_those_of_differences(name):
    a = with_zeros if name == "cumprod" else distinct
    f = DIFFERENTIABLE[name]
    check_grads(lambda a: f(a) * f(a), a, order=3, modes=("rev", "fwd"), n_dirs=1)


def test_those_that_tie_stay_in_their_order_and_a_nan_is_the_largest():
    a = np.array([3.0, np.nan, 1.0, 3.0, np.nan])
    assert tm.argsort(a).numpy().tolist() == [2, 0, 3, 1, 4]
    assert tm.argsort(a, descending=True).numpy().tolist() == [1, 4, 0, 3, 2]
    values, places = tm.topk(a, 3)
    assert places.numpy().tolist() == [1, 4, 0] and values.numpy()[2] == 3
    np.testing.assert_array_equal(tm.sort(a, descending=True), [np.nan, np.nan, 3, 3, 1])
    slopes = tm.grad(lambda a: (tm.cummax(a) * np.array([1.0, 2, 4, 8])).sum())
    assert slopes(np.array([1.0, 3.0, 3.0, 2.0])).numpy().tolist() == [1, 14, 0, 0]


def test_a_median_is_numpys():
    for axis in (None, 0, (0, 2), -1):
        for a in (distinct, with_nan, with_ties.astype(int)):
            found, expected = tm.median(a, axis), np.median(a, axis)
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
            assert tm.median(a, axis, True).shape == np.median(a, axis, keepdims=True).shape
    assert tm.median(np.arange(4)).dtype == np.float32
    with pytest.raises(ValueError, match="^median: axis None of .0,. is empty and has no median"):
        tm.median(np.zeros(0))


def test_nothing_and_one():
    for f in (tm.sort, tm.argsort, tm.cumsum, tm.cumprod, tm.cummax):
        for shape in ((0, 3), (2, 0), (1,), (2, 1)):
            assert f(np.ones(shape), 0).shape == shape
    assert tm.topk(np.ones(3), 0)[0].shape == (0,)
    with pytest.raises(ValueError, match="^topk: axis 0 of .3,. has no 4 elements"):
        tm.topk(np.ones(3), 4)
