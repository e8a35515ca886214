"""The kernel of a scalar text: a loop of one statement.

Threads do not talk to each other here, and each does a few operations for the bytes it reads: what
limits it is the memory, and what helps is not to write what the next kernel reads again: see fusion
in jit.
"""

from ..core.strides import broadcast
from ..core.text import INPUTS, in_loop, names, parsed
from . import loops


def compile_text(text: str):
    """`kernel(out, a, b, ..., **static)`: the text's names of static arguments are their values.

    Raises ValueError for what cannot stand in a scalar text.
    """
    inputs = sorted(names(parsed(text)) & {*INPUTS})
    places = {letter: f"x{k}" for k, letter in enumerate(inputs)}

    def kernel(out, *arrays, **static):
        shape = out.shape
        body = loops.Body(
            tuple(a.dtype.name for a in arrays),
            (("y", in_loop(text, places, number(arrays, out.dtype), static)),),
            (loops.Result("y", out.dtype.name),),
        )
        loops.run(
            body,
            shape,
            [(a, broadcast(a.shape, a.strides, shape)) for a in arrays],
            [(out, out.strides)],
        )

    return kernel


def number(arrays, dtype) -> str:
    """The dtype of the text's numbers: the result's, or of what is compared."""
    compared = [a.dtype.name for a in arrays if a.dtype != bool] or ["int64"]
    return compared[0] if dtype == bool else dtype.name
