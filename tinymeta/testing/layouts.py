"""One array, laid out in memory in other ways: equal entries in other places.

A transpose, a slice, a flip and a broadcast are views, and each reaches kernels and backward passes
as it lies. What reads memory instead of strides is right on contiguous arrays, and wrong here.
"""

import numpy as np


def transposed(x: np.ndarray) -> np.ndarray:
    """A copy in the memory order of its transpose."""
    return np.array(x.T, order="C").T


def gappy(x: np.ndarray) -> np.ndarray:
    """A copy in the memory order of its transpose, with a NaN (or a 0) after every entry."""
    gap = np.nan if x.dtype.kind == "f" else 0
    backwards_shape = x.shape[::-1]
    pairs = np.full((*backwards_shape, 2), gap, x.dtype)
    view = pairs[..., 0].T
    view[...] = x
    return view


def backwards(x: np.ndarray) -> np.ndarray:
    """A copy whose memory runs from the last entry to the first: all strides are negative."""
    reverse = slice(None, None, -1)
    ends: tuple = (Ellipsis, *[reverse] * x.ndim)  # the dots keep what has no axis an array
    last_first = x[ends].copy(order="C")
    return last_first[ends]


def repeated_row(x: np.ndarray) -> np.ndarray:
    """Its first row in place of every row: a view of one row, along an axis of stride 0."""
    if not x.ndim or not x.size:
        return x
    return np.broadcast_to(x[:1], x.shape)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays have equal shapes and bits (of longdouble: equal numbers)."""
    if a.dtype.char == "g":  # some of its bytes are padding, with any contents
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    return a.shape == b.shape and a.tobytes() == b.tobytes()


SAME_ENTRIES = (transposed, gappy, backwards)
