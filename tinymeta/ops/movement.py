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
    sizes = []
    for s, n in zip(slices, shape):
        chosen = range(*s.indices(n))
        sizes.append(len(chosen))
    return tuple(sizes)


def padded_shape(shape: Shape, widths: tuple) -> Shape:
    """widths: for each axis (zeros before, zeros after, zeros between two elements)."""
    sizes = []
    for n, width in zip(shape, widths):
        before, after, gap = width
        between = (n - 1) * gap if n else 0  # an empty axis has no elements to be between
        sizes.append(before + n + between + after)
    return tuple(sizes)


def _undo_slice(g: Tensor, shape: Shape, slices: tuple[slice, ...]) -> Tensor:
    """The adjoint of slicing an x of `shape`: each element back in its place, zeros elsewhere."""
    widths = []
    for n, m, s in zip(shape, g.shape, slices):
        start, _, step = s.indices(n)
        end = end_of_steps(start, step, m)
        after = n - end
        gap = step - 1
        widths.append((start, after, gap))
    return pad_p(g, widths=tuple(widths))


def end_of_steps(start: int, step: int, count: int) -> int:
    """One more than the last of `count` places, `step` apart, from `start` on; it, if none."""
    if count == 0:
        return start
    return start + (count - 1) * step + 1


def _undo_pad(g: Tensor, widths: tuple) -> Tensor:
    """The adjoint of padding: what stands where the elements of x were put."""
    slices = []
    for n, width in zip(g.shape, widths):
        before, after, gap = width
        end = n - after
        step = gap + 1
        slices.append(slice(before, end, step))
    return slice_p(g, slices=tuple(slices))


def _undo_transpose(g: Tensor, axes: Shape) -> Tensor:
    inverse = np.argsort(axes)
    return transpose_p(g, axes=tuple(inverse.tolist()))


def _undo_astype(g: Tensor, y: Tensor, x: Tensor) -> Tensor | None:
    """None to or from integers and bools: they have no derivative."""
    if y.dtype.kind == x.dtype.kind == "f":
        return astype_p(g, dtype=x.dtype)
    return None


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
    asked = _one_or_several("reshape", shape)
    sizes = asked
    known = size_of(n for n in asked if n != -1)
    if asked.count(-1) == 1 and known:
        place = asked.index(-1)
        rest = x.size // known
        sizes = (*asked[:place], rest, *asked[place + 1 :])
    has_unknown = min(sizes, default=0) < 0
    if has_unknown or size_of(sizes) != x.size:
        raise ValueError(
            f"reshape: {x.shape} has {x.size} elements and does not fit {asked}: "
            "the sizes must multiply to that number, and one of them may be -1"
        )
    return x if sizes == x.shape else reshape_p(x, shape=sizes)


def _one_or_several(name: str, given: tuple) -> Shape:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    is_one = len(given) == 1
    return as_sizes(name, given[0] if is_one else given)


def transpose(x: Any, *axes: Any) -> Tensor:
    """`x` with its axes in the order of `axes`, or reversed; each must be named once.

    Raises ValueError if one is not, or not there.
    """
    x = asarray(x)
    order = _one_or_several("transpose", axes)
    every_axis = list(range(x.ndim))
    if order:
        order = tuple(as_axis("transpose", a, x.ndim) for a in order)
    else:
        order = tuple(reversed(every_axis))
    if sorted(order) != every_axis:
        raise ValueError(f"transpose: axes {order} must name each axis of {x.shape} once")
    return transpose_p(x, axes=order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """`x` with axis1 and axis2 exchanged; ValueError for an axis that it has not."""
    x = asarray(x)
    i = as_axis("swapaxes", axis1, x.ndim)
    j = as_axis("swapaxes", axis2, x.ndim)
    order = list(range(x.ndim))
    order[i] = j
    order[j] = i
    return transpose_p(x, axes=tuple(order))


def matrix_transpose(x: Any) -> Tensor:
    """Each matrix transposed: (.., n, m) -> (.., m, n)."""
    return swapaxes(x, -1, -2)


def moveaxis(x: Any, source: int, destination: int) -> Tensor:
    """`x` with the axis `source` at the place `destination`, the others in their order.

    Raises ValueError for an axis that it has not.
    """
    x = asarray(x)
    to = as_axis("moveaxis", destination, x.ndim)
    moved = as_axis("moveaxis", source, x.ndim)
    order = list(range(x.ndim))
    order.remove(moved)
    order.insert(to, moved)
    return transpose_p(x, axes=tuple(order))


def expand_dims(x: Any, axis: int | tuple[int, ...]) -> Tensor:
    """`x` with new axes of size 1; axis: their places in the result, an int or a tuple."""
    x = asarray(x)
    new = len(axis) if isinstance(axis, (tuple, list)) else 1
    sizes = list(x.shape)
    for i in as_axes("expand_dims", axis, x.ndim + new):  # from the first on, so places stay right
        sizes.insert(i, 1)
    return reshape(x, tuple(sizes))


def squeeze(x: Any, axis: Axes = None) -> Tensor:
    """`x` without axes of size 1: all, or those named by `axis`; ValueError for other sizes."""
    x = asarray(x)
    if axis is None:
        return reshape(x, tuple(n for n in x.shape if n != 1))
    axes = as_axes("squeeze", axis, x.ndim)
    kept = []
    for i, n in enumerate(x.shape):
        if i not in axes:
            kept.append(n)
        elif n != 1:
            raise ValueError(
                f"squeeze: axis {i} of {x.shape} has size {n}, only axes of size 1 can go"
            )
    return reshape(x, tuple(kept))


def flip(x: Any, axis: Axes = None) -> Tensor:
    """The elements in reverse order along `axis` (an int, a tuple, None for all)."""
    x = asarray(x)
    return flip_p(x, axes=as_axes("flip", axis, x.ndim))


def astype(x: Any, dtype: Any) -> Tensor:
    """`x` in another dtype; the gradient comes back in x's own, and stops at integers.

    Raises TypeError for a dtype that tensors do not have.
    """
    x = asarray(x)
    dtype = as_dtype(dtype)
    return x if x.dtype == dtype else astype_p(x, dtype=dtype)
