"""The eager kernel of a scalar text: nested ufunc calls, the outermost of which fills `out`.

"exp(a) * b" becomes  lambda out, a, b: multiply(exp(a), b, out=out).

Each inner call makes a temporary array as large as the result: the cost is one pass over memory for
each call of the text, and what fusion in jit saves. On large float32 arrays exp and its like, and
what has an operand that is repeated, are compiled loops instead, as in jit (text_loops.py).

A number beside an array takes the array's dtype. One that is not, as in "2 * (a > b)", and a mask
that is counted there, are given that dtype: else NumPy would compute in float64, or in float16.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.text import (
    FUNCTIONS,
    INPUTS,
    OPERATORS,
    Call,
    is_mask,
    names,
    numeric_arguments,
    parsed,
)
from .erf import erf_of_array


def where(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """np.where, of floats by their bits: (x & mask) | (y & ~mask), written with two xors.

    np.where jumps at each change of the condition, as relu's does all the time, and takes ten times
    as long.
    """
    dtype = np.result_type(x, y)
    if dtype.kind != "f" or dtype.itemsize > 8:
        return np.where(condition, x, y)
    integer = np.dtype(f"i{dtype.itemsize}")
    x_bits = np.asarray(x, dtype).view(integer)
    y_bits = np.asarray(y, dtype).view(integer)
    mask = np.negative(np.asarray(condition, bool).astype(integer))  # -1, all bits, or 0
    return (((x_bits ^ y_bits) & mask) ^ y_bits).view(dtype)


_NAMES = {*FUNCTIONS, *OPERATORS.values(), "positive"} - {"where", "erf"}
_UFUNCS: dict[str, Callable] = {name: getattr(np, name) for name in _NAMES}
_UFUNCS |= {"where": where, "erf": erf_of_array}

_LARGE = 2**16  # elements, from which on a compiled loop is worth it
_IN_VECTORS = {"exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "erf"}  # in a loop, of float32


def compile_text(text: str) -> Callable[..., None]:
    """`kernel(out, a, b, ..., **static)`, out[i] = text(a[i], b[i], ...) with NumPy's broadcasting.

    Raises ValueError for what cannot stand in a scalar text.
    """
    tree = parsed(text)
    by_ufuncs = _nested_ufuncs(tree)
    is_slow = bool(_functions(tree) & _IN_VECTORS)

    def kernel(out: np.ndarray, *arrays: np.ndarray, **static: Any) -> None:
        if out.size < _LARGE or static or not _worth_a_loop(is_slow, out, arrays):
            return by_ufuncs(out, *arrays, **static)
        from .text_loops import row_layout, run_in_a_loop  # Numba is slow to import

        layout = row_layout(out, arrays)
        if layout is None:
            return by_ufuncs(out, *arrays)
        run_in_a_loop(text, layout, out, arrays)

    return kernel


def _functions(x: Any) -> set[str]:
    """The names of all that a parsed text calls."""
    if not isinstance(x, Call):
        return set()
    return {x.name}.union(*map(_functions, x.args))


def _worth_a_loop(is_slow: bool, out: np.ndarray, arrays: tuple[np.ndarray, ...]) -> bool:
    """Are all float32, and is the text slow in NumPy, or an operand repeated along some axis?"""
    for x in (out, *arrays):
        if x.dtype != np.float32:
            return False
    return is_slow or any(x.ndim and 0 in x.strides for x in arrays)


def _nested_ufuncs(tree: Any) -> Callable[..., None]:
    """The kernel of a parsed text in calls of NumPy."""
    free = names(tree)
    # The array whose dtype bare numbers are given: the result's, but of a mask an operand's.
    typed = min(free & set(INPUTS), default="out") if is_mask(tree) else "out"
    if not isinstance(tree, Call):
        tree = Call("positive", (tree,))  # a bare "a": copied
    arguments = _arguments(tree, typed)
    if tree.name == "where":  # it has no `out`
        body = f"copyto(out, where({arguments}))"
    else:
        body = f"{tree.name}({arguments}, out=out)"
    source = f"lambda {', '.join(['out', *sorted(free)])}: {body}"
    return eval(source, _UFUNCS | {"copyto": np.copyto, "inf": np.inf, "nan": np.nan})


def _arguments(call: Call, typed: str) -> str:
    """The arguments in Python; typed: the array that has the dtype of the numbers."""
    args = [_expression(x, typed) for x in call.args]
    numbers = numeric_arguments(call)
    if all(_has_no_dtype(call.args[k]) for k in numbers):
        for k in numbers:
            if is_mask(call.args[k]):
                args[k] = f"{args[k]}.astype({typed}.dtype)"
            else:
                args[k] = f"{typed}.dtype.type({args[k]})"
    return ", ".join(args)


def _expression(x: Any, typed: str) -> str:
    """A call, a name or a number in Python."""
    if isinstance(x, Call):
        return f"{x.name}({_arguments(x, typed)})"
    return x if isinstance(x, str) else repr(x)


def _has_no_dtype(x: Any) -> bool:
    """Has it no dtype of its own that counts: a number or a mask?"""
    return is_mask(x) or not isinstance(x, (Call, str))
