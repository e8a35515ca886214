"""A scalar text as one compiled loop, for large arrays of float32: what the eager kernel runs.

    "exp(-a) * b"         for i:  out[i] = exp(-a[i]) * b[i]

NumPy makes a temporary for each call, and its exp takes three times as long as ours (exp_log.py).
It takes Numba some tenths of a second to compile a text for the first time on a machine, so this is
for texts with a function that LLVM makes vectors of, and for arrays of `LARGE` elements or more.

A loop warns of nothing: where NumPy would say that it divides by zero, there is an infinity.
"""

import ctypes
import functools
from collections.abc import Callable

import numpy as np

from ..core.text import INPUTS, in_loop
from .native import MachineCodeCache, callback
from .pointers import OPTIONS, POINTERS, SIGNATURE
from .scalar import FUNCTIONS


def run_in_a_loop(text: str, out: np.ndarray, arrays: tuple[np.ndarray, ...]) -> None:
    """out[i] = text(a[i], b[i], ..); all float32, C-contiguous, of out's shape or 0-d."""
    kernel = _compiled(text, tuple(x.ndim == 0 for x in arrays))
    addresses = [x.__array_interface__["data"][0] for x in (out, *arrays)]
    kernel(None, (ctypes.c_int64 * (1 + len(addresses)))(out.size, *addresses))


@functools.cache
def _compiled(text: str, is_number: tuple[bool, ...]) -> Callable:
    """The loop of a text; is_number: of each input, is it 0-d?"""
    source = _source(text, is_number)
    namespace = {**FUNCTIONS, **POINTERS, "float32": np.float32, "__name__": __name__}
    exec(source, namespace)
    cache = MachineCodeCache("text_loop", source)
    return callback(namespace["kernel"], SIGNATURE, OPTIONS, cache).ctypes


def _source(text: str, is_number: tuple[bool, ...]) -> str:
    """The source of the loop's kernel; its arguments: the size, the addresses of out, a, b, .."""
    lines = ["out = float32_at(arena, args[1])"]
    places = {}
    for k, (name, number) in enumerate(zip(INPUTS, is_number), 2):
        lines.append(f"{name} = float32_at(arena, args[{k}])" + ("[0]" if number else ""))
        places[name] = name if number else f"{name}[i]"
    lines.append("for i in range(args[0]):")
    lines.append(f"    out[i] = {in_loop(text, places, 'float32', {})}")
    return "def kernel(arena, args):\n" + "".join(f"    {line}\n" for line in lines)
