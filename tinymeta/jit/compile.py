"""The passes in order: a function and arguments become a program that can be called.

In: a function and arguments of one signature. Out: a `CompiledProgram`, from the leaves of such
arguments to the function's result. Which program belongs to which arguments is in signatures.py.

Invariant: after each pass the program is `checked`. Cost: O(operations traced), and Numba's time
for kernels that are new. Numba is imported with this file, so nothing imports it before the first
program is compiled.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..core.device import kind_of, move
from ..core.scope import state
from ..system.world import current
from .chunks import Execution, build_replay
from .internal import operation
from .lower import lower
from .program import Equation, Program
from .simplify import simplify
from .split import split
from .trace import Traced, leaf_array

# By device; a GPU reads windows where they are, so it needs no lowering.
PASSES = {"cpu": (lower, simplify), "cuda": (simplify,)}


class CompiledProgram(NamedTuple):
    """A function compiled for arguments of one signature."""

    traced: Traced
    program: Program  # after all passes
    replay: Callable  # arrays -> arrays
    execution: Execution  # how it is run, in words

    def __call__(self, leaves: list) -> Any:
        """The function's result; leaves: of the arguments, in their order."""
        arrays = [leaf_array(leaves[k], dtype) for k, dtype in self.traced.input_leaves]
        for eqn, array in zip(self.program.inputs, arrays):
            for check in eqn.value_checks:
                check(move(array, "cpu"))
        outputs = iter(self.replay(arrays))
        results = [make_result(outputs) for make_result in self.traced.result_makers]
        return self.traced.rebuild(results)


def run_passes(program: Program) -> Iterator[tuple[str, Program]]:
    """("trace", the program), then (name, program) after each pass for this thread's device."""
    program = checked(program, "trace")
    yield "trace", program
    for run_pass in PASSES[kind_of(state.device)]:
        program = checked(run_pass(program), run_pass.__name__)
        yield run_pass.__name__, program


def compile_for(f: Callable, args: tuple, kwargs: dict) -> CompiledProgram | None:
    """Trace a function for these arguments and compile it.

    None if its result depends on a tensor outside that is being differentiated.
    """
    traced = Traced(f, args, kwargs)
    if traced.needs_outer_gradient:
        return None
    *_, (_, program) = run_passes(traced.program)
    if state.device != "cpu":
        return CompiledProgram(traced, program, *_build_launches(program))
    return CompiledProgram(traced, program, *build_replay(program))


def _build_launches(program: Program) -> tuple[Callable, Execution]:
    """(the program as a function of arrays, on this thread's GPU; how it is run)."""
    from .graph import Launches  # numba.cuda is slow to import

    if current().size == 1:
        return Launches(program), Execution("whole")
    found = split(program)
    if isinstance(found, str):
        return Launches(program), Execution("whole, not in chunks of tasks", found)
    from .gpu_chunks import ChunkedLaunches

    replay = ChunkedLaunches(found, current())
    count = len(replay.bounds) - 1
    how = f"{found.tasks} tasks in {count} chunks"
    return replay, Execution(how, tasks=found.tasks, chunks=count)


def checked(program: Program, pass_name: str) -> Program:
    """The program itself, if it is well formed: defined once, used after, of the right shapes.

    Raises AssertionError naming the pass and the equation.
    """
    seen: set[Equation] = set()
    for eqn in program.equations:
        assert eqn not in seen, f"{pass_name}: {eqn} is there twice"
        for x in eqn.inputs:
            assert x in seen, f"{pass_name}: {eqn} uses {x}, which is not made before it"
        if eqn.op not in ("input", "constant"):
            shape, dtype = operation(eqn.op).shape(*eqn.inputs, **eqn.static)
            assert (tuple(shape), np.dtype(dtype)) == (eqn.shape, eqn.dtype), (
                f"{pass_name}: {eqn} should be {np.dtype(dtype)}{tuple(shape)}"
            )
        seen.add(eqn)
    for y in (*program.outputs, *program.inputs):
        assert y in seen, f"{pass_name}: {y} is not in the program"
    return program
