"""Reducing axes: sum, max, min, argmax.

The derivative of `sum` repeats (broadcast.py); `max` gives its gradient to the elements that are
the maximum. The primitives take `axes`, increasing and non-negative, and drop them; keepdims is a
reshape afterwards.
"""

from typing import Any

import numpy as np

from ..core.checks import check_flag
from ..core.grad import stop_gradient
from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from .broadcast import repeat_along, sum_p, with_ones, without
from .checks import Axes, Shape, as_axes, as_axis
from .elementwise import product_or_zero, tie_weight
from .logic import invert
from .movement import astype, reshape

# ---- the primitives -----------------------------------------------------------------------------


def _check_not_empty(name: str, x: Any, axes: tuple[int, ...]) -> None:
    """Raise ValueError for a reduction that has no value over an axis of size 0."""
    if any(x.shape[i] == 0 for i in axes):
        raise ValueError(f"{name}: axis {axes} of {x.shape} is empty and has no {name}")


def _max_shape(x: Any, axes: tuple[int, ...]) -> tuple[Shape, np.dtype]:
    _check_not_empty("max", x, axes)
    return without(x.shape, axes), x.dtype


def _argmax_shape(x: Any, axes: tuple[int, ...]) -> tuple[Shape, np.dtype]:
    _check_not_empty("argmax", x, axes)
    return without(x.shape, axes), np.dtype(np.int64)


def _share_of_max(g: Tensor, y: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """g where x is the maximum y, g/k where k elements tie, 0 elsewhere; a NaN is the largest."""
    g = repeat_along(g, x.shape, axes)
    x = stop_gradient(x)
    maximum = repeat_along(stop_gradient(y), x.shape, axes)
    hits = tie_weight(x, maximum)  # 1/2 where x is the maximum, else 0: none is larger
    count = repeat_along(sum_p(hits, axes=axes), x.shape, axes)
    return product_or_zero(g, hits / count)


# fmt: off
max_p = Primitive("max", family="reduce", shape=_max_shape,
    vjps=(lambda g, y, x, axes: _share_of_max(g, y, x, axes),),
    branch=lambda x, axes: x == np.max(x, axis=axes, keepdims=True))

argmax_p = Primitive("argmax", family="reduce", shape=_argmax_shape, vjps=(None,))
# fmt: on

# ---- the public functions -----------------------------------------------------------------------


def _reduced(primitive: Primitive, x: Any, axis: Axes, keepdims: bool) -> Tensor:
    """The primitive over `axis` as a caller writes it; with keepdims these have size 1."""
    x = asarray(x)
    if keepdims is not False:
        check_flag(primitive.name, keepdims=keepdims)
    axes = as_axes(primitive.name, axis, x.ndim)
    y = primitive(x, axes=axes)
    return reshape(y, with_ones(x.shape, axes)) if keepdims else y


def sum(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (an int, a tuple, None for all).

    As NumPy has it: integers are added up in int64, unsigned ones in uint64, bools are counted.
    """
    x = asarray(x)
    wide = {"b": np.int64, "i": np.int64, "u": np.uint64}.get(x.dtype.kind, x.dtype)
    return _reduced(sum_p, astype(x, wide), axis, keepdims)


def max(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest value over `axis` (an int, a tuple, None for all), a NaN if there is one.

    Elements that tie share the gradient equally. Raises ValueError over an empty axis.
    """
    return _reduced(max_p, x, axis, keepdims)


def min(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest value over `axis` (an int, a tuple, None for all), a NaN if there is one.

    Elements that tie share the gradient equally. Raises ValueError over an empty axis.
    """
    x = asarray(x)
    axes = as_axes("min", axis, x.ndim)
    _check_not_empty("min", x, axes)
    return _in_reverse_order(max(_in_reverse_order(x), axes, keepdims))


def _in_reverse_order(x: Tensor) -> Tensor:
    """Each value by one that compares the other way: -x; of integers, where -x may wrap, ~x."""
    return -x if x.dtype.kind == "f" else invert(x)


def argmax(x: Any, axis: int | None = None) -> Tensor:
    """Where the largest value is along `axis` (or in the flattened tensor).

    int64, of the first one in row-major order; it has no derivative. ValueError over an empty axis.
    """
    x = asarray(x)
    if axis is None:
        x, axis = reshape(x, -1), 0
    return argmax_p(x, axes=(as_axis("argmax", axis, x.ndim),))
