"""More operations on corresponding elements, each a row as in elementwise.py.

Logarithms and powers of 2 and 10, the other trigonometric and hyperbolic functions, erf, and what
rounds. What rounds, `//` and the masks have no derivative: they are flat, or jump. The remainder
has one between its jumps: a % b = a - b floor(a / b).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.checks import is_whole, shown
from ..core.tensor import Tensor, asarray
from .elementwise import exp, product_or_zero, reciprocal_or_zero, rsqrt, sigmoid, square
from .from_text import Elementwise
from .promote import float16_by_float32

_MOST_DIGITS = 30  # 10^30 is a float32, and no float64 has so many digits
_ERF_SLOPE = 2 / math.sqrt(math.pi)
_LN2, _LN10 = math.log(2.0), math.log(10.0)


def _smooth(name: str, text: str, *rules: Callable) -> Elementwise:
    """A function of floats, with a rule for each input."""
    return Elementwise(name, text, rules, floating=True)


# fmt: off
# For type checkers: rules name these before they are assigned.
cosh: Elementwise

# name, text, rule of each input; in a rule g is the cotangent of the result y
exp2    = _smooth("exp2",    "exp2(a)",    lambda g, y, a: g * (_LN2 * y))
log2    = _smooth("log2",    "log2(a)",    lambda g, y, a: g / (_LN2 * a))
log10   = _smooth("log10",   "log10(a)",   lambda g, y, a: g / (_LN10 * a))
tan     = _smooth("tan",     "tan(a)",     lambda g, y, a: g * (y * y + 1.0))
sinh    = _smooth("sinh",    "sinh(a)",    lambda g, y, a: g * cosh(a))
cosh    = _smooth("cosh",    "cosh(a)",    lambda g, y, a: g * sinh(a))
arcsin  = _smooth("arcsin",  "arcsin(a)",  lambda g, y, a: g * rsqrt((1.0 - a) * (1.0 + a)))
arccos  = _smooth("arccos",  "arccos(a)",  lambda g, y, a: -g * rsqrt((1.0 - a) * (1.0 + a)))
arctan  = _smooth("arctan",  "arctan(a)",  lambda g, y, a: g / (a * a + 1.0))
arcsinh = _smooth("arcsinh", "arcsinh(a)", lambda g, y, a: g / cosh(y))
arccosh = _smooth("arccosh", "arccosh(a)", lambda g, y, a: g / sinh(y))
arctanh = _smooth("arctanh", "arctanh(a)", lambda g, y, a: g / (1.0 - a * a))
# Of two zeros, where there is no derivative, it is 0.
arctan2 = _smooth("arctan2", "arctan2(a, b)",
    lambda g, y, a, b: g * (b * reciprocal_or_zero(a * a + b * b)),
    lambda g, y, a, b: -g * (a * reciprocal_or_zero(a * a + b * b)))
erf_p   = _smooth("erf",     "erf(a)",     lambda g, y, a: g * (_ERF_SLOPE * exp(-square(a))))

# log(e^a + e^b) without overflow. Where both are the same infinity a - b is no number: the value is
# a + log 2, and the gradient NaN, as that of logsumexp.
logaddexp = _smooth("logaddexp",
    "where(a == b, a + log(2), maximum(a, b) + log1p(exp(-absolute(a - b))))",
    lambda g, y, a, b: g * sigmoid(a - b), lambda g, y, a, b: g * sigmoid(b - a))


# ---- what rounds, and what looks at a number ----------------------------------------------------


def _rounding(name: str, text: str) -> Elementwise:
    """A function of floats that is flat between its jumps."""
    piece = getattr(np, text.partition("(")[0])
    return Elementwise(name, text, (None,), floating=True, branch=piece)


floor_p = _rounding("floor", "floor(a)")
ceil_p  = _rounding("ceil",  "ceil(a)")
trunc_p = _rounding("trunc", "trunc(a)")
round_p = _rounding("round", "rint(a)")

floor_divide = Elementwise("floor_divide", "floor_divide(a, b)", (None, None),
                           branch=lambda a, b: np.floor(a / b))
mod          = Elementwise("mod", "remainder(a, b)", (
    lambda g, y, a, b: g, lambda g, y, a, b: product_or_zero(-g, floor_divide(a, b))),
                           branch=lambda a, b: np.floor(a / b))

isnan    = Elementwise("isnan",    "isnan(a)",    (None,), result="bool")
isfinite = Elementwise("isfinite", "isfinite(a)", (None,), result="bool")
isinf    = Elementwise("isinf",    "~isnan(a) & ~isfinite(a)", (None,), result="bool")
# fmt: on


@float16_by_float32("erf")
def erf(x: Any) -> Tensor:
    """The error function, of integers in float32. Derivative: 2 exp(-x^2) / sqrt(pi).

    The approximation is this project's, within 2 ulp (cpu/erf.py). TypeError for longdouble.
    """
    return erf_p(x)


def _of_floats(operation: Elementwise, x: Any) -> Tensor:
    """Whole numbers are rounded already, and keep their dtype."""
    x = asarray(x)
    return operation(x) if x.dtype.kind == "f" else x


def floor(x: Any) -> Tensor:
    """The largest whole number that is not above x, in its dtype; it has no derivative."""
    return _of_floats(floor_p, x)


def ceil(x: Any) -> Tensor:
    """The least whole number that is not below x, in its dtype; it has no derivative."""
    return _of_floats(ceil_p, x)


def trunc(x: Any) -> Tensor:
    """The whole number next to x on the side of 0, in its dtype; it has no derivative."""
    return _of_floats(trunc_p, x)


def round(x: Any, decimals: int = 0) -> Tensor:
    """x to so many decimals, of two that are as near the even one; it has no derivative.

    decimals: -2 rounds to hundreds, of floats only. Raises ValueError for what is no whole number.
    """
    if not is_whole(decimals) or abs(int(decimals)) > _MOST_DIGITS:
        raise ValueError(
            f"round: decimals={shown(decimals)} must be a whole number from "
            f"-{_MOST_DIGITS} to {_MOST_DIGITS}"
        )
    x = asarray(x)
    if decimals == 0 or x.dtype.kind != "f" and decimals > 0:
        return _of_floats(round_p, x)
    if x.dtype.kind != "f":
        raise TypeError(f"round: whole numbers to {decimals} decimals: cast {x.dtype} with astype")
    scale = np.asarray(10.0 ** abs(int(decimals)), x.dtype)
    if decimals > 0:
        return round_p(x * scale) / scale
    return round_p(x / scale) * scale
