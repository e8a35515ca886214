"""Reducing axes: many threads hold a part of one result, and meet in shared memory.

The loop nest and the picture of the tree are in loops.py. What limits it is the memory, as long as
enough blocks are at work.
"""

from . import loops
from .launch import Kernel
from .loops import THREADS
from .movement import contiguous
from .target import cuda


def sum(out, x, *, axes):
    reduced(out, x, axes, "sum")


def max(out, x, *, axes):
    reduced(out, x, axes, "max")


def reduced(out, x, axes: tuple, how: str):
    dtype = out.dtype.name
    body = loops.Body((x.dtype.name,), (), (loops.Result("x0", dtype, how),))
    if not axes:
        body = loops.Body((x.dtype.name,), (), (loops.Result("x0", dtype),))
        return loops.run(body, x.shape, [(x, x.strides)], [(out, out.strides)])
    loops.run(body, x.shape, [(x, x.strides)], [(out, (0,) * x.ndim)], axes)


def argmax(out, x, *, axes):
    """for each kept index: the first place along the axis that holds the largest element"""
    axis, x = axes[0], contiguous(x)
    before = after = 1
    for i, n in enumerate(x.shape):
        before, after = before * (n if i < axis else 1), after * (n if i > axis else 1)
    first_largest(-(-out.size // THREADS), THREADS, out, x, out.size, x.shape[axis], after)


@Kernel
def first_largest(out, x, count, n, after):
    i = cuda.grid(1)
    if i < count:
        begin = (i // after) * n * after + i % after
        best, place = x[begin], 0
        for k in range(1, n):
            value = x[begin + k * after]
            if value > best or (value != value and best == best):  # a NaN is the largest
                best, place = value, k
        out[i] = place
