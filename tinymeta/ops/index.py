"""Picking elements by integer tensors: take <-> scatter_add, each the other's adjoint.

The primitives see x as (A, n, B), the indexed axis in the middle. `take` picks the same m places
for all of A and B; `take_along` has places of their own for each, (A, m, B). Indices have no
derivative.
"""

import numpy as np

from ..core.primitive import Primitive, require
from ..core.tensor import Tensor, asarray
from . import movement
from .checks import as_axis, size_of
from .elementwise import clip, where
from .promote import by_float32


def primitive(name, shape, rule):
    return Primitive(name, shape=shape, vjps=(rule, None), family="index")


pick = primitive(
    "take",
    lambda x, i: ((x.shape[0], i.shape[0], x.shape[2]), x.dtype),
    lambda g, y, x, i: scatter(g, i, size=x.shape[1]),
)

scatter = primitive(
    "scatter_add",
    lambda g, i, size: ((g.shape[0], size, g.shape[2]), g.dtype),
    lambda u, y, g, i, size: pick(u, i),
)

pick_along = primitive(
    "take_along",
    lambda x, i: (i.shape, x.dtype),
    lambda g, y, x, i: scatter_along(g, i, size=x.shape[1]),
)

scatter_along = primitive(
    "scatter_add_along",
    lambda g, i, size: ((g.shape[0], size, g.shape[2]), g.dtype),
    lambda u, y, g, i, size: pick_along(u, i),
)


def checked_indices(name: str, indices, n: int) -> Tensor:
    """Indices as non-negative int64.

    Raises TypeError for other dtypes, IndexError for values out of range; those that nobody can
    look at, as a compiled program makes them, are moved to the nearest end.
    """
    indices = asarray(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices must be integers, got {indices.dtype}")
    if n == 0 and indices.size:
        raise IndexError(f"{name}: an axis of size 0 has nothing at any index")

    def inside(values):
        if values.size and not -n <= int(values.min()) <= int(values.max()) < n:
            raise IndexError(
                f"{name}: indices from {values.min()} to {values.max()} are out of "
                f"range for size {n}"
            )

    require(indices, inside)
    indices = movement.astype(indices, np.int64)  # which has room for n
    if isinstance(values := indices.value, np.ndarray):
        return asarray(np.where(values < 0, values + n, values))
    return clip(where(indices < 0, indices + n, indices), 0, n - 1)


@by_float32("take")
def take(x, indices, axis: int = 0) -> Tensor:
    """x[..., indices, ...] along `axis`: the axis is replaced by the shape of `indices`."""
    x = asarray(x)
    axis = as_axis("take", axis, x.ndim)
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    indices = checked_indices("take", indices, n)
    flat = movement.reshape(x, (size_of(before), n, size_of(after)))
    picked = pick(flat, movement.reshape(indices, indices.size))
    return movement.reshape(picked, before + indices.shape + after)


@by_float32("take_along_axis")
def take_along_axis(x, indices, axis: int = -1) -> Tensor:
    """result[.., j, ..] = x[.., indices[.., j, ..], ..] along `axis`; the other axes must agree."""
    x, indices = asarray(x), asarray(indices)
    axis = as_axis("take_along_axis", axis, x.ndim)
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if (
        indices.ndim != x.ndim
        or indices.shape[:axis] != before
        or indices.shape[axis + 1 :] != after
    ):
        raise ValueError(
            f"take_along_axis: indices {indices.shape} must have the shape {x.shape} "
            f"except on axis {axis}"
        )
    lead, rest, m = size_of(before), size_of(after), indices.shape[axis]
    indices = checked_indices("take_along_axis", indices, n)
    y = pick_along(movement.reshape(x, (lead, n, rest)), movement.reshape(indices, (lead, m, rest)))
    return movement.reshape(y, before + (m,) + after)
