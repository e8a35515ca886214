"""The names of a scalar text that are one call of libm an element: `FUNCTIONS`, name -> function.

A float32 is computed in float64 and rounded once: half an ulp from the exact value, at the price of
the vector. What rounds to an integer, changes a sign, or is a product or quotient, is exact in its
own dtype, and LLVM makes vectors of it.
"""

import numpy as np
from numba import types
from numba.extending import overload

from .trig import INLINE, inlined

F, D = np.float32, np.float64
ONE, INF = F(1), F(np.inf)
UNARY = (
    "exp2",
    "log2",
    "log10",
    "cbrt",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "arcsinh",
    "arccosh",
    "arctanh",
)
BINARY = ("fmod", "hypot", "arctan2")


def unary(name: str):
    call = getattr(np, name)

    def stub(x):
        raise TypeError(f"{name} of cpu.libm works inside compiled kernels alone")

    overload(stub, jit_options=INLINE)(
        lambda x: (lambda x: F(call(D(x)))) if x == types.float32 else (lambda x: call(x))
    )
    return stub


def binary(name: str):
    call = getattr(np, name)

    def stub(x, y):
        raise TypeError(f"{name} of cpu.libm works inside compiled kernels alone")

    def by_dtype(x, y):
        if x == y == types.float32:
            return lambda x, y: F(call(D(x), D(y)))
        return lambda x, y: call(x, y)

    overload(stub, jit_options=INLINE)(by_dtype)
    return stub


@inlined
def floor(x):
    return np.floor(x)


@inlined
def ceil(x):
    return np.ceil(x)


@inlined
def trunc(x):
    return np.trunc(x)


@inlined
def rint(x):
    """The nearest integer; of two, the even one."""
    return np.rint(x)


@inlined
def copysign(x, y):
    return np.copysign(x, y)


@inlined
def square(x):
    return x * x


@inlined
def reciprocal(x):
    return ONE / x


@inlined
def isnan(x):
    return x != x


@inlined
def isfinite(x):
    return abs(x) < INF


FUNCTIONS = (
    {name: unary(name) for name in UNARY}
    | {name: binary(name) for name in BINARY}
    | {
        "floor": floor,
        "ceil": ceil,
        "trunc": trunc,
        "rint": rint,
        "copysign": copysign,
        "square": square,
        "reciprocal": reciprocal,
        "isnan": isnan,
        "isfinite": isfinite,
    }
)
