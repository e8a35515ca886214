"""Convolution with weights of its own for each task: y = conv(x, w).

x (.., N, H, W, C), w (.., h, w, C, O), y (.., N, H', W', O); leading axes, the tasks, are equal.
The number <g, conv(x, w)> is linear in x, w and g; conv and its two adjoints are its three partial
derivatives, so they name each other and every order of derivative is one of them again.
"""

import operator
from typing import NamedTuple

from ..core.checks import is_whole, shown
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from .matmul import broadcast_lead
from .promote import by_float32, promote

LARGEST = 2**31  # no image has as many rows


class Geometry(NamedTuple):
    """All that the three need to know besides their arrays; "same" and "valid" are numbers here."""

    stride: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]  # (before, after) of H, of W
    image: tuple[int, int]  # H, W
    kernel: tuple[int, int]  # h, w

    @property
    def result(self) -> tuple[int, int]:
        """H', W': how many places the kernel takes."""
        return tuple(
            (n + sum(pad) - k) // s + 1
            for n, k, s, pad in zip(self.image, self.kernel, self.stride, self.pads)
        )


def output_shape(x, w, geometry):
    return x.shape[:-3] + geometry.result + w.shape[-1:], x.dtype


def input_shape(g, w, geometry):
    return g.shape[:-3] + geometry.image + w.shape[-2:-1], g.dtype


def weight_shape(x, g, geometry):
    return x.shape[:-4] + geometry.kernel + (x.shape[-1], g.shape[-1]), g.dtype


def primitive(name, shape, first, second):
    return Primitive(name, shape=shape, vjps=(first, second), family="conv")


conv = primitive(
    "conv",
    output_shape,
    lambda u, y, x, w, geometry: conv_input(u, w, geometry=geometry),
    lambda u, y, x, w, geometry: conv_weight(x, u, geometry=geometry),
)

conv_input = primitive(
    "conv_input",
    input_shape,
    lambda u, y, g, w, geometry: conv(u, w, geometry=geometry),
    lambda u, y, g, w, geometry: conv_weight(u, g, geometry=geometry),
)

conv_weight = primitive(
    "conv_weight",
    weight_shape,
    lambda u, y, x, g, geometry: conv_input(g, u, geometry=geometry),
    lambda u, y, x, g, geometry: conv(x, u, geometry=geometry),
)


def conv2d(x, w, *, stride=1, padding="same") -> Tensor:
    """2-D convolution (cross-correlation).

    x (.., N, H, W, C), w (.., h, w, C, O) -> (.., N, H', W', O).
    Leading axes broadcast: with w (T, h, w, C, O) every task has its own weights.
    stride: a number or a pair.
    padding: "same" (H' = ceil(H / stride), padded as TensorFlow pads: the odd row goes after),
    "valid", a number, or ((top, bottom), (left, right)).
    Raises ValueError for shapes, strides or paddings that don't fit.
    """
    return convolved(*promote("conv2d", (x, w)), stride, padding)


@by_float32("conv2d")
def convolved(x, w, stride, padding) -> Tensor:
    if x.ndim < 4 or w.ndim < 4 or x.shape[-1] != w.shape[-2]:
        raise ValueError(
            f"conv2d: x {x.shape} and w {w.shape} do not fit: "
            "x is (.., N, H, W, C) and w (.., h, w, C, O) with the same C"
        )
    geometry = geometry_of("conv2d", x.shape[-3:-1], w.shape[-4:-2], stride, padding)
    x, w = broadcast_lead("conv2d", x, w, 4)
    return conv(x, w, geometry=geometry)


def geometry_of(name: str, image, kernel, stride, padding) -> Geometry:
    """Check and resolve what the caller wrote into numbers."""
    stride, padding = pair_of(name, 1, stride=stride), padding_of(name, padding)
    if padding == "same":
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(image, kernel, stride)]
        pads = tuple((t // 2, t - t // 2) for t in total)
    elif padding == "valid":
        pads = ((0, 0), (0, 0))
    else:
        pads = padding
    if max(*stride, *pads[0], *pads[1]) > LARGEST:
        raise ValueError(f"{name}: stride {stride} or padding {pads} is larger than any image")
    geometry = Geometry(stride, pads, tuple(image), tuple(kernel))
    if min(geometry.kernel) < 1 or min(geometry.result) < 1:
        raise ValueError(
            f"{name}: a {kernel[0]}x{kernel[1]} window does not fit "
            f"a {image[0]}x{image[1]} image padded by {pads}: "
            "use a smaller window or padding='same'"
        )
    return geometry


def pair_of(name: str, least: int, **given) -> tuple:
    """A number or a pair of them as a pair. Raises ValueError for what is neither."""
    ((what, value),) = given.items()
    pair = (value, value) if is_whole(value) else value
    if not (
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and all(is_whole(n) and n >= least for n in pair)
    ):
        allowed = ', "same", "valid"' if what == "padding" else ""
        raise ValueError(
            f"{name}: {what} {shown(value)} is not a number >= {least}{allowed} or a pair of them"
        )
    return tuple([operator.index(n) for n in pair])


def padding_of(name: str, padding) -> str | tuple:
    """ "same", "valid" or ((top, bottom), (left, right)). Raises ValueError for another one."""
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding
    if isinstance(padding, (tuple, list)) and len(padding) == 2:
        return tuple([pair_of(name, 0, padding=p) for p in padding])
    return (pair_of(name, 0, padding=padding),) * 2
