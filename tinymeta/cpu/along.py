"""Along the middle axis of (A, n, B): cumulative sums, and the places in order.

What is called `_contiguous` runs on contiguous arrays, and is what compiled programs call
(jit/array_kernels.py). b is innermost where neighbours along it lie side by side.
"""

import numpy as np

from .native import native


def cumulative_sum(out: np.ndarray, x: np.ndarray, *, reverse: bool) -> None:
    """for a, j, b:  out[a, j, b] = x[a, 0, b] + .. + x[a, j, b], or + .. + x[a, n - 1, b]

    One after another in the dtype of out, as NumPy has it: the error grows like n eps.
    """
    cumulative_sum_contiguous(out, np.ascontiguousarray(x), reverse)


@native
def cumulative_sum_contiguous(out, x, reverse):
    count = x.shape[1]
    for a in range(x.shape[0]):
        for k in range(count):
            j = count - 1 - k if reverse else k
            before = j + 1 if reverse else j - 1
            for b in range(x.shape[2]):
                out[a, j, b] = x[a, j, b] + out[a, before, b] if k else x[a, j, b]


def argsort(out: np.ndarray, x: np.ndarray) -> None:
    """for a, b:  out[a, :, b] = the j in the order of x[a, j, b]; ties in theirs, a NaN last"""
    out[...] = np.argsort(x, axis=1, kind="stable")


@native
def argsort_contiguous(out, x):
    """The same for compiled programs: NumPy's is called from Python. A stable order is one only.

    Runs of 1, 2, 4, .. places are merged in pairs, from one row of places into the other: n log2(n)
    comparisons for each column.
    """
    count = x.shape[1]
    values = np.empty(count, x.dtype)
    places = np.empty((2, count), np.int64)
    for a in range(x.shape[0]):
        for b in range(x.shape[2]):
            for j in range(count):
                values[j] = x[a, j, b]
                places[0, j] = j
            source, run = 0, 1
            while run < count:
                for first in range(0, count, 2 * run):
                    i, middle = first, min(first + run, count)
                    j, end = middle, min(first + 2 * run, count)
                    for k in range(first, end):
                        takes_right = i == middle
                        if i < middle and j < end:
                            left, right = values[places[source, i]], values[places[source, j]]
                            is_first_number = (left != left) & (right == right)
                            takes_right = (right < left) | is_first_number
                        if takes_right:
                            places[1 - source, k] = places[source, j]
                            j += 1
                        else:
                            places[1 - source, k] = places[source, i]
                            i += 1
                source, run = 1 - source, 2 * run
            for j in range(count):
                out[a, j, b] = places[source, j]
