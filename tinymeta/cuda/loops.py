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
that a byte is read, ten operations are done. Threads that load four numbers by one instruction
would save instructions, not bytes: of the 472 us that the model of tinymeta/ptx gives the loops of
conv4's step, at most 5 are not those of bytes and launches.
"""

import functools
from math import prod
from typing import NamedTuple

from ..core.strides import collapsed, dense
from . import target
from .array import Array, allocate
from .launch import THREADS, GpuKernel, block_count
from .loop_source import LoopBody, LoopResult, loop_source, stride_patterns
from .phase_source import Phase, phase_source
from .scalar import FUNCTIONS

WARP = 4 if target.SIMULATED else 32
SECTOR = 2 if target.SIMULATED else 8  # neighbouring float32 that memory hands out together
BLOCKS_ENOUGH = 256  # of a reduction: about two for each multiprocessor of a large GPU
ROWS_ENOUGH = 8  # elements for each thread, before more blocks are worth a second pass
DTYPES = (
    *("float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
)


class Rows(NamedTuple):
    """What a reduction is made of.

    kept: elements of its result. reduced: elements that make one of them. width: neighbouring kept
    elements in a block, a power of two.
    """

    kept: int
    reduced: int
    width: int

    @property
    def blocks(self) -> int:
        """That have all kept elements."""
        return -(-self.kept // self.width)

    @property
    def parts(self) -> int:
        """Blocks for each kept element: several, where few of these would leave the GPU idle."""
        most, rows = BLOCKS_ENOUGH // max(self.blocks, 1), THREADS // self.width
        return max(1, min(most, self.reduced // (rows * ROWS_ENOUGH)))


def rows_of(space: tuple, axes: tuple) -> Rows:
    """Of reductions over a space of this shape that drop these axes; () keeps every element."""
    kept = prod(n for d, n in enumerate(space) if d not in axes)
    reduced = prod(space[d] for d in axes)
    if not axes:
        return Rows(kept, 1, THREADS)
    last = max((d for d, n in enumerate(space) if n != 1), default=-1)
    return Rows(kept, reduced, 1 if last in axes else _width(kept, reduced))


class LaunchPlan(NamedTuple):
    """Phases over a space: the kernel's text, and the numbers that it is launched with."""

    source: str
    rows: Rows
    sizes: tuple[int, ...]  # of the axes that are left when those that can be are one
    strides: tuple[int, ...]  # of each array along these, one array after another

    @property
    def numbers(self) -> tuple:
        """The kernel's arguments after its arrays."""
        return self.rows.kept, self.rows.reduced, self.sizes, self.strides


def plan_phases(
    phases: tuple[Phase, ...], space: tuple, strides: list[tuple], axes: tuple
) -> LaunchPlan:
    """Phases over a space of this shape, with as few axes as will do.

    strides: of each array in the space. axes: those that the reduced results drop.
    """
    # An array that repeats along the dropped axes and nowhere else: beside it, no kept axis is
    # taken together with a dropped one, and its zeros tell the dropped ones afterwards.
    marks = dense(tuple(n or 2 for n in space))
    marks = tuple(0 if axis in axes else s for axis, s in enumerate(marks))
    sizes, (marks, *steps) = collapsed(space, [marks, *strides])
    reduced = tuple(d for d, mark in enumerate(marks) if axes and not mark)
    rows = rows_of(space, axes)
    source = phase_source(phases, stride_patterns(steps), reduced, rows.width)
    return LaunchPlan(source, rows, sizes, tuple(stride for array in steps for stride in array))


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
    arrays = [array for array, _ in (*operands, *results)]
    strides = [steps for _, steps in (*operands, *results)]
    if axes:
        phase = Phase(body, tuple(range(len(arrays))))
        _run_reduction(phase, plan_phases((phase,), space, strides, axes), arrays)
    elif count:
        source, sizes, steps = _plan_elementwise(body, space, strides)
        loop_kernel(source)(block_count(count), THREADS, *arrays, count, sizes, steps)


def _plan_elementwise(
    body: LoopBody, space: tuple, strides: list[tuple]
) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """(the kernel's text, its sizes, its strides) of a body without reductions."""
    sizes, steps = collapsed(space, strides)
    numbers = tuple(stride for array in steps for stride in array)
    return loop_source(body, stride_patterns(steps)), sizes, numbers


def source_of(body: LoopBody, space: tuple, strides: list[tuple], axes: tuple = ()) -> str:
    """The text of the kernel that `run_loop` launches; strides: of operands, then of results."""
    if not axes:
        return _plan_elementwise(body, space, strides)[0]
    return plan_phases((Phase(body, tuple(range(len(strides)))),), space, strides, axes).source


def run_phases(
    phases: tuple[Phase, ...], space: tuple, arrays: list[tuple[Array, tuple]], axes: tuple = ()
) -> None:
    """Launch several loops over a space of this shape, one after another, as one kernel.

    arrays: (array, its strides in the space) of each operand and result of all phases, each once.
    axes: those that all reductions drop; `rows_of` them is of one part.
    """
    plan = plan_phases(phases, space, [steps for _, steps in arrays], axes)
    kernel = loop_kernel(plan.source)
    kernel(plan.rows.blocks, THREADS, *(array for array, _ in arrays), *plan.numbers)


def _run_reduction(phase: Phase, plan: LaunchPlan, arrays: list[Array]) -> None:
    """A pass, and a second one where a few kept elements would leave most of the GPU idle."""
    (kept, _, _), parts = plan.rows, plan.rows.parts
    partial = {}  # place among the arrays -> (parts, kept) instead of the result
    if parts > 1:
        partial = {k: allocate((parts, kept), arrays[k].dtype) for k, _ in phase.reductions}
    written = [partial.get(k, array) for k, array in enumerate(arrays)]
    loop_kernel(plan.source)((plan.rows.blocks, parts), THREADS, *written, *plan.numbers)
    for k, result in phase.reductions if partial else ():
        again = LoopBody((result.dtype,), (), (LoopResult("x0", result.dtype, result.reduce),))
        operands, results = [(partial[k], partial[k].strides)], [(arrays[k], (0, 1))]
        run_loop(again, (parts, kept), operands, results, (0,))


@functools.cache
def loop_kernel(source: str) -> GpuKernel:
    """The kernel of a text of loop_source.py or phase_source.py."""
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
