"""Derivatives of every primitive to third order, and products of odd shapes, beside the CPU's.

On a GPU, or as PTX on the CPU; not in the simulator, which would take hours.
"""

import numpy as np
import pytest
from drawn import case_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.core.primitive import registry
from tinymeta.cuda.target import SIMULATED
from tinymeta.ops.conv import geometry_of
from tinymeta.testing.cases import TABLE

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.ptx_run,
    pytest.mark.skipif(SIMULATED, reason="hours in the simulator"),
]
DIFFERENTIABLE = sorted(
    name
    for name, op in registry.items()
    if (name in TABLE or op.family == "elementwise") and (callable(op.vjps) or any(op.vjps))
)
TOLERANCE = {"float32": 3e-5, "float64": 1e-12}  # of the largest


def derivatives(name, case):
    """Of the sum of squares by the first float array: its gradient, of that one's square, ..."""
    first = next(k for k, x in enumerate(case.inputs) if x.dtype.kind == "f")

    def value(x):
        inputs = (*case.inputs[:first], x, *case.inputs[first + 1 :])
        return tm.square(registry[name](*map(tm.asarray, inputs), **case.static)).sum()

    def squared_gradient(f):
        return lambda x: tm.square(tm.grad(f)(x)).sum()

    x = tm.asarray(case.inputs[first])
    for _ in range(3):
        yield tm.grad(value)(x).numpy()
        value = squared_gradient(value)


def close(found, expected, dtype, message, times=1):
    largest = np.abs(expected).max(initial=1e-30)
    allowed = times * TOLERANCE[dtype] * largest
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed, err_msg=message)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_to_third_order_are_the_cpus(name, dtype):
    case = case_of(name, dtype)
    with np.errstate(all="ignore"):
        expected = list(derivatives(name, case))
        with tm.device("cuda"):
            found = list(derivatives(name, case))
    for order, (a, b) in enumerate(zip(found, expected), 1):
        close(a, b, dtype, f"{name}, order {order}", times=10**order)


# ---- products and convolutions of any shape ------------------------------------------------------


def same_as_in_float64(name, arrays, dtype, **static):
    """A primitive on the GPU in `dtype`, and on the CPU in float64."""
    arrays = [x.astype(dtype) for x in arrays]
    expected = registry[name](*(x.astype(np.float64) for x in arrays), **static).numpy()
    with tm.device("cuda"):
        found = registry[name](*map(tm.asarray, arrays), **static).numpy()
    close(found, expected, dtype, f"{name} of {[x.shape for x in arrays]}, {static}")


dtypes = st.sampled_from(["float32", "float64"])
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 3), *[st.integers(1, n) for n in (200, 200, 90)], dtypes, seeds)
def test_a_product_of_any_shape(t, m, n, k, dtype, seed):
    rng = np.random.default_rng(seed)
    same_as_in_float64("matmul", [rng.normal(size=s) for s in ((t, m, k), (t, k, n))], dtype)


@settings(max_examples=12, deadline=None)
@given(
    st.tuples(*[st.integers(1, n) for n in (3, 3, 13, 13, 40, 70)]),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)),
    st.sampled_from(["same", "valid"]),
    dtypes,
    seeds,
)
def test_a_convolution_of_any_shape(sizes, window, padding, dtype, seed):
    (t, n, h, w, c, o), (kh, kw, stride) = sizes, window
    assume(kh <= h and kw <= w)
    geometry = geometry_of("conv", (h, w), (kh, kw), stride, padding)
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(t, n, h, w, c)), rng.normal(size=(t, kh, kw, c, o))
    g = rng.normal(size=(t, n, *geometry.result, o))
    for name, arrays in (
        ("conv", [x, weights]),
        ("conv_weight", [x, g]),
        ("conv_input", [g, weights]),
    ):
        same_as_in_float64(name, arrays, dtype, geometry=geometry)
