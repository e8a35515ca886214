"""The kernel of a scalar text: a loop of one statement.

Threads do not talk to each other here, and each does a few operations for the bytes it reads: what
limits it is the memory, and what helps is not to write what the next kernel reads again: see fusion
in jit.
"""

from collections.abc import Callable
from typing import Any

from ..core.strides import broadcast
from ..core.text import INPUTS, in_loop, names, parsed
from .array import Array
from .loop_source import LoopBody, LoopResult
from .loops import run_loop


def compile_text(text: str) -> Callable[..., None]:
    """`kernel(out, a, b, ..., **static)`, out[i] = text(a[i], b[i], ...) with NumPy's broadcasting.

    The text's names of static arguments are their values. Raises ValueError for what cannot stand
    in a scalar text.
    """
    inputs = sorted(names(parsed(text)) & {*INPUTS})
    places = {letter: f"x{k}" for k, letter in enumerate(inputs)}

    def kernel(out: Array, *arrays: Array, **static: Any) -> None:
        expression = in_loop(text, places, _number_dtype(arrays, out.dtype), static)
        body = LoopBody(
            tuple(a.dtype.name for a in arrays),
            (("y", expression),),
            (LoopResult("y", out.dtype.name),),
        )
        operands = [(a, broadcast(a.shape, a.strides, out.shape)) for a in arrays]
        run_loop(body, out.shape, operands, [(out, out.strides)])

    return kernel


def _number_dtype(arrays: tuple[Array, ...], dtype: Any) -> str:
    """The dtype of the text's numbers: the result's, or of a mask the one of what is compared."""
    if dtype != bool:
        return dtype.name
    compared = [a.dtype.name for a in arrays if a.dtype != bool]
    return compared[0] if compared else "int64"
