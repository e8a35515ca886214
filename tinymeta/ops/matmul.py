"""Matrix products, one for each index of the leading axes.

y = x @ w, (.., n, k) @ (.., k, m) -> (.., n, m).
The number <g, x @ w> is linear in g, x and w, so each derivative is a product of the other two.
"""

from typing import Any

import numpy as np

from ..core.primitive import Primitive
from ..core.tensor import Tensor
from .broadcast import broadcast_to
from .checks import ShapeDtype
from .movement import expand_dims, matrix_transpose, squeeze
from .promote import promote


def _product_shape(x: Any, w: Any) -> ShapeDtype:
    *leading, n, k = x.shape
    *w_leading, w_k, m = w.shape
    if leading != w_leading or k != w_k:
        raise ValueError(
            f"matmul: {x.shape} @ {w.shape} does not fit: "
            "the last axis of the first must equal the last but one of the second, "
            "and leading axes must be equal"
        )
    return (*leading, n, m), x.dtype


# fmt: off
matmul_p: Primitive  # declared first, as its rules name it
matmul_p = Primitive("matmul", shape=_product_shape, family="matmul", vjps=(
    lambda g, y, x, w: matmul_p(g, matrix_transpose(w)),
    lambda g, y, x, w: matmul_p(matrix_transpose(x), g)))
# fmt: on


def matmul(x: Any, w: Any) -> Tensor:
    """x @ w with leading axes broadcast, as NumPy does: (.., n, k) @ (.., k, m) -> (.., n, m).

    A 1-D operand is a row on the left, a column on the right.
    Raises ValueError where the shapes don't fit, and for 0-d operands.
    """
    x, w = promote("matmul", (x, w))
    if not x.ndim or not w.ndim:
        raise ValueError(f"matmul: {x.shape} @ {w.shape} has a 0-d operand: use * to scale")
    added_axes = []  # in the result
    if x.ndim == 1:
        x = expand_dims(x, 0)
        added_axes.append(-2)
    if w.ndim == 1:
        w = expand_dims(w, -1)
        added_axes.append(-1)
    x, w = broadcast_leading_axes("matmul", x, w, 2)
    y = matmul_p(x, w)
    return squeeze(y, tuple(added_axes)) if added_axes else y


def broadcast_leading_axes(name: str, x: Tensor, w: Tensor, core: int) -> tuple[Tensor, Tensor]:
    """Both with equal leading axes, all but the last `core`; ValueError if these do not fit."""
    x_leading, x_core = x.shape[:-core], x.shape[-core:]
    w_leading, w_core = w.shape[:-core], w.shape[-core:]
    if x_leading == w_leading:
        return x, w
    try:
        leading = np.broadcast_shapes(x_leading, w_leading)
    except ValueError:
        raise ValueError(
            f"{name}: the leading axes of {x.shape} and {w.shape} do not broadcast: "
            "they must be equal or 1"
        ) from None
    x = broadcast_to(x, (*leading, *x_core))
    w = broadcast_to(w, (*leading, *w_core))
    return x, w
