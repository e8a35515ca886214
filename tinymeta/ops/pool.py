"""Pooling over windows of an image (.., N, H, W, C).

Max pooling is a `take` at a place that has no derivative: the place of the maximum, the first in
row-major order on every device. So its derivative is a scatter, that one's a take again, and no
order is missing. Average pooling is a convolution of each channel with a constant window.
"""

from typing import Any

import numpy as np

from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from .checks import ShapeDtype, size_of
from .conv import Geometry, conv2d, geometry_of, pair_of
from .index import take_along_p
from .movement import moveaxis, reshape
from .promote import float16_by_float32, promote


def _places_shape(x: Any, geometry: Geometry) -> ShapeDtype:
    *lead, _, _, channels = x.shape
    return (*lead, *geometry.result, channels), np.dtype(np.int64)


# For each window and channel the place of its maximum, as a position in the flattened H * W image.
window_argmax = Primitive("window_argmax", shape=_places_shape, vjps=(None,), family="pool")


def as_image(name: str, x: Any) -> Tensor:
    """`x` as a Tensor (.., N, H, W, C). Raises ValueError for fewer axes."""
    x = asarray(x)
    if x.ndim < 4:
        raise ValueError(f"{name}: expected images (.., N, H, W, C), got shape {x.shape}")
    return x


@float16_by_float32("max_pool2d")
def max_pool2d(x: Any, window: Any = 2, *, stride: Any = None, padding: Any = "valid") -> Tensor:
    """The maximum of each window: (.., N, H, W, C) -> (.., N, H', W', C).

    stride defaults to the window; padding as in conv2d (padded places are never the maximum). A NaN
    is the largest; the gradient goes to the first of those that tie.
    Raises ValueError for windows that don't fit.
    """
    x = as_image("max_pool2d", x)
    geometry = pool_geometry("max_pool2d", x, window, stride, padding)
    *lead, height, width, channels = x.shape
    count = size_of(lead)
    windows = size_of(geometry.result)
    places = window_argmax(x, geometry=geometry)
    places = reshape(places, (count, windows, channels))
    pixels = reshape(x, (count, height * width, channels))
    largest = take_along_p(pixels, places)
    return reshape(largest, (*lead, *geometry.result, channels))


@float16_by_float32("avg_pool2d")
def avg_pool2d(x: Any, window: Any = 2, *, stride: Any = None, padding: Any = "valid") -> Tensor:
    """The mean of each window over the places inside the image.

    Arguments, shapes and errors as in max_pool2d.
    """
    x = as_image("avg_pool2d", x)
    (x,) = promote("avg_pool2d", (x,), floating=True)
    geometry = pool_geometry("avg_pool2d", x, window, stride, padding)
    window_of_ones = np.ones((*geometry.kernel, 1, 1), x.dtype)
    image_of_ones = np.ones((1, *geometry.image, 1), x.dtype)
    options = {"stride": geometry.stride, "padding": geometry.pads}
    planes = moveaxis(x, -1, -3)  # (.., N, C, H, W)
    *lead, _, _ = planes.shape
    images = reshape(planes, (-1, *geometry.image, 1))  # each channel an image of its own
    sums = conv2d(images, window_of_ones, **options)
    counts = conv2d(
        image_of_ones, window_of_ones, **options
    )  # less than a window's at a padded edge
    means = reshape(sums / counts, (*lead, *geometry.result))  # (.., N, C, H', W')
    return moveaxis(means, -3, -1)


def pool_geometry(name: str, x: Tensor, window: Any, stride: Any, padding: Any) -> Geometry:
    """The Geometry of a pooling. Raises ValueError for a window that may lie outside the image."""
    window = pair_of(name, 1, window=window)
    stride = window if stride is None else stride
    image = x.shape[-3:-1]
    geometry = geometry_of(name, image, window, stride, padding)
    for pad, k in zip(geometry.pads, window):
        if max(pad) >= k:
            raise ValueError(
                f"{name}: the padding {geometry.pads} is as wide as the window {window}, "
                "so that some windows would see nothing: pad less"
            )
    return geometry
