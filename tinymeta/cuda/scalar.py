"""What the names of a scalar text mean inside a kernel: `FUNCTIONS`, name -> function.

On a GPU each is an instruction or a few of libdevice, in the dtype of its argument; nothing here
has to be made vectorisable, as a warp is a vector already. sin, cos and tan of a float32 beyond 1e5
reduce their argument with one multiplication in float64. In the simulator they are NumPy's.
"""

import math

import numpy as np

from ..core.text import FUNCTIONS as NAMES
from .target import SIMULATED, constant_like, device_function, libdevice
from .truncated import truncated_quotient, truncated_remainder

# The names that Python's math spells in another way.
_MATH_NAMES = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
}


@device_function
def maximum(x, y):
    """The larger, or the NaN if there is one; of two zeros the second."""
    return x if (x > y) or (x != x) else y


@device_function
def minimum(x, y):
    """The smaller, or the NaN if there is one; of two zeros the second."""
    return x if (x < y) or (x != x) else y


@device_function
def where(condition, x, y):
    return x if condition else y


@device_function
def sign(x):
    """-1, 0 or 1 in x's own dtype; NaN stays."""
    one, zero = constant_like(x, 1), constant_like(x, 0)
    return one if x > zero else (-one if x < zero else (zero if x == zero else x))


@device_function
def power(x, y):
    return x**y


@device_function
def square(x):
    return x * x


@device_function
def reciprocal(x):
    return constant_like(x, 1) / x


@device_function
def remainder(x, y):
    """What is left of x, with the sign of y; of integers by 0 it is 0, as NumPy has it."""
    zero = constant_like(x, 0)
    left = truncated_remainder(x, y)
    if left == zero or (left == left and y == zero):
        return zero if y >= zero else -zero
    return left + y if (left < zero) != (y < zero) else left


@device_function
def floor_divide(x, y):
    """The largest whole number not above x / y; of integers by 0 it is 0, as NumPy has it."""
    zero, one = constant_like(x, 0), constant_like(x, 1)
    left = truncated_remainder(x, y)
    quotient = truncated_quotient(x, y, left)
    is_above = left != zero and y != zero and (left < zero) != (y < zero)
    return quotient - one if is_above else quotient


def _functions() -> dict:
    """Name -> function, for this target."""
    constants = {"inf": math.inf, "nan": math.nan}
    if SIMULATED:
        erf = {"erf": lambda x: type(x)(math.erf(x))}
        return {name: getattr(np, name) for name in NAMES if name != "erf"} | erf | constants
    ours = {
        "absolute": abs,
        "maximum": maximum,
        "minimum": minimum,
        "where": where,
        "sign": sign,
        "power": power,
        "square": square,
        "reciprocal": reciprocal,
        "remainder": remainder,
        "floor_divide": floor_divide,
    }
    ours |= {name: libdevice(name) for name in ("exp2", "cbrt", "rint")}
    pythons = {
        name: getattr(math, _MATH_NAMES.get(name, name)) for name in NAMES if name not in ours
    }
    return ours | pythons | constants


FUNCTIONS = _functions()
