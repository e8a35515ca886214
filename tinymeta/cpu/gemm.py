"""A matrix product whose result stays in registers: the heart of BLAS, small enough to be read.

    out[m, n] = sum over k of x[m, k] y[k, n]                    float32, on pointers

A tile of `out`, 6 rows of a few vectors, is kept in registers while k runs over x and y once. Each
vector of y that is loaded serves all rows of the tile, each number of x all its columns: of 6 x 4
vectors, 10 loads feed 24 multiplications, where three loops over scalars have two loads for one.
(Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008; of their packing that
of y is left, where its rows lie far apart.)

    for blocks of k, then of rows      x stays in the second cache
        for strips of columns          y stays in the first; copied by the tile that reads it first
            for tiles of rows          multiply_strip, in simd.py: out stays in registers

What a tile or a strip reads is asked for by the one before it, so that memory is waited for while
registers multiply. Where the sums are short, it is the result that is waited for.

Why not BLAS: NumPy's is reached through Python alone, and a compiled program does not hold Python's
lock; large products, which are worth a stop, go there (jit/replay.py). Why not loops: no compiler
finds the tile in them, so it is spelt out in LLVM's vectors (simd.py), as wide as a register of
this machine.

Cost: 2 m n k operations. x is read once for each strip of columns, y once for each block of rows
and, from the first cache, for each 6 rows. The sums are added in the order of k, whatever the
blocks: a number of `out` has the same bits in all of them.
"""

from numba import types

from .inlining import inlined
from .native import native
from .simd import LANES, TILE_ROWS, TILE_VECTORS, at, multiply_strip, transpose_8x8

_WIDEST, HALF, QUARTER = TILE_VECTORS * LANES, LANES // 2, LANES // 4  # strips of columns
BLOCK_COUNT = 640  # of k, for each of which a strip has a row: of 64 bytes with AVX2, 40 KB in all
BLOCK_NUMBERS = 24 * 1024  # of x: 96 KB of the second cache, in which y passes, too
_LARGE = 64 * 1024  # numbers of y: more do not stay in the second cache from block to block
# Rows that are 1 KB apart, or more: each is on a page of its own, or nearly, and where they are 4
# KB apart they drive each other out of the cache. 48 pages are what the table of 64 has room for.
FAR, _FAR_ROWS = 1024 // 4, 48
SHORT = 64  # of k: a sum that is computed before its place has come from memory
_ROWS_AHEAD = 8  # how early a row of y is asked for: some 50 to 100 cycles
# Of `product`: four pointers, then sizes and strides.
PRODUCT = types.void(*[types.CPointer(types.float32)] * 4, *[types.int64] * 8)


def product(out, x, y, workspace, m, n, count, out_m, x_m, x_k, y_k, y_n):
    """out (m, n) = x (m, count) @ y (count, n)

    out, x, y, workspace: float32*; the rest int64. out_m, x_m, x_k, y_k, y_n: strides in elements,
    so that x or y may be a transpose: one of y's is 1, `out` is contiguous along n. The workspace
    is of `workspace_size(n, count)` elements.

    All kernels call it by its address (`pointers.call_product`), as its tiles of every size take
    two seconds to compile.
    """
    length = _block_length(count, y_n)
    most = _block_rows(m, n, length, out_m, y_n)
    strides = out_m, x_m, x_k, y_k, y_n
    k = 0
    while True:  # once at least: a sum of nothing is 0
        length = min(length, count - k)
        for row in range(0, m, most):
            pointers = at(out, row * out_m), at(x, row * x_m + k * x_k), at(y, k * y_k), workspace
            sizes = min(most, m - row), n, length, int(k > 0)
            _multiply_block(pointers, sizes, strides)
        k += length
        if k >= count:
            break


@inlined
def _block_length(count, y_n):
    """How long the blocks of k are: of even length; longer of a transpose, whose strips follow
    each other in memory if they are whole.
    """
    most = BLOCK_COUNT if y_n == 1 else 2 * BLOCK_COUNT
    if count <= most:
        return count
    blocks = -(-count // most)
    return -(-count // blocks)


@inlined
def _block_rows(m, n, length, out_m, y_n):
    """How many rows of x and of `out` are in a block, at least 1.

    A transpose is turned again for each block, so it has blocks only if x is large.
    """
    if y_n == 1 and length < SHORT and out_m >= FAR:
        return _FAR_ROWS
    if m * length <= BLOCK_NUMBERS:
        return max(m, 1)
    numbers = BLOCK_NUMBERS if n * length <= _LARGE else 4 * BLOCK_NUMBERS
    return max(_FAR_ROWS, numbers // length)


@inlined
def _multiply_block(pointers, sizes, strides):
    """out (m, n) = x (m, count) @ y (count, n), added to what `out` held if `adds`

    pointers: out, x, y, workspace; sizes: m, n, count, adds; strides: as `product` has them.
    Strips of columns, the widest first. `multiply_strip` is called for each width by itself, as the
    width of a strip has to be a literal: it chooses the instructions.
    """
    out, x, y, workspace = pointers
    m, n, count, adds = sizes
    out_m, x_m, x_k, y_k, y_n = strides
    j = 0
    while j < n:
        width = _strip_width(n - j)
        place, strip, row = at(out, j), at(y, j * y_n), y_k
        ahead, ahead_m, ahead_k = at(strip, _ROWS_AHEAD * y_k), 0, y_k
        if y_n != 1:
            transpose_into(workspace, strip, width, count, y_n)
            strip, row = workspace, width
            ahead, ahead_k = at(y, (j + width) * y_n), width  # the next strip, number after number
        done = 0
        if width == _WIDEST and y_n == 1 and y_k >= FAR and m > TILE_ROWS:
            done = TILE_ROWS
            places = place, x, strip, ahead
            steps = out_m, x_m, x_k, row, ahead_m, ahead_k
            multiply_strip(TILE_VECTORS, LANES, True, places, workspace, (done, count, adds), steps)
            ahead = at(strip, width)  # the next strip
            strip, row = workspace, width
        if count < SHORT and out_m >= FAR:
            ahead, ahead_m, ahead_k = at(place, (done + TILE_ROWS) * out_m), out_m, out_m
        places = at(place, done * out_m), at(x, done * x_m), strip, ahead
        steps = out_m, x_m, x_k, row, ahead_m, ahead_k
        rest = m - done, count, adds
        if width == _WIDEST:
            multiply_strip(TILE_VECTORS, LANES, False, places, workspace, rest, steps)
        elif width == 2 * LANES:
            multiply_strip(2, LANES, False, places, workspace, rest, steps)
        elif width == LANES:
            multiply_strip(1, LANES, False, places, workspace, rest, steps)
        elif width == HALF:
            multiply_strip(1, HALF, False, places, workspace, rest, steps)
        elif width == QUARTER:
            multiply_strip(1, QUARTER, False, places, workspace, rest, steps)
        else:
            multiply_strip(1, 1, False, places, workspace, rest, steps)
        j += width


@inlined
def _strip_width(left):
    """The width of the widest strip that fits into the columns that are left."""
    if left >= _WIDEST:
        return _WIDEST
    if left >= 2 * LANES:
        return 2 * LANES
    if left >= LANES:
        return LANES
    if left >= HALF:
        return HALF
    if left >= QUARTER:
        return QUARTER
    return 1


def workspace_size(n: int, count: int) -> int:
    """How many elements of workspace a product needs: the widest strip of y."""
    return min(n, _WIDEST) * count


@native
def transpose_into(out, y, n, count, y_n):
    """for k < count, j < n:  out[k, j] = y[j, k]

    out, y: float32*; the rest int64. out is contiguous, y_n is the stride of a row of y.
    Squares of 8 x 8 in registers, so that both sides read and write whole vectors; the rest number
    by number.
    """
    for j in range(0, n - n % 8, 8):
        for k in range(0, count - count % 8, 8):
            transpose_8x8(at(out, k * n + j), at(y, j * y_n + k), n, y_n)
        for k in range(count - count % 8, count):
            for i in range(8):
                out[k * n + j + i] = y[(j + i) * y_n + k]
    for j in range(n - n % 8, n):
        for k in range(count):
            out[k * n + j] = y[j * y_n + k]
