"""Reducing axes: for each kept index, out = op over the dropped ones.

Why sums are added up in float64: the error of n additions one after another grows like n eps, and
eps is 6e-8 in float32, 5e-4 in float16. NumPy adds the rows of a matrix that way, so ten million
float32 numbers would lose three digits of seven, and float16 ones all. In float64 the same sum
errs by 1e-9, far below the one rounding of the result. A float64 accumulator halves the width of a
vector, but these loops wait for memory anyway.
"""

from math import prod

import numpy as np

from .native import native
from .order import from_ordered, ordered
from .pointers import added

_LOOPED = np.dtype(np.float32)  # the dtype that the loops below are for
# The dtype of the accumulator, where it is wider than that of the numbers.
_ACCUMULATORS = {np.dtype(np.float16): np.float64, _LOOPED: np.float64}


def sum(out: np.ndarray, x: np.ndarray, *, axes: tuple[int, ...]) -> None:
    """for each kept index:  out = sum over the dropped ones, within a few roundings of the result.

    x of any dtype and strides; axes: increasing. out has the dtype of the result. The axes of a
    contiguous float32 x that lie side by side are one axis, j of (a, j, b); all else is NumPy's.
    A sum of one number is that number, -0 included, as in a program, where it is a reshape.
    """
    if out.size == x.size:
        out[...] = x.reshape(out.shape)
        return
    first, last = (axes[0], axes[-1] + 1) if axes else (0, 0)
    one_range = len(axes) == last - first
    if x.dtype == _LOOPED and one_range and x.flags.c_contiguous:
        before, dropped, after = x.shape[:first], x.shape[first:last], x.shape[last:]
        _sum_middle(out, x.reshape(prod(before), prod(dropped), prod(after)))
        return
    total = np.add.reduce(x, axis=axes, dtype=_ACCUMULATORS.get(out.dtype, out.dtype))
    np.copyto(out, total, casting="same_kind")


def _sum_middle(out: np.ndarray, x: np.ndarray) -> None:
    """for a, b:  out[a, b] = sum_j x[a, j, b]"""
    a, j, b = x.shape
    if b == 1:
        _sum_rows(out.reshape(a), x.reshape(a, j))
    else:
        _sum_columns(out.reshape(a, b), x)


@native
def _sum_rows(out, x):
    """for a:  out[a] = sum_j x[a, j], added up in float64, in several lanes of a vector"""
    for a in range(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total = added(total, np.float64(x[a, j]))
        out[a] = total


@native
def _sum_columns(out, x):
    """for a, b:  out[a, b] = sum_j x[a, j, b], added up in float64

    b is innermost: a row of x is read as it lies, and added to a row of accumulators.
    """
    total = np.empty(x.shape[2], np.float64)
    for a in range(x.shape[0]):
        total[:] = 0
        for j in range(x.shape[1]):
            for b in range(x.shape[2]):
                total[b] += x[a, j, b]
        for b in range(x.shape[2]):
            out[a, b] = total[b]


def max(out: np.ndarray, x: np.ndarray, *, axes: tuple[int, ...]) -> None:
    """for each kept index:  out = the largest of the dropped ones; a NaN is the largest

    Of a contiguous float32 x along its last axes by a loop of our own; all else is NumPy's.
    """
    kept = x.ndim - len(axes)
    if x.dtype == _LOOPED and x.flags.c_contiguous and axes == tuple(range(kept, x.ndim)):
        _max_rows(out.reshape(out.size), x.reshape(out.size, prod(x.shape[kept:])))
    else:
        np.maximum.reduce(x, axis=axes, out=out)


@native
def _max_rows(out, x):
    """for a:  out[a] = max_j x[a, j], by integers in their order (order.py)"""
    for a in range(x.shape[0]):
        largest = ordered(x[a, 0])
        for j in range(1, x.shape[1]):
            k = ordered(x[a, j])
            largest = k if k > largest else largest
        out[a] = from_ordered(largest)


def argmax(out: np.ndarray, x: np.ndarray, *, axes: tuple[int, ...]) -> None:
    """for each kept index:  out = the first place along the one axis that holds the largest"""
    np.argmax(x, axis=axes[0], out=out)


@native
def argmax_contiguous(out, x):
    """for a, b:  out[a, b] = the first j that maximises x[a, j, b]; a NaN is the largest

    out (A, B) int64, x (A, n, B). For compiled programs: NumPy's argmax is called from Python.
    """
    out[:] = 0
    for a in range(x.shape[0]):
        for j in range(1, x.shape[1]):
            for b in range(x.shape[2]):
                value, best = x[a, j, b], x[a, out[a, b], b]
                if value > best or (value != value and best == best):
                    out[a, b] = j
