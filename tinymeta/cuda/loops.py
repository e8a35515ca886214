"""Every loop over elements: elementwise kernels, reductions, and what jit fuses of both.

Elementwise: one thread for each element; its number is unravelled into the index along each axis,
and each array is read where its strides say.

    threads     0  1  2  3  4  5 ..        neighbours read neighbours: one transaction of memory
    elements    0  1  2  3  4  5 ..        for all 32 threads of a warp, if the last stride is 1

A reduction gives each kept element to several threads of one block, which add every so many-th
element and then meet in shared memory, half of them inactive after each step:

    t 0 1 2 3 4 5 6 7  ->  0+4 1+5 2+6 3+7  ->  0+2 1+3  ->  0+1          log2(threads) steps

Where the last axis is kept, neighbouring threads have neighbouring kept elements; where it is
reduced, they share one: both read neighbours. If there are few kept elements, a block has fewer of
them, down to a sector of memory, and more of its threads share each. If there are fewer still,
several blocks take parts of each, and a second reduction adds the parts: in an order that depends
on shapes alone, so two runs agree to the bit. Atomic additions would need no second pass, but their
order changes from run to run. A float32 sum is added up in float32, in a tree, whose error grows
like log2(threads) plus the additions of one thread.

Cost: each operand is read once, each result written once. Both are limited by memory: in the time
that a byte is read, ten operations are done.
"""

import functools
from math import prod
from typing import NamedTuple

from ..core.strides import collapsed, dense
from . import target
from .array import Array, allocate
from .launch import THREADS, GpuKernel, block_count
from .loop_source import LoopBody, LoopResult, loop_source, stride_patterns
from .scalar import FUNCTIONS

WARP = 4 if target.SIMULATED else 32
SECTOR = 2 if target.SIMULATED else 8  # neighbouring float32 that memory hands out together
BLOCKS_ENOUGH = 256  # of a reduction: about two for each multiprocessor of a large GPU
ROWS_ENOUGH = 8  # elements for each thread, before more blocks are worth a second pass
DTYPES = (
    *("float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
)


class LaunchPlan(NamedTuple):
    """A body over a space: the kernel's text, and the numbers that it is launched with."""

    source: str
    sizes: tuple[int, ...]  # of the axes that are left when those that can be are one
    strides: tuple[int, ...]  # of each array along these, one array after another
    kept: int  # how many elements a reduced result has
    reduced: int  # how many elements make one of them
    width: int  # neighbouring kept elements in a block


def plan_loop(body: LoopBody, space: tuple, strides: list[tuple], axes: tuple) -> LaunchPlan:
    """A body over a space of this shape, with as few axes as will do.

    strides: of each operand and result in the space. axes: those that the reduced results drop.
    """
    # An array that repeats along the dropped axes and nowhere else: beside it, no kept axis is
    # taken together with a dropped one, and its zeros tell the dropped ones afterwards.
    marks = dense(tuple(n or 2 for n in space))
    marks = tuple(0 if axis in axes else s for axis, s in enumerate(marks))
    sizes, (marks, *steps) = collapsed(space, [marks, *strides])
    reduced = tuple(d for d, mark in enumerate(marks) if axes and not mark)
    kept = prod(n for d, n in enumerate(sizes) if d not in reduced)
    count = prod(sizes[d] for d in reduced)
    width = 1 if len(sizes) - 1 in reduced else _width(kept, count)
    return LaunchPlan(
        loop_source(body, stride_patterns(steps), reduced, width),
        sizes,
        tuple(stride for array in steps for stride in array),
        kept,
        count,
        width,
    )


def _width(kept: int, count: int) -> int:
    """How many kept elements a block has, each of which is made of `count` others.

    A warp's width, or less while there are too few blocks and a thread has two elements to add.
    """
    width = min(WARP, _power_of_two_from(kept))
    while width > SECTOR and kept < BLOCKS_ENOUGH * width and count * width >= 4 * THREADS:
        width //= 2
    return width


def _power_of_two_from(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << (max(n, 1) - 1).bit_length()


def run_loop(body: LoopBody, space: tuple, operands: list, results: list, axes: tuple = ()) -> None:
    """Launch a body over a space of this shape.

    operands, results: (array, its strides in the space) of each. axes: those that the reduced
    results drop. The arrays of reduced results are dense, their strides are not looked at, and they
    have one dtype.
    """
    count = prod(space)
    if not axes and not count:
        return
    arrays = [array for array, _ in (*operands, *results)]
    plan = plan_loop(body, space, [strides for _, strides in (*operands, *results)], axes)
    if axes:
        _run_reduction(body, plan, arrays)
    else:
        kernel = loop_kernel(plan.source)
        kernel(block_count(count), THREADS, *arrays, count, plan.sizes, plan.strides)


def _run_reduction(body: LoopBody, plan: LaunchPlan, arrays: list[Array]) -> None:
    """A pass, and a second one where a few kept elements would leave most of the GPU idle."""
    blocks, rows = -(-plan.kept // plan.width), THREADS // plan.width
    most_parts = BLOCKS_ENOUGH // max(blocks, 1)
    parts = max(1, min(most_parts, plan.reduced // (rows * ROWS_ENOUGH)))
    partial = {}  # place among the arrays -> (parts, kept) instead of the result
    if parts > 1:
        for k, result in enumerate(body.results, len(body.operands)):
            if result.reduce:
                partial[k] = allocate((parts, plan.kept), arrays[k].dtype)
    written = [partial.get(k, array) for k, array in enumerate(arrays)]
    numbers = plan.kept, plan.reduced, plan.sizes, plan.strides
    loop_kernel(plan.source)((blocks, parts), THREADS, *written, *numbers)
    for k, part in partial.items():
        result = body.results[k - len(body.operands)]
        again = LoopBody((result.dtype,), (), (LoopResult("x0", result.dtype, result.reduce),))
        operands, results = [(part, part.strides)], [(arrays[k], (0, 1))]
        run_loop(again, (parts, plan.kept), operands, results, (0,))


@functools.cache
def loop_kernel(source: str) -> GpuKernel:
    """The kernel of a text of loop_source.py."""
    namespace = {
        "cuda": target.cuda,
        "shared_array": target.shared_array,
        "inf": float("inf"),
        "__name__": __name__,
        **FUNCTIONS,
        **{name: getattr(target.types, name) for name in DTYPES},
    }
    exec(compile(source, "<tinymeta loop>", "exec"), namespace)
    return GpuKernel(namespace["kernel"], source)
