"""Matrix products, one for each index of the leading axes.

y = x @ w, (.., n, k) @ (.., k, m) -> (.., n, m).
The number <g, x @ w> is linear in g, x and w, so each derivative is a product of the other two.
"""

import numpy as np

from ..core.primitive import Primitive
from ..core.tensor import Tensor
from . import movement
from .promote import promote


def shape(x, w):
    if x.shape[:-2] != w.shape[:-2] or x.shape[-1] != w.shape[-2]:
        raise ValueError(
            f"matmul: {x.shape} @ {w.shape} does not fit: "
            "the last axis of the first must equal the last but one of the second, "
            "and leading axes must be equal"
        )
    return x.shape[:-1] + w.shape[-1:], x.dtype


def swapped(x):
    return movement.swapaxes(x, -1, -2)


product = Primitive(
    "matmul",
    shape=shape,
    family="matmul",
    vjps=(lambda g, y, x, w: product(g, swapped(w)), lambda g, y, x, w: product(swapped(x), g)),
)


def matmul(x, w) -> Tensor:
    """x @ w with leading axes broadcast, as NumPy does.

    A 1-D operand is a row on the left, a column on the right.
    Raises ValueError where the shapes don't fit, and for 0-d operands.
    """
    x, w = promote("matmul", (x, w))
    if not x.ndim or not w.ndim:
        raise ValueError(f"matmul: {x.shape} @ {w.shape} has a 0-d operand: use * to scale")
    row, column = x.ndim == 1, w.ndim == 1
    x, w = movement.expand_dims(x, 0) if row else x, movement.expand_dims(w, -1) if column else w
    x, w = broadcast_lead("matmul", x, w, 2)
    y = product(x, w)
    return movement.squeeze(y, tuple([-2] * row + [-1] * column)) if row or column else y


def broadcast_lead(name: str, x, w, core: int):
    """Both with equal leading axes: all but the last `core`."""
    a, b = x.shape[:-core], w.shape[:-core]
    if a == b:
        return x, w
    try:
        lead = np.broadcast_shapes(a, b)
    except ValueError:
        raise ValueError(
            f"{name}: the leading axes of {x.shape} and {w.shape} do not broadcast: "
            "they must be equal or 1"
        ) from None
    return (
        movement.broadcast_to(x, lead + x.shape[-core:]),
        movement.broadcast_to(w, lead + w.shape[-core:]),
    )
