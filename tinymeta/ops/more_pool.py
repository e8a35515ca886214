"""Pooling with the options people bring: dilated windows, partial ones at the end, padding counted.

Composed of pool.py's. A partial window at the end is one over more padding; a dilated one is the
first largest of slices of the image, a copy for each place of the window.
"""

from typing import Any

import numpy as np

from ..core.checks import check_flag
from ..core.tensor import Tensor, asarray
from . import pool
from .conv import Geometry, pair_of
from .elementwise import mul
from .index import take_along_axis
from .join import pad, stack
from .movement import squeeze
from .reduce import argmax


def max_pool2d(
    x: Any,
    window: Any = 2,
    *,
    stride: Any = None,
    padding: Any = "valid",
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window: (.., N, H, W, C) -> (.., N, H', W', C).

    stride defaults to the window; padding as in conv2d (padded places are never the maximum). A NaN
    is the largest; the gradient goes to the first of those that tie.
    dilation: how far apart two rows and two columns of a window are. ceil_mode: a last window that
    begins in the image and ends outside of it counts, too.
    Raises ValueError for windows that don't fit.
    """
    x = pool.as_image("max_pool2d", x)
    window = pair_of("max_pool2d", 1, window=window)
    gaps = pair_of("max_pool2d", 1, dilation=dilation)
    stride = window if stride is None else stride
    reach = tuple([(k - 1) * gap + 1 for k, gap in zip(window, gaps)])
    geometry = pool.pool_geometry("max_pool2d", x, reach, stride, padding)
    geometry = _with_last_windows("max_pool2d", geometry, padding, ceil_mode)
    if gaps == (1, 1):
        return pool.max_pool2d(x, window, stride=geometry.stride, padding=geometry.pads)
    before = [(0, 0)] * (x.ndim - 3)
    padded = pad(x, [*before, *geometry.pads, (0, 0)], _least_of(x.dtype))
    slices = []
    for y in range(0, reach[0], gaps[0]):
        rows = _every_window(y, geometry, 0)
        for z in range(0, reach[1], gaps[1]):
            columns = _every_window(z, geometry, 1)
            slices.append(padded[..., rows, columns, :])
    candidates = stack(slices, -1)
    places = argmax(candidates, -1)
    return squeeze(take_along_axis(candidates, places[..., None], -1), -1)


def _least_of(dtype: np.dtype) -> float | bool:
    """What is never larger than a number of this dtype."""
    if dtype.kind == "f":
        return -np.inf
    return False if dtype == bool else np.iinfo(dtype).min


def _every_window(first: int, geometry: Geometry, axis: int) -> slice:
    """Along one axis: the place `first` of the first window, and the same one of all others."""
    count, stride = geometry.result[axis], geometry.stride[axis]
    last = first + (count - 1) * stride
    return slice(first, last + 1, stride)


def avg_pool2d(
    x: Any,
    window: Any = 2,
    *,
    stride: Any = None,
    padding: Any = "valid",
    ceil_mode: bool = False,
    count_include_pad: bool = False,
) -> Tensor:
    """The mean of each window over the places inside the image.

    stride, padding, ceil_mode, shapes and errors as in max_pool2d. count_include_pad: padded places
    count as zeros (PyTorch's default), those that ceil_mode adds do not.
    """
    x = pool.as_image("avg_pool2d", x)
    window = pair_of("avg_pool2d", 1, window=window)
    check_flag("avg_pool2d", count_include_pad=count_include_pad)
    stride = window if stride is None else stride
    asked = pool.pool_geometry("avg_pool2d", x, window, stride, padding)
    geometry = _with_last_windows("avg_pool2d", asked, padding, ceil_mode)
    means = pool.avg_pool2d(x, window, stride=geometry.stride, padding=geometry.pads)
    if not count_include_pad or asked.pads == ((0, 0), (0, 0)):
        return means
    of_rows = _share_inside(geometry, asked, 0)
    of_columns = _share_inside(geometry, asked, 1)
    share = np.outer(of_rows, of_columns)[..., None]  # (H', W', 1)
    return mul(means, asarray(share.astype(means.dtype)))


def _share_inside(geometry: Geometry, asked: Geometry, axis: int) -> np.ndarray:
    """Of the places of each window that count, how many are in the image; along one axis."""
    n = geometry.image[axis]
    before, after = asked.pads[axis]
    windows = np.arange(geometry.result[axis])
    begins = windows * geometry.stride[axis] - before
    ends = begins + geometry.kernel[axis]
    inside = np.minimum(ends, n) - np.maximum(begins, 0)
    return inside / (np.minimum(ends, n + after) - begins)


def _with_last_windows(name: str, geometry: Geometry, padding: Any, ceil_mode: bool) -> Geometry:
    """With the windows at the end that begin in the image, or in the padding before it."""
    check_flag(name, ceil_mode=ceil_mode)
    if not ceil_mode:
        return geometry
    pads = []
    for n, k, s, (before, after) in zip(
        geometry.image, geometry.kernel, geometry.stride, geometry.pads
    ):
        steps = -(-(n + before + after - k) // s)  # to the last window, rounded up
        if steps * s >= n + before:
            steps -= 1
        needed = steps * s + k - n - before
        pads.append((before, max(after, needed)))
    rows, columns = pads
    return geometry._replace(pads=(rows, columns))
