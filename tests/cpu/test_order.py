"""Floats as integers in their order, and the maxima of compiled programs that are kept so."""

import re

import numpy as np
import pytest
from numba import jit
from numba.core.config import CPU_NAME

import tinymeta as tm
from tinymeta.cpu.native import cpu_features
from tinymeta.cpu.order import from_ordered, ordered
from tinymeta.cpu.pointers import OPTIONS

EDGES = [-np.inf, -1e30, -1.0, -1e-40, -0.0, 0.0, 1e-40, 0.5, 1.0, 1e30, np.inf, np.nan]


@jit(**OPTIONS)
def largest(x):
    total = ordered(x[0])
    for i in range(len(x)):
        total = max(total, ordered(x[i]))
    return from_ordered(total)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_order_is_that_of_the_floats_with_nan_on_top(dtype):
    edges = np.array(EDGES, dtype)
    for i, x in enumerate(edges):
        for j, y in enumerate(edges):
            found, expected = largest(np.array([x, y])), edges[max(i, j)]
            np.testing.assert_array_equal(found, expected)
            assert np.signbit(found) == np.signbit(expected), (x, y)
    for nan in (edges[-1], -edges[-1]):  # 0 / 0 has a sign, which counts for nothing
        assert np.isnan(largest(np.array([nan, edges[-2]])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_maximum_along_the_last_axis_is_numpys_wherever_the_largest_is(dtype):
    rng = np.random.default_rng(0)
    largest_of_rows = tm.jit(lambda x: tm.max(x, -1))
    for width in (1, 2, 7, 8, 9, 31, 70):
        x = rng.normal(size=(4 * width, width)).astype(dtype)
        for k, special in enumerate((10.0, np.nan, -np.nan, np.inf)):
            for place in range(width):
                x[k * width + place, place] = special
        np.testing.assert_array_equal(largest_of_rows(x), x.max(-1))
        np.testing.assert_array_equal(tm.max(x, -1), x.max(-1))
    np.testing.assert_array_equal(largest_of_rows(np.full((3, 9), -np.inf, dtype)), [-np.inf] * 3)


def test_its_loop_is_a_vector_loop():
    if CPU_NAME or not cpu_features().get("avx2"):
        pytest.skip("this machine has no AVX2, or NUMBA_CPU_NAME hides it")
    largest.compile("float32(float32[::1])")
    codes = largest.inspect_llvm().values()
    assert any(re.search(r"<(8|16) x i32>", code) for code in codes)


def test_outside_a_kernel_it_says_what_it_is():
    for function in (ordered, from_ordered):
        with pytest.raises(TypeError, match="inside compiled kernels alone"):
            function(1.0)
