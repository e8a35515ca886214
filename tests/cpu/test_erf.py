"""erf beside that of the C library: within 2 ulp, in loops and on whole arrays."""

import math

import numpy as np
import pytest
from test_scalar import DENSE, EDGES, in_a_loop, ulps

from tinymeta.cpu.erf import erf_of_array

libm = np.vectorize(math.erf, otypes=[np.float64])
DENSE64 = np.concatenate([np.linspace(-7, 7, 100_001), 2.0 ** -np.arange(1, 1075), EDGES])


def on_arrays(out, x):
    erf_of_array(x, out)


def kernels():
    for where, kernel in (("loop", None), ("arrays", on_arrays)):
        for dtype in (np.float32, np.float64):
            yield pytest.param(kernel, dtype, id=f"{where} {dtype.__name__}")


@pytest.mark.parametrize("kernel, dtype", list(kernels()))
def test_it_is_within_its_bound_everywhere(kernel, dtype):
    x = DENSE[::7] if dtype == np.float32 else DENSE64
    out = np.empty_like(x)
    kernel = kernel or in_a_loop("erf(a)", dtype, {"contract"})
    with np.errstate(all="ignore"):
        kernel(out, x)
        exact = libm(x.astype(np.float64)).astype(dtype)
    number = ~np.isnan(exact)
    assert (np.isnan(out) == np.isnan(exact)).all()
    assert (np.signbit(out) == np.signbit(exact))[number].all()
    if dtype == np.float32:
        assert ulps(out, exact).max() <= 2
    else:
        errors = np.abs(out - exact)[number] / np.spacing(np.abs(exact[number]))
        assert errors.max() <= 2


def test_other_dtypes_of_an_array():
    x = np.array([0.5, -1.5])
    assert erf_of_array(x.astype(np.float16)).dtype == np.float32
    assert erf_of_array(np.array(1)).dtype == np.float64 and not erf_of_array(np.array(1)).shape
