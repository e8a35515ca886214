"""Planning: a program as steps with a memory map; nothing is compiled yet.

In: a simplified program. Out: a `ExecutionPlan`: the program with legal layouts, the steps that
fuse.py finds, and the place of each value that memory.py finds. Both devices run plans: replay.py
on the CPU, graph.py on a GPU.
"""

import numpy as np

from ..cpu import window_blocks
from ..cpu.gemm import workspace_size as product_workspace
from .fuse import Step, fuse
from .legalize import with_legal_layouts
from .loops import summed_in_float64
from .materialize import choose_materialized
from .memory import Lifetimes, plan_memory
from .program import Equation, Program
from .window_rows import BLOCKED, window_sizes


class ExecutionPlan:
    """A program in steps, with its memory map.

    program: with legal layouts. materialized: the values that are stored. steps, memory: see
    fuse.py and memory.py. in_vectors: see materialize.py.
    """

    in_vectors = True

    def __init__(self, program: Program):
        self.program = with_legal_layouts(program)
        choice = choose_materialized(self.program, self.in_vectors)
        self.materialized = choice.materialized
        self.steps = self.arranged(fuse(self.program, choice))
        sizes = {k: self.workspace_bytes(k) for k in range(len(self.steps))}
        needed = {k: size for k, size in sizes.items() if size}
        self.memory = plan_memory(
            self.program, self.steps, needed, self.find_slides, self.outside_arena()
        )

    def arranged(self, steps: list[Step]) -> list[Step]:
        """The steps as this device runs them: as they are, but on a GPU."""
        return steps

    def workspace_bytes(self, k: int) -> int:
        """The bytes that step k needs besides its results, by default on the CPU."""
        return workspace_bytes(self.steps[k])

    def outside_arena(self) -> tuple[Equation, ...]:
        """The inputs and outputs that get no place in the arena: none, but on the CPU."""
        return ()

    def find_slides(self, lives: Lifetimes) -> dict[Equation, Equation]:
        """The results that are written over an operand, and over which: none, but on the CPU."""
        return {}


def workspace_bytes(step: Step) -> int:
    """The bytes that a step on the CPU needs besides its results."""
    if step.loop:
        return 8 * sum(y.size for y in step.results if summed_in_float64(y))
    eqn = step.results[0]
    if eqn.op == "matmul" and eqn.dtype == np.float32:
        rows, columns = eqn.inputs[1].shape[-2:]
        return 4 * product_workspace(columns, rows)
    if eqn.op in BLOCKED:
        length, outputs = window_sizes(eqn)
        return 4 * window_blocks.workspace_size(length, outputs)
    return 0
