"""Large inputs and outputs of a program: they stay in the caller's arrays, and are not copied.

In: a program, and its kernel arguments. Out: the values outside the arena, and for each of them the
arguments that are its address and change with it. `Arena.set_addresses` writes these at each call.

Invariant: an argument is the place of one value at most, plus a constant. So a place is found by
moving each value by another distance and computing the arguments again.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .arena import OutsidePlaces
from .fuse import Step
from .memory import Memory
from .program import Equation, Program
from .views import VIEWS, memory_layout

OUTSIDE = 2**16  # bytes of an input or output, from which it is not copied
_FAR = 2**48  # bytes: more than any array has


def large_arrays(program: Program, sums: int | None) -> tuple[Equation, ...]:
    """The large inputs and outputs that are read and written where they are.

    sums: of a chunk, how many outputs, the first ones, are summed in its arena; None: it is none.
    """
    copied = set()
    if sums is not None:  # a chunk copies sums and views out of its arena
        copied = {memory_layout(y).base for y in program.outputs[:sums]}
        copied.update(memory_layout(y).base for y in program.outputs if y.op in VIEWS)
    large = [x for x in program.inputs if x.nbytes >= OUTSIDE and x not in copied]
    for y in program.outputs:
        is_materialized = y.op not in VIEWS and y.op not in ("input", "constant")
        if is_materialized and y not in copied and y.nbytes >= OUTSIDE:
            large.append(y)
    return tuple(dict.fromkeys(large))


def moving_arguments(
    memory: Memory,
    steps: Sequence[Step],
    counts: Sequence[int],
    args: np.ndarray,
    begins: np.ndarray,
    args_of_step: Callable[[int], list[int]],
) -> OutsidePlaces:
    """Which of the kernel arguments move when a value outside is elsewhere.

    counts: the kernel calls of each step. args: of all calls, one behind the other. begins: where
    those of each call begin. args_of_step: computes those of a step's calls anew.
    """
    moved = args.copy()
    for k, x in enumerate(memory.outside, 1):
        memory.offsets[x] = k * _FAR
    first = 0  # call of the step
    for k, (step, count) in enumerate(zip(steps, counts)):
        if count and any(x in memory.outside for x in (*step.reads, *step.results)):
            numbers = args_of_step(k)
            moved[begins[first] : begins[first] + len(numbers)] = numbers
        first += count
    memory.offsets.update(dict.fromkeys(memory.outside, 0))
    distance = moved - args
    indices = np.flatnonzero(distance)
    return OutsidePlaces(memory.outside, indices, distance[indices] // _FAR - 1, args[indices])
