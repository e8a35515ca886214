"""The names of a scalar text that are one call of libm an element: `FUNCTIONS`, name -> function.

A float32 is computed in float64 and rounded once: half an ulp from the exact value, at the price of
the vector. What rounds to an integer, changes a sign, or is a product or quotient, is exact in its
own dtype, and LLVM makes vectors of it.
"""

from collections.abc import Callable

import numpy as np
from numba import types
from numba.extending import overload

from .inlining import INLINE, inlined

F, D = np.float32, np.float64
ONE, INF = F(1), F(np.inf)
UNARY = (
    *("exp2", "log2", "log10", "cbrt", "tan", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "arcsinh", "arccosh", "arctanh"),
)
BINARY = ("fmod", "hypot", "arctan2")


def _unary(name: str) -> Callable:
    """The function of one number, for compiled code of every dtype."""
    call = getattr(np, name)

    def stub(x):
        raise TypeError(f"{name} of cpu.libm works inside compiled kernels alone")

    def by_dtype(x):
        if x == types.float32:
            return lambda x: F(call(D(x)))
        return lambda x: call(x)

    overload(stub, jit_options=INLINE)(by_dtype)
    return stub


def _binary(name: str) -> Callable:
    """The function of two numbers, for compiled code of every dtype."""
    call = getattr(np, name)

    def stub(x, y):
        raise TypeError(f"{name} of cpu.libm works inside compiled kernels alone")

    def by_dtype(x, y):
        if x == y == types.float32:
            return lambda x, y: F(call(D(x), D(y)))
        return lambda x, y: call(x, y)

    overload(stub, jit_options=INLINE)(by_dtype)
    return stub


def _of_quotients(name: str, of_floats: Callable) -> Callable:
    """`remainder` or `floor_divide`: of floats Python's, which is NumPy's at every edge.

    Of integers Numba's twin of NumPy's, which bears a 0 below, and -1 below the least.
    """
    of_integers = getattr(np, name)

    def stub(x, y):
        raise TypeError(f"{name} of cpu.libm works inside compiled kernels alone")

    def by_dtype(x, y):
        if x == y == types.float32:
            return lambda x, y: F(of_floats(D(x), D(y)))
        if isinstance(x, types.Float):
            return lambda x, y: of_floats(x, y)
        return lambda x, y: of_integers(x, y)

    overload(stub, jit_options=INLINE)(by_dtype)
    return stub


@inlined
def _remainder(x, y):
    return x % y


@inlined
def _floor_divide(x, y):
    return x // y


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


EXACT = (floor, ceil, trunc, rint, copysign, square, reciprocal, isnan, isfinite)
FUNCTIONS = (
    {name: _unary(name) for name in UNARY}
    | {name: _binary(name) for name in BINARY}
    | {"remainder": _of_quotients("remainder", _remainder)}
    | {"floor_divide": _of_quotients("floor_divide", _floor_divide)}
    | {function.__name__: function for function in EXACT}
)
