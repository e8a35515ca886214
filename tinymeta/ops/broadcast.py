"""Repeating elements, and adding up what was repeated: broadcast_to <-> sum, each other's adjoint.

The primitives are here together because each is the other's derivative rule; `sum` as users call
it is in reduce.py.
"""

from typing import Any

from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from .checks import AxisTuple, Shape, as_shape
from .movement import reshape


def without(shape: Shape, axes: AxisTuple) -> Shape:
    """The shape with `axes` left out."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def with_ones(shape: Shape, axes: AxisTuple) -> Shape:
    """The shape with `axes` of size 1."""
    sizes = list(shape)
    for i in axes:
        sizes[i] = 1
    return tuple(sizes)


def repeat_along(g: Tensor, shape: Shape, axes: AxisTuple) -> Tensor:
    """What a reduction over `axes` left, repeated to the `shape` before: the adjoint of a sum."""
    kept = reshape(g, with_ones(shape, axes))
    return broadcast_to_p(kept, shape=shape)


def _sum_to(x: Tensor, shape: Shape) -> Tensor:
    """The adjoint of broadcasting `shape` to x.shape: the sum over the axes that were repeated."""
    new = x.ndim - len(shape)
    repeated = list(range(new))
    for i, n in enumerate(shape, start=new):
        if n != x.shape[i]:
            repeated.append(i)
    if repeated:
        x = sum_p(x, axes=tuple(repeated))
    return reshape(x, shape)  # the sum has dropped the axes of size 1 that were repeated, too


# fmt: off
broadcast_to_p = Primitive("broadcast_to", family="movement", view=True,
    shape=lambda x, shape: (shape, x.dtype),
    vjps=(lambda g, y, x, shape: _sum_to(g, x.shape),))

sum_p = Primitive("sum", family="reduce",  # axes: increasing and non-negative; they are dropped
    shape=lambda x, axes: (without(x.shape, axes), x.dtype),
    vjps=(lambda g, y, x, axes: repeat_along(g, x.shape, axes),))
# fmt: on


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """`x` repeated along new leading axes and axes of size 1 to `shape`; ValueError if it fails."""
    x = asarray(x)
    shape = as_shape("broadcast_to", shape, own_memory=False)
    if x.shape == shape:
        return x
    pairs = zip(reversed(x.shape), reversed(shape))
    fits = all(n in (1, m) for n, m in pairs)
    if x.ndim > len(shape) or not fits:
        raise ValueError(
            f"broadcast_to: {x.shape} does not broadcast to {shape}: "
            "trailing axes must be equal or 1"
        )
    return broadcast_to_p(x, shape=shape)
