"""Moving elements without computing: each operation's derivative is its inverse or its partner.

reshape <-> reshape, transpose <-> transpose, flip <-> flip, slice <-> pad, astype <-> astype.

A name that ends in `_p` is a primitive; the public function of the same name checks its arguments
and calls it. broadcast_to, whose partner is sum, is in broadcast.py; what puts several tensors
together, concatenate and stack, in join.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.checks import as_dtype
from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from .checks import Axes, Shape, as_axes, as_axis, as_sizes, size_of

# ---- the primitives -----------------------------------------------------------------------------


def _sliced_shape(shape: Shape, slices: tuple[slice, ...]) -> Shape:
    return tuple(len(range(*s.indices(n))) for s, n in zip(slices, shape))


def padded_shape(shape: Shape, widths: tuple) -> Shape:
    """widths: for each axis (zeros before, zeros after, zeros between two elements)."""
    sizes = []
    for n, (before, after, gap) in zip(shape, widths):
        between = (n - 1) * gap if n else 0
        sizes.append(before + n + between + after)
    return tuple(sizes)


def _undo_slice(g: Tensor, shape: Shape, slices: tuple[slice, ...]) -> Tensor:
    """The adjoint of slicing an x of `shape`: each element back in its place, zeros elsewhere."""
    widths = []
    for n, m, s in zip(shape, g.shape, slices):
        start, _, step = s.indices(n)
        end = start + (m - 1) * step + 1 if m else start
        widths.append((start, n - end, step - 1))
    return pad_p(g, widths=tuple(widths))


def _undo_pad(g: Tensor, widths: tuple) -> Tensor:
    """The adjoint of padding: what stands where the elements of x were put."""
    slices = []
    for n, (before, after, gap) in zip(g.shape, widths):
        slices.append(slice(before, n - after, gap + 1))
    return slice_p(g, slices=tuple(slices))


def _undo_transpose(g: Tensor, axes: tuple[int, ...]) -> Tensor:
    return transpose_p(g, axes=tuple(np.argsort(axes).tolist()))


def _undo_astype(g: Tensor, y: Tensor, x: Tensor) -> Tensor | None:
    """None to or from integers and bools: they have no derivative."""
    return astype_p(g, dtype=x.dtype) if y.dtype.kind == x.dtype.kind == "f" else None


def _primitive(name: str, shape: Callable, rule: Callable, view: bool = True) -> Primitive:
    return Primitive(name, shape=shape, vjps=(rule,), family="movement", view=view)


# fmt: off
# Declared first, as rules name them before they are assigned.
reshape_p: Primitive
flip_p: Primitive

#                          name         (shape, dtype) of the result                derivative rule
reshape_p   = _primitive("reshape",     lambda x, shape: (shape, x.dtype),
                                        lambda g, y, x, shape: reshape_p(g, shape=x.shape))
transpose_p = _primitive("transpose",   lambda x, axes: (tuple(x.shape[i] for i in axes), x.dtype),
                                        lambda g, y, x, axes: _undo_transpose(g, axes))
flip_p      = _primitive("flip",        lambda x, axes: (x.shape, x.dtype),
                                        lambda g, y, x, axes: flip_p(g, axes=axes))
slice_p     = _primitive("slice",       lambda x, slices: (_sliced_shape(x.shape, slices), x.dtype),
                                        lambda g, y, x, slices: _undo_slice(g, x.shape, slices))
pad_p       = _primitive("pad",         lambda x, widths: (padded_shape(x.shape, widths), x.dtype),
                                        lambda g, y, x, widths: _undo_pad(g, widths), view=False)
astype_p    = _primitive("astype",      lambda x, dtype: (x.shape, dtype),
                                        lambda g, y, x, dtype: _undo_astype(g, y, x), view=False)
# fmt: on

# ---- the public functions -----------------------------------------------------------------------


def reshape(x: Any, *shape: Any) -> Tensor:
    """The same elements, in row-major order, in another shape; one size may be -1.

    shape: sizes, or a tuple of them. Raises ValueError if they do not multiply to the size of `x`.
    """
    x = asarray(x)
    asked = as_sizes("reshape", shape[0] if len(shape) == 1 else shape)
    sizes = asked
    known = size_of([n for n in asked if n != -1])
    if asked.count(-1) == 1 and known:
        sizes = tuple(x.size // known if n == -1 else n for n in asked)
    if min(sizes, default=0) < 0 or size_of(sizes) != x.size:
        raise ValueError(
            f"reshape: {x.shape} has {x.size} elements and does not fit {asked}: "
            "the sizes must multiply to that number, and one of them may be -1"
        )
    return x if sizes == x.shape else reshape_p(x, shape=sizes)


def transpose(x: Any, *axes: Any) -> Tensor:
    """`x` with its axes in the order of `axes`, or reversed; each must be named once.

    Raises ValueError if one is not, or not there.
    """
    x = asarray(x)
    order = as_sizes("transpose", axes[0] if len(axes) == 1 else axes)
    if order:
        order = tuple(as_axis("transpose", a, x.ndim) for a in order)
    else:
        order = tuple(reversed(range(x.ndim)))
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {order} must name each axis of {x.shape} once")
    return transpose_p(x, axes=order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """`x` with axis1 and axis2 exchanged; ValueError for an axis that it has not."""
    x = asarray(x)
    order = list(range(x.ndim))
    i, j = as_axis("swapaxes", axis1, x.ndim), as_axis("swapaxes", axis2, x.ndim)
    order[i], order[j] = order[j], order[i]
    return transpose_p(x, axes=tuple(order))


def moveaxis(x: Any, source: int, destination: int) -> Tensor:
    """`x` with the axis `source` at the place `destination`, the others in their order.

    Raises ValueError for an axis that it has not.
    """
    x = asarray(x)
    to = as_axis("moveaxis", destination, x.ndim)
    order = list(range(x.ndim))
    moved = order.pop(as_axis("moveaxis", source, x.ndim))
    order.insert(to, moved)
    return transpose_p(x, axes=tuple(order))


def expand_dims(x: Any, axis: int | tuple[int, ...]) -> Tensor:
    """`x` with new axes of size 1; axis: their places in the result, an int or a tuple."""
    x = asarray(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes = as_axes("expand_dims", axis, ndim)
    sizes = iter(x.shape)
    return reshape(x, tuple(1 if i in axes else next(sizes) for i in range(ndim)))


def squeeze(x: Any, axis: Axes = None) -> Tensor:
    """`x` without axes of size 1: all, or those named by `axis`; ValueError for other sizes."""
    x = asarray(x)
    if axis is None:
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1)
    else:
        axes = as_axes("squeeze", axis, x.ndim)
    for i in axes:
        if x.shape[i] != 1:
            raise ValueError(
                f"squeeze: axis {i} of {x.shape} has size {x.shape[i]}, only axes of size 1 can go"
            )
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def flip(x: Any, axis: Axes = None) -> Tensor:
    """The elements in reverse order along `axis` (an int, a tuple, None for all)."""
    x = asarray(x)
    return flip_p(x, axes=as_axes("flip", axis, x.ndim))


def astype(x: Any, dtype: Any) -> Tensor:
    """`x` in another dtype; the gradient comes back in x's own, and stops at integers.

    Raises TypeError for a dtype that tensors do not have.
    """
    x, dtype = asarray(x), as_dtype(dtype)
    return x if x.dtype == dtype else astype_p(x, dtype=dtype)


# ---- indexing -----------------------------------------------------------------------------------


def getitem(x: Tensor, index: Any) -> Tensor:
    """Basic indexing with integers, slices, None and `...`.

    For index arrays there are take and take_along_axis. Raises TypeError for those, IndexError for
    an integer out of range or too many parts.
    """
    index = _full_index(x, index if isinstance(index, tuple) else (index,))
    slices: list[slice] = []  # one for each axis of x, all upwards
    flips: list[int] = []  # the axes whose slice was downwards
    shape: list[int] = []  # of the result
    for part in index:
        axis = len(slices)
        if part is None:
            shape.append(1)
        elif isinstance(part, slice):
            upward, is_flipped = _upward(part, x.shape[axis])
            slices.append(upward)
            shape.append(len(range(upward.start, upward.stop, upward.step)))
            if is_flipped:
                flips.append(axis)
        else:
            slices.append(_at_position(part, axis, x.shape))
    is_whole_axis = [s == slice(0, n, 1) for s, n in zip(slices, x.shape)]
    if not all(is_whole_axis):
        x = slice_p(x, slices=tuple(slices))
    if flips:
        x = flip_p(x, axes=tuple(flips))
    return reshape(x, tuple(shape))


def _full_index(x: Tensor, index: tuple) -> tuple:
    """The index with a part for each axis of x: whole slices for `...`, or at the end."""
    for part in index:
        basic = part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer))
        if not basic or isinstance(part, (bool, np.bool_)):
            raise TypeError(
                "a tensor is indexed with integers, slices, None and ..., "
                f"not {type(part).__name__}: use tm.take or tm.take_along_axis "
                "for index arrays and tm.where for masks"
            )
    dots = [k for k, part in enumerate(index) if part is Ellipsis]
    named = sum(part is not None and part is not Ellipsis for part in index)
    if named > x.ndim or len(dots) > 1:
        raise IndexError(f"the index {index} has too many parts for a tensor of shape {x.shape}")
    place = dots[0] if dots else len(index)
    return index[:place] + (slice(None),) * (x.ndim - named) + index[place + 1 :]


def _upward(part: slice, n: int) -> tuple[slice, bool]:
    """(slice with numbers and a positive step, whether its elements are then to be flipped)."""
    start, stop, step = part.indices(n)
    length = len(range(start, stop, step))
    is_downward = step < 0
    if is_downward:
        start, step = start + (length - 1) * step, -step
    stop = start + (length - 1) * step + 1 if length else start
    return slice(start, stop, step), is_downward


def _at_position(i: int, axis: int, shape: Shape) -> slice:
    """The slice of the one element `i`, negative from the end; IndexError if it is not there."""
    n = shape[axis]
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range for axis {axis} of size {n} (shape {shape})")
    position = int(i) % n
    return slice(position, position + 1, 1)
