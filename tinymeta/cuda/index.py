"""Gathering and scattering along the middle axis of (A, n, B).

Gathering: a thread for each result. Scattering the same way would have threads add to one place at
once; atomic additions would be right, but in an order that changes from run to run. So a thread
owns a column of the result, (a, b), and adds along j in order: two runs agree to the bit, and what
limits it is how few columns there may be.

Neighbouring threads have neighbouring b, so they read and write neighbours. Indices are int64, are
not negative and are smaller than n. `out` is contiguous; other arrays are made so.
"""

from .array import Array
from .launch import THREADS, GpuKernel, block_count
from .movement import contiguous
from .target import cuda

# Strides of an index for each j, and for each element (a, j, b).
_BY_J, _BY_ELEMENT = (1, 0), (0, 1)


def take(out: Array, x: Array, i: Array) -> None:
    """for a, j, b:  out[a, j, b] = x[a, i[j], b]

    out (A, m, B), x (A, n, B), i (m).
    """
    _gather(out, x, i, _BY_J)


def take_along(out: Array, x: Array, i: Array) -> None:
    """for a, j, b:  out[a, j, b] = x[a, i[a, j, b], b]

    out and i (A, m, B), x (A, n, B).
    """
    _gather(out, x, i, _BY_ELEMENT)


def scatter_add(out: Array, g: Array, i: Array, *, size: int) -> None:
    """out = 0;  for a, j, b:  out[a, i[j], b] += g[a, j, b]

    out (A, size, B), g (A, m, B), i (m).
    """
    _scatter_add(out, g, i, size, _BY_J)


def scatter_add_along(out: Array, g: Array, i: Array, *, size: int) -> None:
    """out = 0;  for a, j, b:  out[a, i[a, j, b], b] += g[a, j, b]

    out (A, size, B), g and i (A, m, B).
    """
    _scatter_add(out, g, i, size, _BY_ELEMENT)


def _gather(out: Array, x: Array, i: Array, index_strides: tuple[int, int]) -> None:
    count, n = out.size, x.shape[1]
    _, m, width = out.shape
    numbers = count, n, m, width, *index_strides
    gather(block_count(count), THREADS, out, contiguous(x), contiguous(i), *numbers)


def _scatter_add(out: Array, g: Array, i: Array, n: int, index_strides: tuple[int, int]) -> None:
    columns = out.shape[0] * out.shape[2]
    _, m, width = g.shape
    numbers = columns, n, m, width, *index_strides
    scatter(block_count(columns), THREADS, out, contiguous(g), contiguous(i), *numbers)


@GpuKernel
def gather(out, x, index, count, n, m, width, by_j, by_element):
    """for a, j, b:  out[a, j, b] = x[a, index[by_j * j + by_element * e], b], e that of (a, j, b)

    out, x: pointers to (A, m, width) and (A, n, width); index: int64*; the rest int32.
    """
    e = cuda.grid(1)
    if e < count:
        b, j, a = e % width, e // width % m, e // (width * m)
        out[e] = x[(a * n + index[by_j * j + by_element * e]) * width + b]


@GpuKernel
def scatter(out, g, index, count, n, m, width, by_j, by_element):
    """for a, b:  out[a, :, b] = 0;  for j:  out[a, index[by_j * j + by_element * e], b] += g[e]

    A thread for each of the `count` columns (a, b). out, g: pointers to (A, n, width) and
    (A, m, width); index: int64*; the rest int32.
    """
    column = cuda.grid(1)
    if column < count:
        a, b = column // width, column % width
        for k in range(n):
            out[(a * n + k) * width + b] = 0
        for j in range(m):
            e = (a * m + j) * width + b
            place = (a * n + index[by_j * j + by_element * e]) * width + b
            out[place] += g[e]
