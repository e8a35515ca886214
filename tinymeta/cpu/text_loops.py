"""A scalar text as one compiled loop, for large arrays of float32: what the eager kernel runs.

    "exp(a) * b", b repeated along rows     for i:  b = b_rows[i]
                                                for j:  out[i, j] = exp(a[i, j]) * b

NumPy makes a temporary for each call of a text, its exp takes three times as long as ours
(exp_log.py), and where an operand is repeated it begins anew in each row. But Numba takes some
tenths of a second to compile a text when it is first run on a machine, so these loops are for
large arrays, where one of the three counts.

A loop warns of nothing: where NumPy would say that it divides by zero, there is an infinity.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.strides import collapsed
from ..core.text import INPUTS, in_loop
from .native import MachineCodeCache, callback
from .pointers import OPTIONS, POINTERS, SIGNATURE
from .scalar import FUNCTIONS
from .simd import at


class RowLayout(NamedTuple):
    """Two axes that out and its operands have in memory.

    sizes: rows, columns. row_strides: of out, a, b, ..: elements from row to row. moves: of each,
    are columns one after another? Else a row is one number, repeated.
    """

    sizes: tuple[int, int]
    row_strides: tuple[int, ...]
    moves: tuple[bool, ...]


def row_layout(out: np.ndarray, arrays: tuple[np.ndarray, ...]) -> RowLayout | None:
    """The layout of float32 arrays of out's shape, or 0-d; None if they have no such one."""
    strides = []
    for x in (out, *arrays):
        if not x.flags.aligned or any(step % x.itemsize for step in x.strides):
            return None  # a field of records
        steps = [step // x.itemsize for step in x.strides] if x.ndim else [0] * out.ndim
        strides.append(tuple(steps))
    sizes, strides = collapsed(out.shape, strides)
    if len(sizes) > 2 or strides[0][-1] != 1 or any(s[-1] not in (0, 1) for s in strides):
        return None
    if len(sizes) == 1:
        sizes, strides = (1, *sizes), [(0, *s) for s in strides]
    rows, columns = zip(*strides)
    return RowLayout(sizes, rows, tuple(step == 1 for step in columns))


def run_in_a_loop(
    text: str, layout: RowLayout, out: np.ndarray, arrays: tuple[np.ndarray, ...]
) -> None:
    """out[i, j] = text(a[i, j], b[i, j], ..) in their layout; out moves along columns."""
    numbers = list(layout.sizes)
    for x, stride in zip((out, *arrays), layout.row_strides):
        numbers += [x.__array_interface__["data"][0], stride]
    kernel = _compiled(text, layout.moves[1:])
    kernel(None, (ctypes.c_int64 * len(numbers))(*numbers))


@functools.cache
def _compiled(text: str, moves: tuple[bool, ...]) -> Callable:
    """The loop of a text; moves: of each input, as in `RowLayout`."""
    source = _source(text, moves)
    namespace = {**FUNCTIONS, **POINTERS, "at": at, "float32": np.float32, "__name__": __name__}
    exec(source, namespace)
    cache = MachineCodeCache("text_loop", source)
    return callback(namespace["kernel"], SIGNATURE, OPTIONS, cache).ctypes


def _source(text: str, moves: tuple[bool, ...]) -> str:
    """The source of the loop's kernel.

    Its arguments: rows, columns, then of out, a, b, .. the address and the row stride.
    """
    names = ["out", *INPUTS[: len(moves)]]
    begins, rows = [], []
    for k, (name, is_moving) in enumerate(zip(names, (True, *moves))):
        begins.append(f"{name}_rows = float32_at(arena, args[{2 + 2 * k}])")
        row = f"at({name}_rows, i * args[{3 + 2 * k}])"
        rows.append(f"{name} = {row}" if is_moving else f"{name} = {row}[0]")
    places = {name: f"{name}[j]" if is_moving else name for name, is_moving in zip(INPUTS, moves)}
    lines = [*begins, "for i in range(args[0]):", *(f"    {row}" for row in rows)]
    lines.append("    for j in range(args[1]):")
    lines.append(f"        out[j] = {in_loop(text, places, 'float32', {})}")
    return "def kernel(arena, args):\n" + "".join(f"    {line}\n" for line in lines)
