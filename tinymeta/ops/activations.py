"""Activations, composed: gelu, silu, elu, leaky_relu, and those made of straight pieces.

At a kink the slope is that of `where` on the left, or half of it for those made of `clip`.
"""

import math
from typing import Any

from ..core.checks import check_flag
from ..core.tensor import Tensor, asarray
from .elementwise import clip, expm1, greater, mul, sigmoid, tanh, where
from .more_elementwise import erf
from .promote import promote


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x times the share of normal numbers below x: x (1 + erf(x / sqrt(2))) / 2.

    approximate: by a tanh, as the first networks had it (Hendrycks & Gimpel 2016, section 2).
    """
    check_flag("gelu", approximate=approximate)
    (x,) = promote("gelu", (x,), floating=True)
    if approximate:
        inside = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1.0 + tanh(inside))
    return 0.5 * x * (1.0 + erf(math.sqrt(0.5) * x))


def silu(x: Any) -> Tensor:
    """x sigmoid(x), which others call swish."""
    return mul(x, sigmoid(x))


def elu(x: Any, alpha: Any = 1.0) -> Tensor:
    """x where it is positive, else alpha (e^x - 1); at 0 the slope is alpha."""
    (x,) = promote("elu", (x,), floating=True)
    is_positive = greater(x, 0.0)
    below = where(is_positive, 0.0, x)  # what is not selected is computed, too: e^x overflows
    return where(is_positive, x, alpha * expm1(below))


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Tensor:
    """x where it is positive, else negative_slope times x, at 0 too."""
    (x,) = promote("leaky_relu", (x,), floating=True)
    return where(greater(x, 0.0), x, mul(x, negative_slope))


def relu6(x: Any) -> Tensor:
    """`x` limited to [0, 6]."""
    return clip(_as_float("relu6", x), 0.0, 6.0)


def hard_tanh(x: Any) -> Tensor:
    """`x` limited to [-1, 1]."""
    return clip(_as_float("hard_tanh", x), -1.0, 1.0)


def hard_sigmoid(x: Any) -> Tensor:
    """x / 6 + 1/2, limited to [0, 1]."""
    return clip(_as_float("hard_sigmoid", x) / 6.0 + 0.5, 0.0, 1.0)


def hard_silu(x: Any) -> Tensor:
    """x hard_sigmoid(x), which others call hard swish."""
    x = _as_float("hard_silu", x)
    return x * hard_sigmoid(x)


def _as_float(name: str, x: Any) -> Tensor:
    (x,) = promote(name, (x,), floating=True)
    return asarray(x)
