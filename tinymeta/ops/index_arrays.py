"""Index arrays and masks in x[...], as NumPy has them: basic indexing, then one `take`.

    x[1:, i, j]      slices first; then the axes of i and j become one, of which `take` picks places
    x[mask]          the places where the mask is true, as index arrays: their number is a value, so
                     a mask has to be known, which an argument of a traced function is not

Index arrays broadcast with each other, and integers beside them; their axes stand where they stood
in the index, or first if slices are between them. Cost: that of `take`.
"""

from typing import Any

import numpy as np

from ..core.checks import check_whole, is_array, is_whole
from ..core.tensor import Tensor, asarray
from . import indexing
from .checks import Shape, as_axis, as_shape, size_of
from .elementwise import add, mul
from .index import checked_indices, scatter_add_p, take
from .movement import reshape, transpose
from .promote import float16_by_float32

_NAME = "x[index]"  # for errors


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] with integers, slices, None, `...`, integer arrays and known masks.

    Raises TypeError for other parts, and for a mask whose values are not known while a function is
    traced; IndexError for what is out of range or does not fit.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if not any(_is_array_index(part) for part in parts):
        return indexing.getitem(x, index)
    parts = tuple([_as_index(part) for part in parts])
    full, places, are_apart = _separated(x, parts)
    x = indexing.getitem(x, full)
    axes = [axis for axis, _ in places]
    try:
        picked_shape = np.broadcast_shapes(*(i.shape for _, i in places))
    except ValueError:
        shapes = " and ".join(str(i.shape) for _, i in places)
        raise IndexError(f"{_NAME}: the index arrays {shapes} do not broadcast") from None
    first = 0 if are_apart else axes[0]
    others = [axis for axis in range(x.ndim) if axis not in axes]
    sizes = [x.shape[axis] for axis in axes]
    before = others[:first]
    after = others[first:]
    ordered = transpose(x, (*before, *axes, *after))
    before_sizes = [x.shape[axis] for axis in before]
    after_sizes = [x.shape[axis] for axis in after]
    flat = reshape(ordered, (*before_sizes, size_of(sizes), *after_sizes))
    return take(flat, _flat_places(places, sizes, picked_shape), first)


def _is_array_index(part: Any) -> bool:
    """Is it an index array or a mask: no integer, slice, None or `...`?"""
    if isinstance(part, (list, tuple)):
        return True
    is_boolean = isinstance(part, (bool, np.bool_))
    return is_array(part) and not is_boolean and not isinstance(part, np.integer)


def _as_index(part: Any) -> Any:
    """An index array as a tensor; any other part as it is. Raises TypeError for floats."""
    if not _is_array_index(part):
        return part
    is_empty = isinstance(part, list) and not part
    try:
        found = asarray(np.zeros(0, np.int64) if is_empty else part)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{_NAME}: {error}") from None
    is_one_bool = found.dtype == bool and not found.shape
    if is_one_bool or found.dtype.kind not in "biu":
        raise TypeError(
            f"a tensor is indexed with integers, masks of its axes, slices, None and ..., not with "
            f"an index of {found.dtype}{found.shape}"
        )
    return found


def _separated(x: Tensor, parts: tuple) -> tuple[tuple, list[tuple[int, Tensor]], bool]:
    """(the basic index, [(axis of x[basic], index array)], are slices between the arrays).

    Integers beside arrays are arrays, of no axis; a mask is an array for each of its axes.
    """
    named = 0
    for part in parts:
        is_mask = isinstance(part, Tensor) and part.dtype == bool
        named += part.ndim if is_mask else part is not None and part is not Ellipsis
    dots = sum(part is Ellipsis for part in parts)
    if named > x.ndim or dots > 1:
        raise IndexError(f"{_NAME}: too many parts for a tensor of shape {x.shape}")
    full: list = []
    places: list[tuple[int, Tensor]] = []
    stretches, in_stretch = 0, False  # of arrays side by side
    axis = 0  # of x
    for part in parts:
        is_advanced = isinstance(part, Tensor) or is_whole(part)
        stretches += is_advanced and not in_stretch
        in_stretch = is_advanced
        if part is Ellipsis:
            full += [slice(None)] * (x.ndim - named)
            axis += x.ndim - named
        elif not is_advanced:
            full.append(part)
            axis += part is not None
        else:
            for i in _arrays_of(part, x.shape[axis:]):
                positions = checked_indices(_NAME, i, x.shape[axis])
                places.append((len(full), positions))
                full.append(slice(None))
                axis += 1
    return tuple(full), places, stretches > 1


def _arrays_of(part: Any, shape: Shape) -> list[Tensor]:
    """The index arrays of a part, for the first of the axes that are left, of sizes `shape`."""
    if not isinstance(part, Tensor):
        return [asarray(np.array(part, np.int64))]
    if part.dtype != bool:
        return [part]
    if part.shape != shape[: part.ndim]:
        raise IndexError(
            f"{_NAME}: the mask {part.shape} does not fit the axes {shape[: part.ndim]}"
        )
    if hasattr(part.value, "require"):  # what stands in for an array
        raise TypeError(
            f"{_NAME}: how many elements a mask chooses is not known while a function is traced: "
            "use tm.where(mask, x, 0), or a mask that is no argument"
        )
    return [asarray(i) for i in np.nonzero(part.numpy())]


def _flat_places(places: list[tuple[int, Tensor]], sizes: list[int], shape: Shape) -> Tensor:
    """Where in the axes put together what the index arrays name lies."""
    flat = asarray(np.zeros(shape, np.int64))
    strides = [1]  # of the last axis, and so on to the first
    for size in sizes[:0:-1]:
        strides.append(strides[-1] * size)
    for (_, i), stride in zip(places, reversed(strides)):
        flat = add(flat, mul(i, stride))
    return flat


@float16_by_float32("scatter_add")
def scatter_add(values: Any, indices: Any, size: int, axis: int = 0) -> Tensor:
    """Zeros, `size` of them along `axis`, with each of `values` added at its index: undoes `take`.

    values: its axes from `axis` on are those of `indices`; the result has one axis there. x +
    scatter_add(..) adds into an x. What lies at one index is added up in order.
    Raises ValueError for shapes that do not fit, and what `take` raises.
    """
    values, indices = asarray(values), asarray(indices)
    (count,) = check_whole("scatter_add", 0, size=size)
    ndim = max(values.ndim - indices.ndim, 0) + 1  # of the result
    axis = as_axis("scatter_add", axis, ndim)
    end = axis + indices.ndim
    before = values.shape[:axis]
    after = values.shape[end:]
    if values.shape[axis:end] != indices.shape:
        raise ValueError(
            f"scatter_add: the axes of values {values.shape} from axis {axis} on must be those of "
            f"the indices {indices.shape}"
        )
    shape = as_shape("scatter_add", (*before, count, *after))
    places = checked_indices("scatter_add", indices, count)
    flat = reshape(values, (size_of(before), indices.size, size_of(after)))
    flat_places = reshape(places, (indices.size,))
    added = scatter_add_p(flat, flat_places, size=count)
    return reshape(added, shape)
