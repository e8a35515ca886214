"""What the names of a scalar text mean inside a compiled loop: `FUNCTIONS`, name -> function.

Here are those that training needs; libm.py has the others. On float64 a name is libm's function,
one call an element. On float32 it is one of exp_log.py and trig.py, which LLVM makes vectors of.

A kernel casts the text's numbers, `inf` included, to its dtype: a bare literal would carry float32
to float64.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import types
from numba.extending import overload

from . import libm
from .erf_in_loops import erf32, erf64
from .exp_log import exp32, expm1_32, log1p32, log32, tanh32
from .inlining import INLINE, inlined
from .trig import cos, sin


def _by_dtype(name: str, single: Callable, double: Callable) -> Callable:
    """The name in a kernel: `single` compiled for a float32 x, `double` for every other."""

    def stub(x):
        raise TypeError(f"{name} of cpu.scalar works inside compiled kernels alone")

    overload(stub, jit_options=INLINE)(lambda x: single if x == types.float32 else double)
    return stub


@inlined
def maximum(x, y):
    """The larger, or the NaN if there is one; of two zeros the second, as NumPy's instruction."""
    return x if (x > y) | (x != x) else y


@inlined
def minimum(x, y):
    """The smaller, or the NaN if there is one; of two zeros the second."""
    return x if (x < y) | (x != x) else y


@inlined
def where(condition, x, y):
    """A select: both sides are computed."""
    return x if condition else y


@inlined
def absolute(x):
    return abs(x)


@inlined
def sqrt(x):
    return math.sqrt(x)


def sign(x):
    raise TypeError("sign of cpu.scalar works inside compiled kernels alone")


@overload(sign, jit_options=INLINE)
def _sign_of_type(x):
    """-1, 0 or 1 in x's own dtype; NaN stays."""
    dtype = getattr(np, str(x))
    zero, one = dtype(0), dtype(1)
    return lambda x: one if x > zero else (-one if x < zero else (zero if x == zero else x))


def power(x, y):
    raise TypeError("power of cpu.scalar works inside compiled kernels alone")


@overload(power, jit_options=INLINE)
def _power_of_type(x, y):
    """libm's pow, one call an element; of integers, products that wrap around.

    Integers by squaring, log2(y) steps: Numba's own power of them goes through float64 in its older
    versions.
    """
    if not isinstance(x, types.Integer):
        return lambda x, y: x**y
    X, Y = getattr(np, str(x)), getattr(np, str(y))
    one = Y(1)

    def by_squaring(x, y):
        product = X(1)
        while y > 0:
            if y & one:
                product = X(product * x)
            x, y = X(x * x), Y(y >> one)
        return product

    return by_squaring


# inf and nan are names because no number is written so.
# fmt: off
FUNCTIONS = libm.FUNCTIONS | {
    "exp":   _by_dtype("exp",   exp32,    lambda x: math.exp(x)),
    "expm1": _by_dtype("expm1", expm1_32, lambda x: math.expm1(x)),
    "log":   _by_dtype("log",   log32,    lambda x: math.log(x)),
    "log1p": _by_dtype("log1p", log1p32,  lambda x: math.log1p(x)),
    "tanh":  _by_dtype("tanh",  tanh32,   lambda x: math.tanh(x)),
    "sin":   _by_dtype("sin",   sin,      lambda x: math.sin(x)),
    "cos":   _by_dtype("cos",   cos,      lambda x: math.cos(x)),
    "erf":   _by_dtype("erf",   erf32,    erf64),
    "sqrt": sqrt, "absolute": absolute, "sign": sign, "power": power,
    "maximum": maximum, "minimum": minimum, "where": where, "inf": math.inf, "nan": math.nan,
}
# fmt: on
