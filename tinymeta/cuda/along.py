"""Along the middle axis of (A, n, B): cumulative sums, and the places in order.

A sum has a thread for each column (a, b), which goes along it: two runs agree to the bit. An order
has a thread for each element, which counts how many of its column come before it: that is its
place. n comparisons for each element, but no thread waits for another, and neighbours read the same
numbers at the same time; sorting networks are for columns of many thousands.
"""

from .array import Array
from .launch import THREADS, GpuKernel, block_count
from .movement import contiguous
from .target import cuda


def cumulative_sum(out: Array, x: Array, *, reverse: bool) -> None:
    """for a, j, b:  out[a, j, b] = x[a, 0, b] + .. + x[a, j, b], or + .. + x[a, n - 1, b]

    Added up in the dtype of out, which is contiguous.
    """
    _, n, width = out.shape
    columns = out.shape[0] * width
    _add_along(block_count(columns), THREADS, out, contiguous(x), columns, n, width, int(reverse))


def argsort(out: Array, x: Array) -> None:
    """for a, b:  out[a, :, b] = the j in the order of x[a, j, b]; ties in theirs, a NaN last

    out: int64, contiguous.
    """
    _, n, width = out.shape
    _order_along(block_count(out.size), THREADS, out, contiguous(x), out.size, n, width)


@GpuKernel
def _add_along(out, x, columns, n, width, reverse):
    """A thread for each of the columns (a, b). out, x: pointers to (A, n, width)."""
    column = cuda.grid(1)
    if column < columns:
        begin = (column // width) * n * width + column % width
        place, step = begin, width
        if reverse:
            place, step = begin + (n - 1) * width, -width
        for k in range(n):
            if k:
                out[place] = out[place - step] + x[place]
            else:
                out[place] = x[place]
            place += step


@GpuKernel
def _order_along(out, x, count, n, width):
    """A thread for each element (a, j, b). out: int64*; x: a pointer to (A, n, width)."""
    e = cuda.grid(1)
    if e < count:
        b, j, a = e % width, e // width % n, e // (width * n)
        begin = a * n * width + b
        value = x[e]
        rank = 0
        for k in range(n):
            other = x[begin + k * width]
            is_less = other < value or (value != value and other == other)
            is_alike = other == value or (value != value and other != other)
            if is_less or (is_alike and k < j):
                rank += 1
        out[begin + rank * width] = j
