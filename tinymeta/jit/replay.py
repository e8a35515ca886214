"""Replaying on the CPU: kernels by address on an arena, and Python for the steps that need it.

In: a simplified program. Out: a `Replay`, a function of arrays. An arena is one block of bytes in
which all values of one call lie, at the places that memory.py has planned; kernel arguments are
those places, sizes and strides, computed once. So a call is

    copy small inputs into the arena, say where the large ones are
    for each part of the schedule
        a stretch, kernels in a row:   machine.run_kernels(..)      no Python in between
        or a step that needs Python:   its eager kernel, on views of the arena
    copy small outputs out

Invariants: kernel arguments are offsets into the arena, so any arena will do; each call borrows one
and gives it back, so several threads may replay one program; a call's results are new arrays, which
no later call changes. Cost of a call besides its kernels: a copy of small inputs and outputs, and
20 ns a step. Constants are written into each arena once, when it is made.

Launching each step from Python would be simpler and costs more than most steps take.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from . import machine
from .arena import Arena, as_dense, new_block, take_idle
from .array_kernels import ArrayKernel
from .cache import load_or_compile, second_process
from .codegen import LoopKernel
from .fuse import Step
from .memory import Lifetimes
from .outside import large_arrays, moving_arguments
from .pieces import Call, Cut, Phases, cut, phases
from .plan import ExecutionPlan, workspace_bytes
from .program import Equation, Program
from .sliding import find_slides, spans
from .step_kernels import MachineCall, generated_kernel, machine_call, python_step, step_kind
from .stretches import Stretch, StretchJob, extend
from .threads import pool
from .views import memory_layout
from .window_rows import without_large_windows


class Replay(ExecutionPlan):
    """A program ready to run on the CPU: arrays in, arrays out.

    in_place: large inputs are read, and large outputs written, where the caller has them
    (arena.py). sums: of a chunk, how many outputs are summed in its arena. blas_threads: how many
    threads a large product may have; 0 for chunks, which run without Python and so without BLAS.
    threads: how many share large steps, in pieces (pieces.py); 0: no step is cut. exact: an element
    of a loop has the same bits in any program, see `cache.EXACT`.
    kinds, call_counts: of each step, what runs it, and how many kernel calls that is. calls_python:
    does any step need Python?
    """

    where = "on the CPU"

    def __init__(
        self,
        program: Program,
        blas_threads: int = 0,
        in_place: bool = False,
        sums: int | None = None,
        threads: int = 0,
        exact: bool = False,
    ):
        self.in_place, self.sums, self.threads = in_place, sums, threads
        self.exact = exact
        self.blas_threads = blas_threads
        super().__init__(without_large_windows(program))
        self.constants = {
            eqn: np.ascontiguousarray(eqn.static["value"])
            for eqn in self.program.equations
            if eqn.op == "constant"
        }
        self.output_layouts = [memory_layout(y) for y in self.program.outputs]
        inputs, outside = self.program.inputs, self.memory.outside
        self.inputs_outside = [k for k, x in enumerate(inputs) if x in outside]
        self.inputs_copied = [k for k, x in enumerate(inputs) if x not in outside]
        self.outputs_outside = [y for y in outside if y.op != "input"]
        self.arenas: list[Arena] = []  # that no call uses now
        self.kinds: list[str] = []
        self.call_counts: list[int] = []
        self.schedule: list[Stretch | Callable[[Arena], None]] = []
        with second_process([kernel.source for kernel in self.generated.values()]):
            addresses, args = self.build_steps()
        self.kernels = np.array(addresses, np.int64)
        self.args = np.array([n for numbers in args for n in numbers], np.int64)
        self.args_begins = np.cumsum([0, *map(len, args)])[:-1].astype(np.int64)
        self.args_addresses = self.args.ctypes.data + 8 * self.args_begins
        self.outside_places = moving_arguments(
            self.memory, self.steps, self.call_counts, self.args, self.args_begins, self.step_args
        )
        self.calls_python = not all(isinstance(part, Stretch) for part in self.schedule)

    # ---- building --------------------------------------------------------------------------------

    def build_steps(self) -> tuple[list[int], list[list[int]]]:
        """(addresses of the kernels, their arguments); fills `kinds` and `schedule`."""
        addresses: list[int] = []
        args: list[list[int]] = []
        for k, step in enumerate(self.steps):
            step_phases = self.kernel_calls(k)
            self.kinds.append(step_kind(step, needs_python=not step_phases))
            self.call_counts.append(sum(map(len, step_phases)))
            if not step_phases:
                self.schedule.append(python_step(step.results[0]))
            for calls in step_phases:
                extend(self.schedule, len(args), len(calls))
                addresses += [kernel.address for kernel, _ in calls]
                args += [numbers for _, numbers in calls]
        return addresses, args

    def arranged(self, steps: list[Step]) -> list[Step]:
        """The steps, in the same order; fills `calls` and `cuts`, which memory planning reads."""
        self.calls: list[Call | None] = []  # of each step; None if it needs Python
        self.cuts: list[Cut] = []
        for step in steps:
            generated = generated_kernel(step, self.materialized, self.exact)
            call = generated or machine_call(step.results[0], self.blas_threads)
            size = workspace_bytes(step)
            self.calls.append(call)
            self.cuts.append(cut(call, size) if call and self.threads else Cut(1, size))
        return steps

    @property
    def generated(self) -> dict[int, LoopKernel | ArrayKernel]:
        """The kernels that are generated, by step."""
        calls = enumerate(self.calls)
        return {k: call for k, call in calls if isinstance(call, LoopKernel | ArrayKernel)}

    def workspace_bytes(self, k: int) -> int:
        """The bytes that step k needs besides its results, in all its pieces."""
        return self.cuts[k].pieces * self.cuts[k].workspace

    def find_slides(self, lives: Lifetimes) -> dict[Equation, Equation]:
        """The results of loops that are written over an operand."""
        return find_slides(self.generated, self.steps, lives)

    def kernel_calls(self, k: int) -> Phases:
        """The kernel calls of step k, of which some may run at once; [] if it needs Python."""
        call = self.calls[k]
        if call is None:
            return []
        place, workspace = self.memory.offsets.__getitem__, self.memory.workspaces.get(k, 0)
        kernel = call.kernel if isinstance(call, MachineCall) else load_or_compile(call.source)
        slides = self.memory.slides
        rows = spans(call, slides) if isinstance(call, LoopKernel) else [(0, call.rows)]
        return phases(call, kernel, self.cuts[k], place, workspace, rows)

    def outside_arena(self) -> tuple[Equation, ...]:
        """Large inputs and outputs, if they are to stay where they are."""
        return large_arrays(self.program, self.sums) if self.in_place else ()

    def step_args(self, k: int) -> list[int]:
        """The arguments of all kernel calls of step k, one behind the other."""
        return [n for _, numbers in itertools.chain(*self.kernel_calls(k)) for n in numbers]

    # ---- a call ----------------------------------------------------------------------------------

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The program's outputs, new arrays, for these inputs."""
        arena = take_idle(self.arenas) or self.new_arena()
        outside = [as_dense(arrays[k]) for k in self.inputs_outside]
        outside += [np.empty(y.shape, y.dtype) for y in self.outputs_outside]
        if outside:
            arena.set_addresses(self.outside_places, outside)
        for place, k in zip(arena.inputs, self.inputs_copied):
            place[...] = arrays[k]
        self.run_schedule(arena)
        results = self.take_results(arena)
        arena.outside = {}
        self.arenas.append(arena)
        return results

    def take_results(self, arena: Arena) -> list[np.ndarray]:
        """The outputs: arrays that were written for the caller, copies of all others."""
        copies = iter(arena.outputs)
        given = set()
        results = []
        for y, layout in zip(self.program.outputs, self.output_layouts):
            if y in self.outputs_outside and y not in given:
                given.add(y)
                results.append(arena.outside[y])
            elif layout.base in arena.outside:
                results.append(arena.strided_view(layout, y.shape).copy())
            else:
                results.append(next(copies).copy())
        return results

    def run_schedule(self, arena: Arena) -> None:
        """Run all steps."""
        for part in self.schedule:
            if not isinstance(part, Stretch):
                part(arena)
            elif part.is_shared and self.threads > 1:
                self.share_stretch(arena, part)
            else:
                self.run_stretch(arena, part.first, part.last)

    def run_stretch(self, arena: Arena, first: int, last: int) -> None:
        """Run the kernels first..last-1."""
        machine.run_kernels(self.kernels, arena.args_addresses, arena.address, first, last)

    def share_stretch(self, arena: Arena, stretch: Stretch) -> None:
        """Run a stretch's pieces on several threads."""
        if stretch.first not in arena.jobs:
            arena.jobs[stretch.first] = StretchJob(stretch, self.kernels, arena, self.threads)
        pool.run_job(arena.jobs[stretch.first])

    def new_arena(self) -> Arena:
        """An arena with the constants in it."""
        arena = self.arena_within(new_block(self.memory.size))
        arena.inputs = [arena.view(self.program.inputs[k]) for k in self.inputs_copied]
        for y, layout in zip(self.program.outputs, self.output_layouts):
            if layout.base not in self.memory.outside:
                arena.outputs.append(arena.strided_view(layout, y.shape))
        for eqn, value in self.constants.items():
            arena.view(eqn)[...] = value
        return arena

    def arena_within(self, block: np.ndarray) -> Arena:
        """An arena on this block of bytes, with kernel arguments of its own, and nothing in it."""
        arena = Arena(self.memory, block)
        arena.take_args(self.args, self.args_begins)
        return arena

    # ---- for explain -----------------------------------------------------------------------------

    def sources(self) -> dict[int, list[str]]:
        """By step, the sources of the generated kernels that it runs."""
        return {k: [kernel.source] for k, kernel in self.generated.items()}

    def step_calls(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """(kind, function that runs it by itself) of each step, in order."""
        arena = self.new_arena()
        ones = [np.ones(x.shape, x.dtype) for x in self.memory.outside]
        arena.set_addresses(self.outside_places, ones)
        for place in arena.inputs:
            place[...] = 1
        self.run_schedule(arena)  # so that what each step reads is there
        python_steps = iter([part for part in self.schedule if not isinstance(part, Stretch)])
        k = 0
        for kind, count in zip(self.kinds, self.call_counts):
            stretch = partial(self.run_stretch, arena, k, k + count)
            yield kind, stretch if count else partial(next(python_steps), arena)
            k += count
