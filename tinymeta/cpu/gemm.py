"""A matrix product whose result stays in registers: the heart of BLAS, small enough to be read.

    out[m, n] = sum over k of x[m, k] y[k, n]                    float32, on pointers

A tile of `out`, 6 rows of a few vectors, is kept in registers while k runs over x and y once. Each
vector of y that is loaded serves all rows of the tile, each number of x all its columns: of 6 x 4
vectors, 10 loads feed 24 multiplications, where three loops over scalars have two loads for one.
(Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008; of their packing that
of y is left, where its rows cannot be read where they are, see `packed`, and no blocking of k: what
is multiplied here lies in the cache already.)

Why not BLAS: NumPy's is reached through Python alone, and a compiled program does not hold Python's
lock; large products, which are worth a stop, go there (jit/replay.py). Why not loops: no compiler
finds the tile in them, so it is spelt out in LLVM's vectors (simd.py), as wide as a register of
this machine.

Cost: 2 m n k operations. x is read once for each strip of columns, y once for each 6 rows of x;
what is copied of y is read once more, and written once.
"""

from .native import inlined, native
from .simd import (
    CACHE_LINE,
    LANES,
    ROWS_AHEAD,
    TILE_VECTORS,
    at,
    multiply_strip,
    prefetch,
    transpose_8x8,
)

_WIDEST, HALF, QUARTER = TILE_VECTORS * LANES, LANES // 2, LANES // 4  # strips of columns
_BLOCK_COUNT = 640  # of k
_BLOCK_NUMBERS = 64 * 1024  # of x: a block of it is 256 KB, a part of the second cache
_BLOCK_ROWS = 48  # of out, which lie on as many pages: the first table of pages has 64
FAR = 256


@inlined
def product(out, x, y, workspace, m, n, count, out_m, x_m, x_k, y_k, y_n):
    """out (m, n) = x (m, count) @ y (count, n)

    out, x, y, workspace: float32*; the rest int64. out_m, x_m, x_k, y_k, y_n: strides in elements,
    so that x or y may be a transpose: one of y's is 1, `out` is contiguous along n. The workspace
    is of `workspace_size(n, count)` elements.
    """
    length = count
    if count > _BLOCK_COUNT:
        blocks = -(-count // _BLOCK_COUNT)
        length = -(-count // blocks)
    most = max(_BLOCK_ROWS, _BLOCK_NUMBERS // max(1, length))
    if y_n == 1 and out_m >= FAR:
        most = _BLOCK_ROWS
    k = 0
    while True:
        length = min(length, count - k)
        row = 0
        while row < m:
            rows = min(most, m - row)
            _multiply_block(
                at(out, row * out_m),
                at(x, row * x_m + k * x_k),
                at(y, k * y_k),
                workspace,
                rows,
                n,
                length,
                out_m,
                x_m,
                x_k,
                y_k,
                y_n,
                int(k > 0),
            )
            row += rows
        k += length
        if k >= count:
            break


@inlined
def _multiply_block(out, x, y, workspace, m, n, count, out_m, x_m, x_k, y_k, y_n, adds):
    """out (m, n) = x (m, count) @ y (count, n), and what `out` held if `adds`

    Strips of columns, the widest first. `multiply_strip` is called for each width by itself, as the
    width of a strip has to be a literal: it chooses the instructions.
    """
    j = 0
    while j < n:
        width = _strip_width(n - j)
        strip, place, row = at(y, j * y_n), at(out, j), y_k
        if y_n != 1:
            transpose_into(workspace, strip, width, count, y_n)
            strip, row = workspace, width
        if width == _WIDEST:
            first = 0
            ahead, ahead_k = at(strip, ROWS_AHEAD * row), row
            if y_n == 1 and m > 6 and y_k >= FAR:
                first = 6
                multiply_strip(TILE_VECTORS, LANES, True, place, x, strip, workspace, ahead, first, count, out_m, x_m, x_k, row, row, adds)
                ahead, ahead_k = at(strip, _WIDEST), y_k
                strip, row = workspace, width
            multiply_strip(TILE_VECTORS, LANES, False, at(place, first * out_m), at(x, first * x_m), strip, strip, ahead, m - first, count, out_m, x_m, x_k, row, ahead_k, adds)
        elif width == 2 * LANES:
            multiply_strip(2, LANES, False, place, x, strip, strip, strip, m, count, out_m, x_m, x_k, row, row, adds)
        elif width == LANES:
            multiply_strip(1, LANES, False, place, x, strip, strip, strip, m, count, out_m, x_m, x_k, row, row, adds)
        elif width == HALF:
            multiply_strip(1, HALF, False, place, x, strip, strip, strip, m, count, out_m, x_m, x_k, row, row, adds)
        elif width == QUARTER:
            multiply_strip(1, QUARTER, False, place, x, strip, strip, strip, m, count, out_m, x_m, x_k, row, row, adds)
        else:
            multiply_strip(1, 1, False, place, x, strip, strip, strip, m, count, out_m, x_m, x_k, row, row, adds)
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


@inlined
def packed(workspace, y, width, m, count, y_k, y_n):
    """(pointer, row stride) of y (count, width): where it lies, or copied into the workspace.

    workspace, y: float32*; the rest int64. y_k, y_n: strides of y's rows and columns.

    Rows that lie a multiple of 4 KB apart fall into the same few sets of the cache and drive each
    other out, so where some tiles read them they are copied first. Columns of a transpose have to
    be. All others are read where they are: what copying gains, the copy costs.
    """
    if y_n != 1:
        transpose_into(workspace, y, width, count, y_n)
        return workspace, width
    if y_k % SAME_SET != 0 or m < MIN_ROWS_TO_PACK:
        return y, y_k
    for k in range(count):
        for j in range(0, width, CACHE_LINE):
            prefetch(at(y, (k + ROWS_AHEAD) * y_k + j))
        for j in range(width):
            workspace[k * width + j] = y[k * y_k + j]
    return workspace, width


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
