"""Convolutions with groups and dilation, in one dimension, and transposed: composed of conv.py's.

A group is a task: channels are split into a leading axis, along which weights differ. A dilated
kernel is one with zeros between its rows, which costs the products with them. A transposed
convolution is the adjoint of one, which is a primitive already.
"""

from typing import Any

from ..core.checks import check_whole
from ..core.tensor import Tensor, asarray
from . import conv
from .checks import as_shape
from .conv import Pair, conv_input, geometry_of, padding_of, pair_of
from .matmul import broadcast_leading_axes
from .movement import expand_dims, moveaxis, pad_p, padded_shape, reshape, squeeze
from .promote import float16_by_float32, promote


def conv2d(
    x: Any, w: Any, *, stride: Any = 1, padding: Any = "same", dilation: Any = 1, groups: int = 1
) -> Tensor:
    """2-D convolution (cross-correlation).

    x (.., N, H, W, C), w (.., h, w, C, O) -> (.., N, H', W', O).
    Leading axes broadcast: with w (T, h, w, C, O) every task has its own weights.
    stride: a number or a pair.
    padding: "same" (H' = ceil(H / stride), padded as TensorFlow pads: the odd row goes after),
    "valid", a number, or ((top, bottom), (left, right)).
    dilation: how far apart, in the image, two rows and two columns of the kernel are.
    groups: the channels are split in so many, each with its own outputs: w (.., h, w, C / G, O).
    Raises ValueError for shapes, strides or paddings that don't fit.
    """
    x, w = promote("conv2d", (x, w))
    check_whole("conv2d", groups=groups)
    kernels = _dilated("conv2d", w, pair_of("conv2d", 1, dilation=dilation))
    if groups == 1:
        return conv.conv2d(x, kernels, stride=stride, padding=padding)
    if not _fit_groups(x, w, groups):
        raise ValueError(
            f"conv2d: x {x.shape} and w {w.shape} do not fit {groups} groups: x is (.., N, H, W, "
            "C) and w (.., h, w, C / groups, O), C and O divisible by groups"
        )
    inside, outputs = w.shape[-2:]
    x_groups = reshape(x, (*x.shape[:-1], groups, inside))
    w_groups = reshape(kernels, (*kernels.shape[:-1], groups, outputs // groups))
    y = conv.conv2d(
        moveaxis(x_groups, -2, -5), moveaxis(w_groups, -2, -5), stride=stride, padding=padding
    )  # (.., G, N, H', W', O / G)
    together = moveaxis(y, -5, -2)
    return reshape(together, (*together.shape[:-2], outputs))


def _fit_groups(x: Tensor, w: Tensor, groups: int) -> bool:
    """Can x (.., N, H, W, C) and w (.., h, w, C / groups, O) be split into so many groups?"""
    if x.ndim < 4 or w.ndim < 4:
        return False
    inside, outputs = w.shape[-2:]
    return x.shape[-1] == inside * groups and outputs % groups == 0


def _dilated(name: str, w: Tensor, dilation: Pair) -> Tensor:
    """Kernels (.., h, w, C, O) with zeros between rows and columns."""
    if dilation == (1, 1) or w.ndim < 4:
        return w
    kept = [(0, 0, 0)] * (w.ndim - 4)
    rows, columns = ((0, 0, gap - 1) for gap in dilation)
    widths = (*kept, rows, columns, (0, 0, 0), (0, 0, 0))
    as_shape(name, padded_shape(w.shape, widths))  # raises for one larger than any memory
    return pad_p(w, widths=widths)


def conv1d(
    x: Any, w: Any, *, stride: int = 1, padding: Any = "same", dilation: int = 1, groups: int = 1
) -> Tensor:
    """1-D convolution: x (.., N, L, C), w (.., k, C, O) -> (.., N, L', O); an image of one row.

    stride, dilation: numbers; padding: "same", "valid", a number or (before, after); groups as in
    conv2d, which says what it raises.
    """
    x, w = promote("conv1d", (x, w))
    if x.ndim < 3 or w.ndim < 3:
        raise ValueError(f"conv1d: x {x.shape} is (.., N, L, C) and w {w.shape} (.., k, C, O)")
    check_whole("conv1d", stride=stride, dilation=dilation)
    if not isinstance(padding, str):
        padding = ((0, 0), pair_of("conv1d", 0, padding=padding))
    y = conv2d(
        expand_dims(x, -3),
        expand_dims(w, -4),
        stride=(1, stride),
        padding=padding,
        dilation=(1, dilation),
        groups=groups,
    )
    return squeeze(y, -3)


def conv_transpose2d(
    x: Any,
    w: Any,
    *,
    stride: Any = 1,
    padding: Any = "valid",
    dilation: Any = 1,
    output_padding: Any = 0,
) -> Tensor:
    """What conv2d(.., w) makes x of, undone in shape: its adjoint, a convolution with holes in x.

    x (.., N, H, W, C), w (.., h, w, O, C) -> (.., N, H', W', O), leading axes as in conv2d.
    padding: "same" (H' = H stride), or what is cut off: "valid" (H' = (H - 1) stride + h), a
    number, or pairs. output_padding: rows and columns more, behind, fewer than the stride.
    Raises ValueError for what does not fit.
    """
    x, w = promote("conv_transpose2d", (x, w))
    if x.ndim < 4 or w.ndim < 4 or x.shape[-1] != w.shape[-1]:
        raise ValueError(
            f"conv_transpose2d: x {x.shape} and w {w.shape} do not fit: x is (.., N, H, W, C) and "
            "w (.., h, w, O, C) with the same C"
        )
    name = "conv_transpose2d"
    w = _dilated(name, w, pair_of(name, 1, dilation=dilation))
    steps = pair_of(name, 1, stride=stride)
    more = pair_of(name, 0, output_padding=output_padding)
    pads = padding_of(name, padding)
    if more[0] >= steps[0] or more[1] >= steps[1]:
        raise ValueError(f"{name}: output_padding {more} must be less than the stride {steps}")
    places = x.shape[-3:-1]
    kernel = w.shape[-4:-2]
    image = []
    for k, (n, step) in enumerate(zip(places, steps)):
        whole = (n - 1) * step + kernel[k]  # before anything is cut off
        if isinstance(pads, str):
            size = n * step if pads == "same" else whole
        else:
            size = whole - sum(pads[k])
        image.append(size + more[k])
    if min(*image, *places) < 1:
        raise ValueError(f"{name}: the padding {padding} leaves nothing of {places} places")
    as_shape(name, (*image, w.shape[-2]))  # raises for more than the memory
    geometry = geometry_of(name, image, kernel, steps, pads)
    if geometry.result != places:
        raise ValueError(f"{name}: no image of {image} has {places} places: pad less")
    return _transposed(x, w, geometry)


@float16_by_float32("conv_transpose2d")
def _transposed(x: Tensor, w: Tensor, geometry: Any) -> Tensor:
    x, w = broadcast_leading_axes("conv_transpose2d", asarray(x), w, 4)
    return conv_input(x, w, geometry=geometry)
