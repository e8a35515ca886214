"""Convolution with weights of its own for each task: y = conv(x, w).

x (.., N, H, W, C), w (.., h, w, C, O), y (.., N, H', W', O); leading axes, the tasks, are equal.
The number <g, conv(x, w)> is linear in x, w and g; conv and its two adjoints are its three partial
derivatives, so they name each other and every order of derivative is one of them again.
"""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.checks import is_whole, shown
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from .checks import Shape
from .matmul import broadcast_leading_axes
from .promote import float16_by_float32, promote

_LARGEST = 2**31  # no image has as many rows


class Geometry(NamedTuple):
    """The static metadata of the three primitives, in numbers even if it was "same" or "valid"."""

    stride: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]  # (before, after) of H, of W
    image: tuple[int, int]  # H, W
    kernel: tuple[int, int]  # h, w

    @property
    def result(self) -> tuple[int, int]:
        """H', W': how many places the kernel takes."""
        (height, width), (h, w) = self.image, self.kernel
        rows = (height + sum(self.pads[0]) - h) // self.stride[0] + 1
        columns = (width + sum(self.pads[1]) - w) // self.stride[1] + 1
        return rows, columns


def _conv_shape(x: Any, w: Any, geometry: Geometry) -> tuple[Shape, np.dtype]:
    return x.shape[:-3] + geometry.result + w.shape[-1:], x.dtype


def _conv_input_shape(g: Any, w: Any, geometry: Geometry) -> tuple[Shape, np.dtype]:
    return g.shape[:-3] + geometry.image + w.shape[-2:-1], g.dtype


def _conv_weight_shape(x: Any, g: Any, geometry: Geometry) -> tuple[Shape, np.dtype]:
    return x.shape[:-4] + geometry.kernel + (x.shape[-1], g.shape[-1]), g.dtype


def _primitive(name: str, shape: Callable, first: Callable, second: Callable) -> Primitive:
    return Primitive(name, shape=shape, vjps=(first, second), family="conv")


# fmt: off
# Declared first, as rules name them before they are assigned.
conv_input: Primitive
conv_weight: Primitive

# conv(x, w) is the output, conv_input(g, w) the cotangent of x, conv_weight(x, g) that of w.
conv        = _primitive("conv",        _conv_shape,
    lambda u, y, x, w, geometry: conv_input(u, w, geometry=geometry),
    lambda u, y, x, w, geometry: conv_weight(x, u, geometry=geometry))

conv_input  = _primitive("conv_input",  _conv_input_shape,
    lambda u, y, g, w, geometry: conv(u, w, geometry=geometry),
    lambda u, y, g, w, geometry: conv_weight(u, g, geometry=geometry))

conv_weight = _primitive("conv_weight", _conv_weight_shape,
    lambda u, y, x, g, geometry: conv_input(g, u, geometry=geometry),
    lambda u, y, x, g, geometry: conv(x, u, geometry=geometry))
# fmt: on


def conv2d(x: Any, w: Any, *, stride: Any = 1, padding: Any = "same") -> Tensor:
    """2-D convolution (cross-correlation).

    x (.., N, H, W, C), w (.., h, w, C, O) -> (.., N, H', W', O).
    Leading axes broadcast: with w (T, h, w, C, O) every task has its own weights.
    stride: a number or a pair.
    padding: "same" (H' = ceil(H / stride), padded as TensorFlow pads: the odd row goes after),
    "valid", a number, or ((top, bottom), (left, right)).
    Raises ValueError for shapes, strides or paddings that don't fit.
    """
    return _conv2d(*promote("conv2d", (x, w)), stride, padding)


@float16_by_float32("conv2d")
def _conv2d(x: Tensor, w: Tensor, stride: Any, padding: Any) -> Tensor:
    if x.ndim < 4 or w.ndim < 4 or x.shape[-1] != w.shape[-2]:
        raise ValueError(
            f"conv2d: x {x.shape} and w {w.shape} do not fit: "
            "x is (.., N, H, W, C) and w (.., h, w, C, O) with the same C"
        )
    geometry = geometry_of("conv2d", x.shape[-3:-1], w.shape[-4:-2], stride, padding)
    x, w = broadcast_leading_axes("conv2d", x, w, 4)
    return conv(x, w, geometry=geometry)


def geometry_of(name: str, image: Any, kernel: Any, stride: Any, padding: Any) -> Geometry:
    """The Geometry of `stride` and `padding` as the caller of `name` wrote them.

    image: (H, W); kernel: (h, w). Raises ValueError for what does not fit.
    """
    stride, padding = pair_of(name, 1, stride=stride), padding_of(name, padding)
    if padding == "same":
        rows = _same_pad(image[0], kernel[0], stride[0])
        columns = _same_pad(image[1], kernel[1], stride[1])
        pads = rows, columns
    elif padding == "valid":
        pads = ((0, 0), (0, 0))
    else:
        pads = padding
    if max(*stride, *pads[0], *pads[1]) > _LARGEST:
        raise ValueError(f"{name}: stride {stride} or padding {pads} is larger than any image")
    geometry = Geometry(stride, pads, tuple(image), tuple(kernel))
    if min(geometry.kernel) < 1 or min(geometry.result) < 1:
        raise ValueError(
            f"{name}: a {kernel[0]}x{kernel[1]} window does not fit "
            f"a {image[0]}x{image[1]} image padded by {pads}: "
            "use a smaller window or padding='same'"
        )
    return geometry


def _same_pad(n: int, k: int, stride: int) -> tuple[int, int]:
    """(before, after) of an axis of size n for ceil(n / stride) places of a kernel of size k."""
    places = -(-n // stride)
    total = max((places - 1) * stride + k - n, 0)
    return total // 2, total - total // 2


def pair_of(name: str, least: int, **given: Any) -> tuple[int, int]:
    """A number or a pair of them, at least `least`, as a pair. Raises ValueError for another one.

    given: the argument by its name, for the error.
    """
    ((what, value),) = given.items()
    pair = (value, value) if is_whole(value) else value
    is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
    if not is_pair or not all(is_whole(n) and n >= least for n in pair):
        allowed = ', "same", "valid"' if what == "padding" else ""
        raise ValueError(
            f"{name}: {what} {shown(value)} is not a number >= {least}{allowed} or a pair of them"
        )
    first, second = pair
    return operator.index(first), operator.index(second)


def padding_of(name: str, padding: Any) -> str | tuple[tuple[int, int], tuple[int, int]]:
    """ "same", "valid" or ((top, bottom), (left, right)). Raises ValueError for another one."""
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding
    if isinstance(padding, (tuple, list)) and len(padding) == 2:
        rows, columns = padding
        return pair_of(name, 0, padding=rows), pair_of(name, 0, padding=columns)
    both = pair_of(name, 0, padding=padding)
    return both, both
