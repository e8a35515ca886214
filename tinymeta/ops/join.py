"""Putting tensors together: concatenate, stack, and pad with a value.

The derivative of concatenate is a slice for each input, that of a slice is pad (movement.py).
"""

from typing import Any

import numpy as np

from ..core.checks import is_whole, shown
from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from .broadcast import without
from .checks import ShapeDtype, as_axis, as_shape, is_pair
from .elementwise import where
from .movement import expand_dims, pad_p, padded_shape, slice_p
from .promote import promote_parts


def _concatenated_shape(*xs: Any, axis: int) -> ShapeDtype:
    first = xs[0]
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return tuple(shape), first.dtype


def _cotangent_of_part(i: int, g: Tensor, y: Tensor, *xs: Tensor, axis: int) -> Tensor:
    """The slice of g where the i-th input stands in the result."""
    start = sum(x.shape[axis] for x in xs[:i])
    stop = start + xs[i].shape[axis]
    slices = [slice(0, n, 1) for n in g.shape]
    slices[axis] = slice(start, stop, 1)
    return slice_p(g, slices=tuple(slices))


concatenate_p = Primitive(
    "concatenate", shape=_concatenated_shape, vjps=_cotangent_of_part, family="movement"
)


def concatenate(xs: Any, axis: int = 0) -> Tensor:
    """The tensors `xs` one after another along `axis`; all other sizes and the dtypes must agree.

    Raises ValueError for sizes that differ or no tensor, TypeError for float32 beside float64.
    """
    xs = promote_parts("concatenate", xs)
    shapes = [x.value.shape for x in xs]
    if not xs or () in shapes:
        raise ValueError(
            "concatenate needs at least one tensor, and none of them 0-d: use tm.stack for those"
        )
    axis = as_axis("concatenate", axis, len(shapes[0]))
    other_sizes = {without(shape, (axis,)) for shape in shapes}
    if len(other_sizes) > 1:
        raise ValueError(f"concatenate: the shapes {shapes} differ outside axis {axis}")
    return concatenate_p(*xs, axis=axis)


def stack(xs: Any, axis: int = 0) -> Tensor:
    """The tensors `xs`, of one shape, side by side along a new `axis`; ValueError for others."""
    xs = promote_parts("stack", xs)
    shapes = [x.shape for x in xs]
    if len(set(shapes)) != 1:
        raise ValueError(f"stack needs at least one tensor, equal shapes: {shapes}")
    new_axis = as_axis("stack", axis, len(shapes[0]) + 1)
    parts = [expand_dims(x, new_axis) for x in xs]
    return concatenate(parts, axis)


def pad(x: Any, widths: Any, value: Any = 0.0) -> Tensor:
    """`x` with `widths` elements of `value` around it.

    widths: a number, or a (before, after) pair for each axis; ValueError for others.
    """
    x = asarray(x)
    pairs = widths
    if is_whole(widths):
        pairs = [(widths, widths)] * x.ndim
    is_listed = isinstance(pairs, (tuple, list)) and len(pairs) == x.ndim
    if not is_listed or not all(map(is_pair, pairs)):
        raise ValueError(
            f"pad: widths {shown(widths)} must give one (before, after) pair of sizes >= 0 "
            f"for each of the {x.ndim} axes of {x.shape}"
        )
    no_gap = 0
    full_widths = tuple((int(before), int(after), no_gap) for before, after in pairs)
    as_shape("pad", padded_shape(x.shape, full_widths))  # raises for one larger than any memory
    if isinstance(value, (int, float)) and value == 0:
        return pad_p(x, widths=full_widths)
    everywhere = np.ones(x.shape, bool)
    inside = pad_p(everywhere, widths=full_widths)
    padded = pad_p(x, widths=full_widths)
    return where(inside, padded, value)
