"""Reducing axes.

`sum` is the adjoint of `broadcast_to`; `max` gives its gradient to where it came from.
Primitives take `axes`, increasing and non-negative, and drop them; keepdims is a reshape
afterwards.
"""

import numpy as np

from ..core.checks import flag
from ..core.grad import stop_gradient
from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from . import elementwise, logic, movement
from .checks import as_axes, as_axis


def without(shape: tuple, axes: tuple) -> tuple:
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def with_ones(shape: tuple, axes: tuple) -> tuple:
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def back(g, x, axes):
    """A reduced tensor, repeated to the shape of `x`."""
    return movement.spread(movement.reshape(g, with_ones(x.shape, axes)), shape=x.shape)


def check_some(name: str, x, axes):
    if any(x.shape[i] == 0 for i in axes):
        raise ValueError(f"{name}: axis {axes} of {x.shape} is empty and has no {name}")


def first_of(name):
    def shape(x, axes):
        check_some(name, x, axes)
        return without(x.shape, axes), x.dtype

    return shape


add_up = Primitive(
    "sum",
    family="reduce",
    shape=lambda x, axes: (without(x.shape, axes), x.dtype),
    vjps=(lambda g, y, x, axes: back(g, x, axes),),
)

largest = Primitive(
    "max",
    family="reduce",
    shape=first_of("max"),
    vjps=(lambda g, y, x, axes: to_the_largest(back(g, x, axes), x, y, axes),),
    branch=lambda x, axes: x == np.max(x, axis=axes, keepdims=True),
)

position = Primitive(
    "argmax",
    family="reduce",
    vjps=(None,),
    shape=lambda x, axes: (first_of("argmax")(x, axes)[0], np.dtype(np.int64)),
)


def to_the_largest(g, x, y, axes):
    """g where x is the maximum, g/k where k tie, 0 elsewhere; a NaN is the largest."""
    x = stop_gradient(x)
    hits = elementwise.wins(x, back(stop_gradient(y), x, axes))  # a half, or 0: none is larger
    return elementwise.product_or_zero(g, hits / back(add_up(hits, axes=axes), x, axes))


# ---- the public functions -----------------------------------------------------------------------


def reduced(primitive, x, axis, keepdims):
    x = asarray(x)
    if keepdims is not False:
        flag(primitive.name, keepdims=keepdims)
    axes = as_axes(primitive.name, axis, x.ndim)
    y = primitive(x, axes=axes)
    return movement.reshape(y, with_ones(x.shape, axes)) if keepdims else y


def sum(x, axis=None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (an int, a tuple, None for all).

    As NumPy has it: integers are added up in int64, unsigned ones in uint64, bools are counted.
    """
    x = asarray(x)
    wide = {"b": np.int64, "i": np.int64, "u": np.uint64}.get(x.dtype.kind, x.dtype)
    return reduced(add_up, movement.astype(x, wide), axis, keepdims)


def max(x, axis=None, keepdims: bool = False) -> Tensor:
    """The largest value over `axis` (an int, a tuple, None for all), a NaN if there is one.

    Elements that tie share the gradient equally. Raises ValueError over an empty axis.
    """
    return reduced(largest, x, axis, keepdims)


def min(x, axis=None, keepdims: bool = False) -> Tensor:
    """The smallest value over `axis` (an int, a tuple, None for all), a NaN if there is one.

    Elements that tie share the gradient equally. Raises ValueError over an empty axis.
    """
    x = asarray(x)
    axes = as_axes("min", axis, x.ndim)
    check_some("min", x, axes)
    return reversed_order(max(reversed_order(x), axes, keepdims))


def reversed_order(x) -> Tensor:
    """The largest for the smallest, one for one: -x, or where that would wrap or is not, ~x."""
    return -x if x.dtype.kind == "f" else logic.invert(x)


def argmax(x, axis: int | None = None) -> Tensor:
    """Where the largest value is along `axis` (or in the flattened tensor).

    int64, of the first one in row-major order; it has no derivative. ValueError over an empty axis.
    """
    x = asarray(x)
    x, axis = (movement.reshape(x, -1), 0) if axis is None else (x, axis)
    return position(x, axes=(as_axis("argmax", axis, x.ndim),))


def sum_to(x, shape: tuple) -> Tensor:
    """Undo a broadcast: sum over the axes along which something of `shape` was repeated."""
    new = x.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(x.shape) if i < new or shape[i - new] != n)
    return movement.reshape(add_up(x, axes=axes) if axes else x, shape)
