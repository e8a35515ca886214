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
from .checks import Axes, AxisTuple, ShapeDtype, as_axes, as_axis
from .elementwise import product_or_zero, tie_weight
from .logic import invert
from .movement import astype, reshape

# ---- the primitives -----------------------------------------------------------------------------


def _check_not_empty(name: str, x: Any, axes: AxisTuple) -> None:
    """Raise ValueError for a reduction that has no value over an axis of size 0."""
    if any(x.shape[i] == 0 for i in axes):
        raise ValueError(f"{name}: axis {axes} of {x.shape} is empty and has no {name}")


def _max_shape(x: Any, axes: AxisTuple) -> ShapeDtype:
    _check_not_empty("max", x, axes)
    return without(x.shape, axes), x.dtype


def _argmax_shape(x: Any, axes: AxisTuple) -> ShapeDtype:
    _check_not_empty("argmax", x, axes)
    index_dtype = np.dtype(np.int64)
    return without(x.shape, axes), index_dtype


def _share_of_max(g: Tensor, y: Tensor, x: Tensor, axes: AxisTuple) -> Tensor:
    """g where x is the maximum y, g/k where k elements tie, 0 elsewhere; a NaN is the largest."""
    g = repeat_along(g, x.shape, axes)
    # Which elements are the maximum has no derivative, and neither has how many they are.
    x = stop_gradient(x)
    y = stop_gradient(y)
    maximum = repeat_along(y, x.shape, axes)
    hits = tie_weight(x, maximum)  # 1/2 where x is the maximum, else 0: none is larger
    total = sum_p(hits, axes=axes)
    count = repeat_along(total, x.shape, axes)
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


# By dtype.kind: what a sum of narrow integers, which would wrap around, is computed in.
_WIDE_INTEGERS = {"b": np.int64, "i": np.int64, "u": np.uint64}


def sum(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (an int, a tuple, None for all).

    As NumPy has it: integers are added up in int64, unsigned ones in uint64, bools are counted.
    """
    x = asarray(x)
    wide = _WIDE_INTEGERS.get(x.dtype.kind, x.dtype)
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
    largest = max(in_reverse_order(x), axes, keepdims)
    return in_reverse_order(largest)


def in_reverse_order(x: Tensor) -> Tensor:
    """Each value by one that compares the other way, and is its own inverse: -x or ~x."""
    if x.dtype.kind == "f":
        return -x
    return invert(x)  # -x would wrap around for the least integer, and for unsigned ones


def argmax(x: Any, axis: int | None = None) -> Tensor:
    """Where the largest value is along `axis` (or in the flattened tensor).

    int64, of the first one in row-major order; it has no derivative. ValueError over an empty axis.
    """
    x = asarray(x)
    if axis is None:
        x = reshape(x, -1)
        axis = 0
    axis = as_axis("argmax", axis, x.ndim)
    return argmax_p(x, axes=(axis,))
