"""Moving elements without computing: each operation's derivative is its inverse or its partner.

reshape <-> reshape, transpose <-> transpose, flip <-> flip, slice <-> pad, concatenate -> slices,
broadcast_to <-> sum (reduce.py), astype <-> astype.
"""

import numpy as np

from ..core.checks import as_dtype, is_whole, shown
from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from . import elementwise, promote, reduce
from .checks import as_axes, as_axis, as_shape, as_sizes, is_pair, size_of


def primitive(name, shape, vjps, view=True):
    return Primitive(name, shape=shape, vjps=vjps, family="movement", view=view)


# ---- the primitives -----------------------------------------------------------------------------

reshape_to = primitive(
    "reshape",
    lambda x, shape: (shape, x.dtype),
    (lambda g, y, x, shape: reshape_to(g, shape=x.shape),),
)

permute = primitive(
    "transpose",
    lambda x, axes: (tuple(x.shape[i] for i in axes), x.dtype),
    (lambda g, y, x, axes: permute(g, axes=tuple(np.argsort(axes).tolist())),),
)

spread = primitive(
    "broadcast_to",
    lambda x, shape: (shape, x.dtype),
    (lambda g, y, x, shape: reduce.sum_to(g, x.shape),),
)

reverse = primitive(
    "flip", lambda x, axes: (x.shape, x.dtype), (lambda g, y, x, axes: reverse(g, axes=axes),)
)

cut = primitive(
    "slice",
    lambda x, slices: (cut_shape(x.shape, slices), x.dtype),
    (lambda g, y, x, slices: pad_cut(g, x.shape, slices),),
)

widen = primitive(
    "pad",
    lambda x, widths: (padded_shape(x.shape, widths), x.dtype),
    (
        lambda g, y, x, widths: cut(
            g, slices=tuple(slice(lo, n - hi, gap + 1) for n, (lo, hi, gap) in zip(g.shape, widths))
        ),
    ),
    view=False,
)

convert = primitive(
    "astype",
    lambda x, dtype: (x.shape, dtype),
    # None: integers and bools do not move when what they were made of does
    (
        lambda g, y, x, dtype: (
            convert(g, dtype=x.dtype) if y.dtype.kind == x.dtype.kind == "f" else None
        ),
    ),
    view=False,
)


def joined_shape(*xs, axis):
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return tuple(shape), xs[0].dtype


def joined_part(i, g, y, *xs, axis):
    start = sum(x.shape[axis] for x in xs[:i])
    part = [slice(0, n, 1) for n in g.shape]
    part[axis] = slice(start, start + xs[i].shape[axis], 1)
    return cut(g, slices=tuple(part))


join = primitive("concatenate", joined_shape, joined_part, view=False)


def pad_cut(g, shape, slices):
    """The adjoint of slicing: each element back to where it came from, zeros elsewhere."""
    widths = []
    for n, m, c in zip(shape, g.shape, slices):
        start, _, step = c.indices(n)
        end = start + (m - 1) * step + 1 if m else start
        widths.append((start, n - end, step - 1))
    return widen(g, widths=tuple(widths))


def cut_shape(shape, slices):
    return tuple(len(range(*c.indices(n))) for c, n in zip(slices, shape))


def padded_shape(shape, widths):
    return tuple(
        lo + hi + (n + (n - 1) * gap if n else 0) for n, (lo, hi, gap) in zip(shape, widths)
    )


# ---- the public functions -----------------------------------------------------------------------


def reshape(x, *shape) -> Tensor:
    """The same elements, in row-major order, in another shape; one size may be -1.

    shape: sizes, or a tuple of them. Raises ValueError if they do not multiply to the size of `x`.
    """
    x = asarray(x)
    shape = asked = as_sizes("reshape", shape[0] if len(shape) == 1 else shape)
    known = size_of([n for n in shape if n != -1])
    if shape.count(-1) == 1 and known:
        shape = tuple(x.size // known if n == -1 else n for n in shape)
    if min(shape, default=0) < 0 or size_of(shape) != x.size:
        raise ValueError(
            f"reshape: {x.shape} has {x.size} elements and does not fit {asked}: "
            "the sizes must multiply to that number, and one of them may be -1"
        )
    return x if shape == x.shape else reshape_to(x, shape=shape)


def transpose(x, *axes) -> Tensor:
    """`x` with its axes in the order of `axes`, or reversed; each must be named once."""
    x = asarray(x)
    axes = as_sizes("transpose", axes[0] if len(axes) == 1 else axes)
    axes = (
        tuple(as_axis("transpose", a, x.ndim) for a in axes)
        if axes
        else tuple(reversed(range(x.ndim)))
    )
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {axes} must name each axis of {x.shape} once")
    return permute(x, axes=axes)


def swapaxes(x, axis1: int, axis2: int) -> Tensor:
    """`x` with axis1 and axis2 exchanged; ValueError for an axis that it has not."""
    x = asarray(x)
    order = list(range(x.ndim))
    i, j = as_axis("swapaxes", axis1, x.ndim), as_axis("swapaxes", axis2, x.ndim)
    order[i], order[j] = order[j], order[i]
    return permute(x, axes=tuple(order))


def moveaxis(x, source: int, destination: int) -> Tensor:
    """`x` with the axis `source` at the place `destination`, the others in their order."""
    x = asarray(x)
    order = list(range(x.ndim))
    order.insert(
        as_axis("moveaxis", destination, x.ndim), order.pop(as_axis("moveaxis", source, x.ndim))
    )
    return permute(x, axes=tuple(order))


def expand_dims(x, axis) -> Tensor:
    """`x` with new axes of size 1; axis: their places in the result, an int or a tuple."""
    x = asarray(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    sizes, axes = iter(x.shape), as_axes("expand_dims", axis, ndim)
    return reshape(x, tuple(1 if i in axes else next(sizes) for i in range(ndim)))


def squeeze(x, axis=None) -> Tensor:
    """`x` without axes of size 1: all, or those named by `axis`; ValueError for other sizes."""
    x = asarray(x)
    axes = (
        [i for i, n in enumerate(x.shape) if n == 1]
        if axis is None
        else as_axes("squeeze", axis, x.ndim)
    )
    for i in axes:
        if x.shape[i] != 1:
            raise ValueError(
                f"squeeze: axis {i} of {x.shape} has size {x.shape[i]}, only axes of size 1 can go"
            )
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def broadcast_to(x, shape) -> Tensor:
    """`x` repeated along new leading axes and axes of size 1 to `shape`; ValueError if it fails."""
    x, shape = asarray(x), as_shape("broadcast_to", shape)
    if x.shape == shape:
        return x
    trailing = zip(x.shape[::-1], shape[::-1])
    if len(x.shape) > len(shape) or any(n not in (1, m) for n, m in trailing):
        raise ValueError(
            f"broadcast_to: {x.shape} does not broadcast to {shape}: "
            "trailing axes must be equal or 1"
        )
    return spread(x, shape=shape)


def flip(x, axis=None) -> Tensor:
    """The elements in reverse order along `axis` (an int, a tuple, None for all)."""
    x = asarray(x)
    return reverse(x, axes=as_axes("flip", axis, x.ndim))


def astype(x, dtype) -> Tensor:
    """`x` in another dtype; the gradient comes back in x's own, and stops at integers."""
    x, dtype = asarray(x), as_dtype(dtype)
    return x if x.dtype == dtype else convert(x, dtype=dtype)


def pad(x, widths, value: float = 0.0) -> Tensor:
    """`x` with `widths` elements of `value` around it.

    widths: a number, or a (before, after) pair for each axis; ValueError for others.
    """
    x = asarray(x)
    pairs = [(widths, widths)] * x.ndim if is_whole(widths) else widths
    if not isinstance(pairs, (tuple, list)) or len(pairs) != x.ndim or not all(map(is_pair, pairs)):
        raise ValueError(
            f"pad: widths {shown(widths)} must give one (before, after) pair of sizes >= 0 "
            f"for each of the {x.ndim} axes of {x.shape}"
        )
    full = tuple((int(lo), int(hi), 0) for lo, hi in pairs)
    as_shape("pad", padded_shape(x.shape, full))
    if isinstance(value, (int, float)) and value == 0:
        return widen(x, widths=full)
    inside = widen(np.ones(x.shape, bool), widths=full)
    return elementwise.where(inside, widen(x, widths=full), value)


def concatenate(xs, axis: int = 0) -> Tensor:
    """The tensors `xs` one after another along `axis`; all other sizes and the dtypes must agree.

    Raises ValueError for sizes that differ or no tensor, TypeError for float32 beside float64.
    """
    xs = promote.parts("concatenate", xs)
    shapes = [x.value.shape for x in xs]
    if not xs or () in shapes:
        raise ValueError(
            "concatenate needs at least one tensor, and none of them 0-d: use tm.stack for those"
        )
    axis = as_axis("concatenate", axis, len(shapes[0]))
    others = [shape[:axis] + shape[axis + 1 :] for shape in shapes]
    if any(sizes != others[0] for sizes in others):
        raise ValueError(f"concatenate: the shapes {shapes} differ outside axis {axis}")
    return join(*xs, axis=axis)


def stack(xs, axis: int = 0) -> Tensor:
    """The tensors `xs`, of one shape, side by side along a new `axis`; ValueError for others."""
    xs = promote.parts("stack", xs)
    if len({x.shape for x in xs}) != 1:
        raise ValueError(f"stack needs at least one tensor, equal shapes: {[x.shape for x in xs]}")
    return concatenate([expand_dims(x, as_axis("stack", axis, x.ndim + 1)) for x in xs], axis)


def getitem(x: Tensor, index) -> Tensor:
    """Basic indexing with integers, slices, None and `...`.

    For index arrays there are take and take_along_axis.
    """
    index = index if isinstance(index, tuple) else (index,)
    for i in index:
        basic = i is None or i is Ellipsis or isinstance(i, (slice, int, np.integer))
        if not basic or isinstance(i, (bool, np.bool_)):
            raise TypeError(
                "a tensor is indexed with integers, slices, None and ..., "
                f"not {type(i).__name__}: use tm.take or tm.take_along_axis "
                "for index arrays and tm.where for masks"
            )
    named = sum(i is not None and i is not Ellipsis for i in index)
    if named > x.ndim or sum(i is Ellipsis for i in index) > 1:
        raise IndexError(f"the index {index} has too many parts for a tensor of shape {x.shape}")
    dots = next((k for k, i in enumerate(index) if i is Ellipsis), len(index))
    index = index[:dots] + (slice(None),) * (x.ndim - named) + index[dots + 1 :]
    slices, flips, shape, axis = [], [], [], 0
    for i in index:
        if i is None:
            shape.append(1)
            continue
        n = x.shape[axis]
        if isinstance(i, slice):
            start, stop, step = i.indices(n)
            length = len(range(start, stop, step))
            if step < 0:  # a downward slice is an upward one, flipped
                flips.append(axis)
                start, step = start + (length - 1) * step, -step
            slices.append(slice(start, start + (length - 1) * step + 1 if length else start, step))
            shape.append(length)
        else:
            if not -n <= i < n:
                raise IndexError(
                    f"index {i} is out of range for axis {axis} of size {n} (shape {x.shape})"
                )
            slices.append(slice(int(i) % n, int(i) % n + 1, 1))
        axis += 1
    if any(c != slice(0, n, 1) for c, n in zip(slices, x.shape)):
        x = cut(x, slices=tuple(slices))
    if flips:
        x = reverse(x, axes=tuple(flips))
    return reshape(x, tuple(shape))
