"""The register-tiled product against NumPy's: every tile and leftover, strides, no step outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import types
from numba.extending import intrinsic

from tinymeta.cpu.gemm import BLOCK_COUNT, BLOCK_NUMBERS, FAR, SHORT, transpose_into, workspace_size
from tinymeta.cpu.native import native
from tinymeta.cpu.pointers import call_product
from tinymeta.cpu.simd import LANES, TILE_ROWS, TILE_VECTORS
from tinymeta.jit.fixed_kernels import product

rng = np.random.default_rng(0)
SIDES = [1, 2, 3, 5, 6, 7, 11, 13]
WIDTHS = sorted(
    {
        1,
        3,
        LANES // 2,
        LANES - 1,
        LANES,
        LANES + 1,
        2 * LANES + 3,
        TILE_VECTORS * LANES,
        TILE_VECTORS * LANES + LANES + LANES // 2 + 1,
    }
)
UNTOUCHED = np.float32(-77)


@intrinsic
def pointer_to(typing, address):
    """An address as a pointer: so one machine code serves arrays of all layouts."""
    pointer = types.CPointer(types.float32)

    def code(context, b, signature, args):
        return b.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(address), code


@native
def multiply_at(address, out, x, y, workspace, numbers):
    pointers = pointer_to(out), pointer_to(x), pointer_to(y), pointer_to(workspace)
    call_product(address, pointers, numbers)


def multiply(out, x, y):
    """out = x @ y, with a workspace as large as is asked for, and not one element more."""
    size = workspace_size(y.shape[1], y.shape[0])
    surroundings = np.full(size + 8, UNTOUCHED)
    addresses = [a.ctypes.data for a in (out, x, y, surroundings[4:])]
    (m, count), n = x.shape, y.shape[1]
    strides = [s // 4 for s in (out.strides[0], *x.strides, *y.strides)]
    multiply_at(product.address, *addresses, (m, n, count, *strides))
    assert (surroundings[:4] == UNTOUCHED).all() and (surroundings[4 + size :] == UNTOUCHED).all()


@native
def transpose_at(out, y, n, count, y_n):
    transpose_into(pointer_to(out), pointer_to(y), n, count, y_n)


def untouched_around(rows: int, columns: int):
    """(the surroundings, the matrix inside): numbers around it that must stay untouched."""
    surroundings = np.full((rows + 2, columns + 5), UNTOUCHED, np.float32)
    return surroundings, surroundings[1:-1, 2:-3]


def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("n", WIDTHS)
@pytest.mark.parametrize("m", SIDES)
def test_every_tile_and_leftover(m, n):
    for count in (0, 1, 9):
        x, y = draw(m, count), draw(count, n)
        surroundings, out = untouched_around(m, n)
        multiply(out, x, y)
        np.testing.assert_allclose(out, x.astype(np.float64) @ y, rtol=1e-5, atol=1e-5)
        assert (surroundings == UNTOUCHED).sum() == surroundings.size - out.size, "it wrote outside"


@settings(max_examples=100, deadline=None)
@given(
    m=st.integers(1, 4 * TILE_ROWS),
    n=st.integers(1, 90),
    count=st.integers(0, 70),
    x_transposed=st.booleans(),
    y_transposed=st.booleans(),
    y_row=st.sampled_from([93, FAR]),  # rows of y that are copied, where some tiles read them
)
def test_strides(m, n, count, x_transposed, y_transposed, y_row):
    x = draw(count, m).T if x_transposed else draw(m, count)
    if y_transposed:
        y = draw(n, count + 3)[:, :count].T
    else:
        y = draw(count + 1, y_row)[:count, :n]
    surroundings, out = untouched_around(m, n)
    multiply(out, x, y)
    np.testing.assert_allclose(out, x.astype(np.float64) @ y, rtol=1e-5, atol=1e-5)
    assert (surroundings[0] == UNTOUCHED).all() and (surroundings[:, -3:] == UNTOUCHED).all()


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), count=st.integers(1, 40), gap=st.integers(0, 3))
def test_a_transpose_to_the_bit(n, count, gap):
    y = draw(n, count + gap)[:, :count]
    surroundings = np.full(n * count + 8, UNTOUCHED)
    transpose_at(surroundings[4:].ctypes.data, y.ctypes.data, n, count, y.strides[0] // 4)
    np.testing.assert_array_equal(surroundings[4:-4].reshape(count, n), y.T)
    assert (surroundings[:4] == UNTOUCHED).all() and (surroundings[-4:] == UNTOUCHED).all()


@pytest.mark.parametrize("y_transposed", [False, True])
@pytest.mark.parametrize("x_transposed", [False, True])
@pytest.mark.parametrize(
    ("m", "count"),
    [
        (BLOCK_NUMBERS // 200, 201),  # two blocks of rows
        (13, 2 * BLOCK_COUNT + 1),  # three blocks of k, two of a transpose
        (BLOCK_NUMBERS // BLOCK_COUNT + 20, BLOCK_COUNT + 1),  # of both
        (100, SHORT - 1),  # short sums, whose places lie far apart
    ],
)
def test_a_row_has_the_same_bits_in_all_blocks(m, count, x_transposed, y_transposed):
    n = 2 * TILE_VECTORS * LANES + 3
    x = draw(count, m).T if x_transposed else draw(m, count)
    y = draw(n, count).T if y_transposed else draw(count, FAR)[:, :n]
    out, row = np.full((m, FAR), UNTOUCHED), np.empty((1, n), np.float32)
    multiply(out[:, :n], x, y)
    np.testing.assert_allclose(out[:, :n], x.astype(np.float64) @ y, rtol=1e-4, atol=1e-4)
    assert (out[:, n:] == UNTOUCHED).all()
    for i in range(0, m, 7):
        multiply(row, x[i : i + 1], y)
        np.testing.assert_array_equal(out[i, :n], row[0])


def test_two_runs_are_bit_equal_and_nan_stays():
    x, y = draw(13, 70), draw(70, 45)
    y[3, 44] = np.nan
    first, second = np.empty((2, 13, 45), np.float32)
    for out in (first, second):
        multiply(out, x, y)
    assert first.tobytes() == second.tobytes()
    assert np.isnan(first[:, 44]).all() and np.isfinite(first[:, :44]).all()
