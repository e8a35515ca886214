"""Picking elements by integer tensors: take <-> scatter_add, each the other's adjoint.

The primitives see x as (A, n, B), the indexed axis in the middle. `take` picks the same m places
for all of A and B; `take_along` has places of their own for each, (A, m, B). Indices are int64 and
have no derivative.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.primitive import Primitive, require
from ..core.tensor import Tensor, asarray
from .checks import Shape, ShapeDtype, as_axis, size_of
from .elementwise import clip, where
from .movement import astype, reshape
from .promote import float16_by_float32


def _primitive(name: str, shape: Callable, rule: Callable) -> Primitive:
    return Primitive(name, shape=shape, vjps=(rule, None), family="index")


def _taken_shape(x: Any, i: Any) -> ShapeDtype:
    before, _, after = x.shape
    return (before, *i.shape, after), x.dtype


def _scattered_shape(g: Any, i: Any, size: int) -> ShapeDtype:
    before, _, after = g.shape
    return (before, size, after), g.dtype


def _around(shape: Shape, axis: int) -> tuple[Shape, Shape]:
    """The sizes before an axis, and those after it."""
    return shape[:axis], shape[axis + 1 :]


def in_three(x: Tensor, axis: int) -> Tensor:
    """`x` as (A, n, B), n the size of the axis."""
    before, after = _around(x.shape, axis)
    return reshape(x, (size_of(before), x.shape[axis], size_of(after)))


# fmt: off
# Declared first, as rules name them before they are assigned.
scatter_add_p: Primitive
scatter_add_along_p: Primitive

# name, shape rule, derivative rule of the first input
take_p = _primitive("take", _taken_shape,
    lambda g, y, x, i: scatter_add_p(g, i, size=x.shape[1]))
scatter_add_p = _primitive("scatter_add", _scattered_shape,
    lambda u, y, g, i, size: take_p(u, i))

take_along_p = _primitive("take_along", lambda x, i: (i.shape, x.dtype),
    lambda g, y, x, i: scatter_add_along_p(g, i, size=x.shape[1]))
scatter_add_along_p = _primitive("scatter_add_along", _scattered_shape,
    lambda u, y, g, i, size: take_along_p(u, i))
# fmt: on


def checked_indices(name: str, indices: Any, n: int) -> Tensor:
    """Indices into an axis of size n as non-negative int64.

    Raises TypeError for other dtypes, IndexError for values out of range; those that are not known
    yet, as a compiled program makes them, are moved to the nearest end.
    """
    indices = asarray(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices must be integers, got {indices.dtype}")
    if n == 0 and indices.size:
        raise IndexError(f"{name}: an axis of size 0 has nothing at any index")

    def check_range(values: np.ndarray) -> None:
        if not values.size:
            return
        # Python's integers: -n would wrap around among unsigned ones.
        least, largest = int(values.min()), int(values.max())
        if least < -n or largest >= n:
            raise IndexError(
                f"{name}: indices from {least} to {largest} are out of range for size {n}"
            )

    require(indices, check_range)
    indices = astype(indices, np.int64)  # which can hold n
    values = indices.value
    if isinstance(values, np.ndarray):
        positions = np.where(values < 0, values + n, values)
        return asarray(positions)
    traced_positions = where(indices < 0, indices + n, indices)
    return clip(traced_positions, 0, n - 1)  # a kernel that reads outside would read other memory


@float16_by_float32("take")
def take(x: Any, indices: Any, axis: int = 0) -> Tensor:
    """x[..., indices, ...] along `axis`: the axis is replaced by the shape of `indices`.

    Raises TypeError for indices that are no integers, IndexError for those out of range.
    """
    x = asarray(x)
    axis = as_axis("take", axis, x.ndim)
    before, after = _around(x.shape, axis)
    indices = checked_indices("take", indices, x.shape[axis])
    flat_indices = reshape(indices, indices.size)
    taken = take_p(in_three(x, axis), flat_indices)
    return reshape(taken, before + indices.shape + after)


@float16_by_float32("take_along_axis")
def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Tensor:
    """result[.., j, ..] = x[.., indices[.., j, ..], ..] along `axis`; the other axes must agree.

    Raises ValueError if they do not, and what `take` raises.
    """
    x = asarray(x)
    indices = asarray(indices)
    axis = as_axis("take_along_axis", axis, x.ndim)
    others_agree = _around(indices.shape, axis) == _around(x.shape, axis)
    if indices.ndim != x.ndim or not others_agree:
        raise ValueError(
            f"take_along_axis: indices {indices.shape} must have the shape {x.shape} "
            f"except on axis {axis}"
        )
    indices = checked_indices("take_along_axis", indices, x.shape[axis])
    return taken_along(x, indices, axis)


def taken_along(x: Tensor, places: Tensor, axis: int) -> Tensor:
    """`take_along_axis` at places, int64, that are known to be there."""
    taken = take_along_p(in_three(x, axis), in_three(places, axis))
    return reshape(taken, places.shape)
