"""Moving elements: views where NumPy has one, copies into `out` elsewhere.

A view costs nothing, whatever its size; a copy reads and writes each element once.
"""

from typing import Any

import numpy as np


def reshape(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    return x.reshape(shape)


def transpose(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    return x.transpose(axes)


def broadcast_to(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(x, shape)


def slice(x: np.ndarray, *, slices: tuple) -> np.ndarray:
    """The view through `slices`, one built-in slice for each of the first axes."""
    index = (*slices, ...)  # the dots keep a 0-d array from becoming a scalar
    return x[index]


def flip(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    index = (*(np.s_[::-1] if i in axes else np.s_[:] for i in range(x.ndim)), ...)
    return x[index]


def astype(out: np.ndarray, x: np.ndarray, *, dtype: Any) -> None:
    """out = x, in the dtype of `out`."""
    np.copyto(out, x, casting="unsafe")


def pad(out: np.ndarray, x: np.ndarray, *, widths: tuple[tuple[int, int, int], ...]) -> None:
    """out = 0;  out[lo + i * (gap + 1)] = x[i]  along each axis, for widths (lo, hi, gap)."""
    out.fill(0)
    places = []
    for n, (lo, _, gap) in zip(x.shape, widths):
        step = gap + 1
        last = lo + (n - 1) * step
        places.append(np.s_[lo : last + 1 : step] if n else np.s_[lo:lo])
    out[tuple(places)] = x


def concatenate(out: np.ndarray, *xs: np.ndarray, axis: int) -> None:
    np.concatenate(xs, axis=axis, out=out)
