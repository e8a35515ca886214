"""The eager kernel of a scalar text: nested ufunc calls, the outermost of which fills `out`.

"exp(a) * b" becomes  lambda out, a, b: multiply(exp(a), b, out=out).

A number beside an array takes the array's dtype. One that is not, as in "2 * (a > b)", and a mask
that is counted there, are given that dtype: else NumPy would compute in float64, or in float16.
"""

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


def where(condition, x, y):
    """np.where, of floats by their bits: it jumps at each change of the condition, as relu's does
    all the time, and takes ten times as long.
    """
    dtype = np.result_type(x, y)
    if dtype.kind != "f" or dtype.itemsize > 8:
        return np.where(condition, x, y)
    whole = np.dtype(f"i{dtype.itemsize}")
    x, y = (np.asarray(v, dtype).view(whole) for v in (x, y))
    mask = np.negative(np.asarray(condition, bool).astype(whole))  # -1, all bits, or 0
    return (((x ^ y) & mask) ^ y).view(dtype)


UFUNCS = {name: getattr(np, name) for name in (*FUNCTIONS, *OPERATORS.values(), "positive")}
UFUNCS["where"] = where


def compile_text(text: str):
    """`kernel(out, a, b, ..., **static)`.

    Raises ValueError for what cannot stand in a scalar text.
    """
    tree = parsed(text)
    free = names(tree)
    like = min(free & set(INPUTS), default="out") if is_mask(tree) else "out"
    if not isinstance(tree, Call):
        tree = Call("positive", (tree,))  # a bare "a": copied
    args = arguments(tree, like)
    body = (
        f"copyto(out, where({args}))"
        if tree.name == "where"  # which has no `out`
        else f"{tree.name}({args}, out=out)"
    )
    source = f"lambda {', '.join(['out', *sorted(free)])}: {body}"
    return eval(source, UFUNCS | {"copyto": np.copyto, "inf": np.inf, "nan": np.nan})


def arguments(call: Call, like: str) -> str:
    """The arguments in Python; like: what has the dtype of the numbers."""
    args = [written(x, like) for x in call.args]
    numbers = numeric_arguments(call)
    if all(is_weak(call.args[k]) for k in numbers):
        for k in numbers:
            args[k] = (
                f"{args[k]}.astype({like}.dtype)"
                if is_mask(call.args[k])
                else f"{like}.dtype.type({args[k]})"
            )
    return ", ".join(args)


def written(x, like: str) -> str:
    if isinstance(x, Call):
        return f"{x.name}({arguments(x, like)})"
    return x if isinstance(x, str) else repr(x)


def is_weak(x) -> bool:
    """Has it no dtype of its own that counts: a number or a mask?"""
    return is_mask(x) or not isinstance(x, (Call, str))
