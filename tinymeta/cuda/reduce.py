"""Reducing axes: many threads hold a part of one result, and meet in shared memory.

The loop nest and the picture of the tree are in loops.py. What limits it is the memory, as long as
enough blocks are at work.
"""

from math import prod

from .array import Array
from .launch import THREADS, GpuKernel, block_count
from .loop_source import LoopBody, LoopResult
from .loops import run_loop
from .movement import contiguous
from .target import cuda


def sum(out: Array, x: Array, *, axes: tuple[int, ...]) -> None:
    """for each kept index:  out = sum over the dropped ones, added up in the dtype of out"""
    _reduce(out, x, axes, "sum")


def max(out: Array, x: Array, *, axes: tuple[int, ...]) -> None:
    """for each kept index:  out = the largest of the dropped ones; a NaN is the largest"""
    _reduce(out, x, axes, "max")


def _reduce(out: Array, x: Array, axes: tuple[int, ...], how: str) -> None:
    dtype, operands = out.dtype.name, [(x, x.strides)]
    if axes:
        body = LoopBody((x.dtype.name,), (), (LoopResult("x0", dtype, how),))
        run_loop(body, x.shape, operands, [(out, (0,) * x.ndim)], axes)
    else:
        body = LoopBody((x.dtype.name,), (), (LoopResult("x0", dtype),))
        run_loop(body, x.shape, operands, [(out, out.strides)])


def argmax(out: Array, x: Array, *, axes: tuple[int, ...]) -> None:
    """for each kept index:  out = the first place along the one axis that holds the largest

    A thread for each kept index, which reads along the axis.
    """
    axis, x = axes[0], contiguous(x)
    after = prod(x.shape[axis + 1 :])
    count = out.size
    _first_largest(block_count(count), THREADS, out, x, count, x.shape[axis], after)


@GpuKernel
def _first_largest(out, x, count, n, after):
    """for a, b:  out[a, b] = the first k that maximises x[a, k, b]; a NaN is the largest

    out: int64*, of count elements (a, b); x: a pointer to (.., n, after), contiguous.
    """
    i = cuda.grid(1)
    if i < count:
        begin = (i // after) * n * after + i % after
        best, place = x[begin], 0
        for k in range(1, n):
            value = x[begin + k * after]
            if value > best or (value != value and best == best):
                best, place = value, k
        out[i] = place
