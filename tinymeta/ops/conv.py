"""Convolution with weights of its own for each task: y = conv(x, w).

x (.., N, H, W, C), w (.., h, w, C, O), y (.., N, H', W', O); leading axes, the tasks, are equal.
The number <g, conv(x, w)> is linear in x, w and g; conv and its two adjoints are its three partial
derivatives, so they name each other and every order of derivative is one of them again.
"""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.checks import is_whole, shown
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from .checks import ShapeDtype, is_pair
from .matmul import broadcast_leading_axes
from .promote import float16_by_float32, promote

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # (before, after) of H, of W

_LARGEST = 2**31  # no image has as many rows


class Geometry(NamedTuple):
    """The static metadata of the three primitives, in numbers even if it was "same" or "valid"."""

    stride: Pair
    pads: Pads
    image: Pair  # H, W
    kernel: Pair  # h, w

    @property
    def result(self) -> Pair:
        """H', W': how many places the kernel takes."""
        sizes = []
        for n, k, pad, stride in zip(self.image, self.kernel, self.pads, self.stride):
            last_place = n + sum(pad) - k  # where the window still ends inside the padded axis
            sizes.append(last_place // stride + 1)
        rows, columns = sizes
        return rows, columns


def _conv_shape(x: Any, w: Any, geometry: Geometry) -> ShapeDtype:
    *lead, _, _, _ = x.shape
    outputs = w.shape[-1]
    return (*lead, *geometry.result, outputs), x.dtype


def _conv_input_shape(g: Any, w: Any, geometry: Geometry) -> ShapeDtype:
    *lead, _, _, _ = g.shape
    channels = w.shape[-2]
    return (*lead, *geometry.image, channels), g.dtype


def _conv_weight_shape(x: Any, g: Any, geometry: Geometry) -> ShapeDtype:
    *tasks, _, _, _, channels = x.shape
    outputs = g.shape[-1]
    return (*tasks, *geometry.kernel, channels, outputs), g.dtype


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
    too_few_axes = x.ndim < 4 or w.ndim < 4
    if too_few_axes or x.shape[-1] != w.shape[-2]:
        raise ValueError(
            f"conv2d: x {x.shape} and w {w.shape} do not fit: "
            "x is (.., N, H, W, C) and w (.., h, w, C, O) with the same C"
        )
    image = x.shape[-3:-1]
    window = w.shape[-4:-2]
    geometry = geometry_of("conv2d", image, window, stride, padding)
    x, w = broadcast_leading_axes("conv2d", x, w, 4)
    return conv(x, w, geometry=geometry)


def geometry_of(name: str, image: Any, kernel: Any, stride: Any, padding: Any) -> Geometry:
    """The Geometry of `stride` and `padding` as the caller of `name` wrote them.

    image: (H, W); kernel: (h, w). Raises ValueError for what does not fit.
    """
    stride = pair_of(name, 1, stride=stride)
    padding = padding_of(name, padding)
    if padding == "same":
        rows, columns = map(_same_pad, image, kernel, stride)
        pads = (rows, columns)
    elif padding == "valid":
        pads = ((0, 0), (0, 0))
    else:
        pads = padding
    rows, columns = pads
    if max(*stride, *rows, *columns) > _LARGEST:
        raise ValueError(f"{name}: stride {stride} or padding {pads} is larger than any image")
    geometry = Geometry(stride, pads, tuple(image), tuple(kernel))
    if min(geometry.kernel) < 1 or min(geometry.result) < 1:
        raise ValueError(
            f"{name}: a {kernel[0]}x{kernel[1]} window does not fit "
            f"a {image[0]}x{image[1]} image padded by {pads}: "
            "use a smaller window or padding='same'"
        )
    return geometry


def _same_pad(n: int, k: int, stride: int) -> Pair:
    """(before, after) of an axis of size n for ceil(n / stride) places of a kernel of size k."""
    places = -(-n // stride)  # rounded up
    covered = (places - 1) * stride + k
    total = max(covered - n, 0)
    before = total // 2
    return before, total - before


def pair_of(name: str, least: int, **given: Any) -> Pair:
    """A number or a pair of them, at least `least`, as a pair. Raises ValueError for another one.

    given: the argument by its name, for the error.
    """
    ((what, value),) = given.items()
    pair = (value, value) if is_whole(value) else value
    if not is_pair(pair, least):
        allowed = ', "same", "valid"' if what == "padding" else ""
        raise ValueError(
            f"{name}: {what} {shown(value)} is not a number >= {least}{allowed} or a pair of them"
        )
    first, second = pair
    return operator.index(first), operator.index(second)


def padding_of(name: str, padding: Any) -> str | Pads:
    """ "same", "valid" or ((top, bottom), (left, right)). Raises ValueError for another one."""
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding
    if isinstance(padding, (tuple, list)) and len(padding) == 2:
        rows, columns = (pair_of(name, 0, padding=pads) for pads in padding)
        return rows, columns
    both = pair_of(name, 0, padding=padding)
    return both, both
