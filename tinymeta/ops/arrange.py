"""Parts and copies of tensors: split and its family, repeat, tile, roll; vstack and its kind.

NumPy's names and meanings, composed of slices and indices. Nothing here computes, so the gradient
of each is the way back.
"""

from typing import Any

import numpy as np

from ..core.checks import is_whole, shown
from ..core.tensor import Tensor, asarray
from .broadcast import broadcast_to
from .checks import Shape, as_axis, as_shape, as_sizes, size_of
from .index import take
from .join import concatenate
from .movement import reshape
from .promote import promote_parts

# ---- parts --------------------------------------------------------------------------------------


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Equal parts of `x` along `axis`, a list of tensors.

    indices_or_sections: how many; or where all parts but the first begin, which then need not be
    equal. Raises ValueError if the axis is not divisible.
    """
    x = asarray(x)
    axis = as_axis("split", axis, x.ndim)
    if is_whole(indices_or_sections):
        (count,) = as_sizes("split", indices_or_sections)
        if count < 1 or x.shape[axis] % count:
            raise ValueError(
                f"split: axis {axis} of {x.shape} has no {shown(count)} equal parts: "
                "tm.array_split makes parts that differ by 1"
            )
    return _parts("split", x, indices_or_sections, axis)


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Parts of `x` along `axis` as in `split`; the first are larger by 1 if they cannot be equal.

    indices_or_sections: how many, or where all parts but the first begin.
    """
    x = asarray(x)
    return _parts("array_split", x, indices_or_sections, as_axis("array_split", axis, x.ndim))


def vsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """Equal parts of the rows of `x`; indices_or_sections as in `split`."""
    return split(x, indices_or_sections, 0)


def hsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """Equal parts of the columns of `x`, of a vector's elements; arguments as in `split`.

    indices_or_sections: how many, or where all parts but the first begin.
    """
    x = asarray(x)
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


def dsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """Equal parts of the third axis of `x`; indices_or_sections as in `split`."""
    return split(x, indices_or_sections, 2)


def _parts(name: str, x: Tensor, indices_or_sections: Any, axis: int) -> list[Tensor]:
    n = x.shape[axis]
    begins = as_sizes(name, indices_or_sections)
    if is_whole(indices_or_sections):
        (count,) = begins
        if count < 1:
            raise ValueError(f"{name}: {shown(count)} parts are less than one")
        as_shape(name, (count,))  # raises for more than any memory
        small, larger = divmod(n, count)
        begins = tuple([k * small + min(k, larger) for k in range(1, count)])
    starts = (0, *begins)
    stops = (*begins, n)
    return [slice_along(x, axis, start, stop) for start, stop in zip(starts, stops)]


# ---- copies -------------------------------------------------------------------------------------


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element `repeats` times, one after another, along `axis`; None: of the flattened x.

    repeats: a number, or one for each element of the axis. Raises ValueError for one below 0, or
    for as many as do not fit.
    """
    x = asarray(x)
    if axis is None:
        x, axis = reshape(x, -1 if x.size else 0), 0
    axis = as_axis("repeat", axis, x.ndim)
    n = x.shape[axis]
    counts = as_sizes("repeat", repeats)
    if min(counts, default=0) < 0 or len(counts) not in (1, n):
        raise ValueError(
            f"repeat: repeats {shown(repeats)} must be one number >= 0, or one for each of the "
            f"{n} elements of axis {axis}"
        )
    total = counts[0] * n if len(counts) == 1 else sum(counts)
    as_shape("repeat", (total, size_of(x.shape)))  # raises for more than any memory
    each = np.array(counts, np.int64)
    places = np.repeat(np.arange(n), each)
    return take(x, places, axis)


def tile(x: Any, reps: Any) -> Tensor:
    """`x` put together `reps` times along each axis.

    reps: a number, for the last axis, or one for each; as many axes as the longer of the two has.
    Raises ValueError for one below 0.
    """
    x = asarray(x)
    counts = as_shape("tile", reps)
    ndim = max(x.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    pairs = tuple([n for pair in zip(counts, shape) for n in pair])
    between = tuple([n for size in shape for n in (1, size)])
    copies = broadcast_to(reshape(x, between), as_shape("tile", pairs))
    sizes = [n * m for n, m in zip(counts, shape)]
    return reshape(copies, tuple(sizes))


def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """`x` moved by `shift` places along `axis`; what leaves at the end comes in at the beginning.

    axis: an int; a tuple, with a shift for each or one for all; None: along the flattened x.
    Raises ValueError for as many shifts as do not fit.
    """
    x = asarray(x)
    if axis is None:
        places = sum(as_sizes("roll", shift))
        flat = reshape(x, (x.size,))
        return reshape(_rolled(flat, places, 0), x.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = as_sizes("roll", shift)
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ValueError(f"roll: shift {shown(shift)} has not a number for each axis {shown(axis)}")
    each_axis = axes if len(axes) > 1 else (*axes,) * len(shifts)
    each_shift = shifts if len(shifts) > 1 else shifts * len(each_axis)
    for places, a in zip(each_shift, each_axis):
        x = _rolled(x, places, as_axis("roll", a, x.ndim))
    return x


def _rolled(x: Tensor, places: int, axis: int) -> Tensor:
    n = x.shape[axis]
    places = places % n if n else 0
    if not places:
        return x
    first = slice_along(x, axis, n - places, n)
    rest = slice_along(x, axis, 0, n - places)
    return concatenate([first, rest], axis)


def slice_along(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """x[start:stop] along an axis."""
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, stop)
    return x[tuple(index)]


# ---- side by side -------------------------------------------------------------------------------


def _at_least(ndim: int, x: Tensor) -> Tensor:
    """With leading axes of size 1, so that there are `ndim`."""
    shape: Shape = (1,) * (ndim - x.ndim) + x.shape
    return reshape(x, shape)


def vstack(xs: Any) -> Tensor:
    """The tensors `xs` below each other, vectors as rows."""
    return concatenate([_at_least(2, x) for x in promote_parts("vstack", xs)])


def hstack(xs: Any) -> Tensor:
    """The tensors `xs` beside each other: along the second axis, of vectors the only one."""
    parts = [_at_least(1, x) for x in promote_parts("hstack", xs)]
    are_vectors = not parts or parts[0].ndim == 1
    return concatenate(parts, 0 if are_vectors else 1)


def column_stack(xs: Any) -> Tensor:
    """The tensors `xs` beside each other, vectors as columns: (n, ..)."""
    parts = promote_parts("column_stack", xs)
    columns = [_as_column(x) for x in parts]
    return concatenate(columns, 1)


def _as_column(x: Tensor) -> Tensor:
    """(n,) -> (n, 1); matrices as they are."""
    return x if x.ndim > 1 else reshape(x, (x.size, 1))


def dstack(xs: Any) -> Tensor:
    """The tensors `xs` behind each other: along the third axis, of vectors (1, n, ..)."""
    parts = [_at_least(2, x) for x in promote_parts("dstack", xs)]
    layers = [x if x.ndim > 2 else reshape(x, (*x.shape, 1)) for x in parts]
    return concatenate(layers, 2)
