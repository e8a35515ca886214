"""What the names of a scalar text mean inside a kernel: `FUNCTIONS`, name -> function.

On a GPU each is an instruction or a few of libdevice, in the dtype of its argument; nothing here
has to be made vectorisable, as a warp is a vector already. sin and cos of a float32 beyond 1e5
reduce their argument with one multiplication in float64. In the simulator they are NumPy's.
"""

import math

import numpy as np

from .target import SIMULATED, device

NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "sqrt", "absolute", "sign", "power",
         "maximum", "minimum", "where")


@device
def maximum(x, y):
    """The larger, or the NaN if there is one."""
    return x if (x >= y) or (x != x) else y


@device
def minimum(x, y):
    """The smaller, or the NaN if there is one."""
    return x if (x <= y) or (x != x) else y


@device
def where(condition, x, y):
    return x if condition else y


@device
def sign(x):
    """-1, 0 or 1 in x's own dtype; NaN stays."""
    zero = x - x
    return zero if x == zero else (x / abs(x) if x == x else x)


@device
def power(x, y):
    return x ** y


def table() -> dict:
    """Name -> function, for this target."""
    if SIMULATED:
        return {name: getattr(np, name) for name in NAMES}
    own = {"absolute": abs, "maximum": maximum, "minimum": minimum, "where": where, "sign": sign,
           "power": power}
    return {name: own.get(name) or getattr(math, name) for name in NAMES}


FUNCTIONS = table()
