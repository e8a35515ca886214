"""Replaying on the CPU: kernels by address on an arena, and Python for the steps that need it.

In: a simplified program. Out: a `Replay`, a function of arrays. An arena is one block of bytes in
which all values of one call lie, at the places that memory.py has planned; kernel arguments are
those places, sizes and strides, computed once. So a call is

    copy small inputs into the arena, say where the large ones are
    for each stretch of kernels:   machine.run_kernels(..)      no Python in between
        or a step in Python:       its eager kernel, on views of the arena
    copy small outputs out

Invariants: kernel arguments are offsets into the arena, so any arena will do; each call borrows one
and gives it back, so several threads may replay one program; a call's results are new arrays, which
no later call changes. Cost of a call besides its kernels: a copy of small inputs and outputs, and
20 ns a step. Constants are written into each arena once, when it is made.

Launching each step from Python would be simpler and costs more than most steps take.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import machine
from .arena import OUTSIDE, Arena, OutsidePlaces, dense, new_block, take_idle
from .array_kernels import ArrayKernel
from .cache import compile_missing, load_or_compile
from .codegen import LoopKernel
from .memory import Lifetimes
from .plan import ExecutionPlan
from .program import Equation, Program
from .sliding import find_slides, parts
from .step_kernels import generated_kernel, machine_call, python_step, step_kind
from .views import VIEWS, stored_layout
from .window_rows import without_large_windows

_FAR = 2**48  # bytes: more than any array has


class _Stretch(NamedTuple):
    """The kernels first..last-1, which run one after another without Python."""

    first: int
    last: int


class Replay(ExecutionPlan):
    """A program ready to run on the CPU: arrays in, arrays out.

    in_place: large inputs are read, and large outputs written, where the caller has them
    (arena.py). sums: of a chunk, how many outputs are summed in its arena. blas_threads: how many
    threads a large product may have; 0 for chunks, which run without Python and so without BLAS.
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
    ):
        self.in_place, self.sums = in_place, sums
        self.generated: dict[int, LoopKernel | ArrayKernel] = {}  # by step
        super().__init__(without_large_windows(program))
        self.blas_threads = blas_threads
        self.constants = {
            eqn: np.ascontiguousarray(eqn.static["value"])
            for eqn in self.program.equations
            if eqn.op == "constant"
        }
        self.output_layouts = [stored_layout(y) for y in self.program.outputs]
        inputs, outside = self.program.inputs, self.memory.outside
        self.inputs_outside = [k for k, x in enumerate(inputs) if x in outside]
        self.inputs_copied = [k for k, x in enumerate(inputs) if x not in outside]
        self.outputs_outside = [y for y in outside if y.op != "input"]
        self.arenas: list[Arena] = []  # that no call uses now
        self.kinds: list[str] = []
        self.call_counts: list[int] = []
        self.schedule: list[_Stretch | Callable[[Arena], None]] = []
        addresses, args = self.build_steps()
        self.kernels = np.array(addresses, np.int64)
        self.args = np.array([n for numbers in args for n in numbers], np.int64)
        self.args_begins = np.cumsum([0, *map(len, args)])[:-1].astype(np.int64)
        self.args_addresses = self.args.ctypes.data + 8 * self.args_begins
        self.places = self.find_places()
        self.calls_python = not all(isinstance(part, _Stretch) for part in self.schedule)

    # ---- building --------------------------------------------------------------------------------

    def build_steps(self) -> tuple[list[int], list[list[int]]]:
        """(addresses of the kernels, their arguments); fills `kinds` and `schedule`."""
        compile_missing([kernel.source for kernel in self.generated.values()])
        addresses: list[int] = []
        args: list[list[int]] = []
        for k, step in enumerate(self.steps):
            calls = self.kernel_calls(k)
            self.kinds.append(step_kind(step, needs_python=not calls))
            self.call_counts.append(len(calls))
            if not calls:
                self.schedule.append(python_step(step.results[0]))
                continue
            for kernel, numbers in calls:
                addresses.append(kernel.address)
                args.append(numbers)
            self.extend_stretch(len(args), len(calls))
        return addresses, args

    def find_slides(self, lives: Lifetimes) -> dict[Equation, Equation]:
        """The results of loops that are written over an operand; the kernels are generated here."""
        for k, step in enumerate(self.steps):
            if kernel := generated_kernel(step, self.materialized):
                self.generated[k] = kernel
        return find_slides(self.generated, self.steps, lives)

    def kernel_calls(self, k: int) -> list[tuple[Any, list[int]]]:
        """(compiled kernel, arguments) of each call that step k is; [] if it needs Python."""
        kernel = self.generated.get(k)
        if kernel is None:
            call = machine_call(self, k, self.blas_threads)
            return [call] if call else []
        compiled = load_or_compile(kernel.source)
        place, workspace = self.memory.offsets.__getitem__, self.memory.workspaces.get(k, 0)
        if isinstance(kernel, ArrayKernel):
            return [(compiled, kernel.args(place))]
        pieces = parts(kernel, self.memory.slides)
        return [(compiled, kernel.args(place, workspace, rows)) for rows in pieces]

    def outside_arena(self) -> tuple[Equation, ...]:
        """Large inputs and outputs, if they are to stay where they are."""
        if not self.in_place:
            return ()
        inputs, outputs, copied = self.program.inputs, self.program.outputs, set()
        if self.sums is not None:  # a chunk copies sums and views out of its arena
            copied = {stored_layout(y).base for y in outputs[: self.sums]}
            copied.update(stored_layout(y).base for y in outputs if y.op in VIEWS)
        large = [x for x in inputs if x.nbytes >= OUTSIDE and x not in copied]
        for y in outputs:
            is_stored = y.op not in VIEWS and y.op not in ("input", "constant")
            if is_stored and y not in copied and y.nbytes >= OUTSIDE:
                large.append(y)
        return tuple(dict.fromkeys(large))

    def find_places(self) -> OutsidePlaces:
        """Which kernel arguments move when a value outside is elsewhere: found by moving them."""
        values, offsets = self.memory.outside, self.memory.offsets
        moved = self.args.copy()
        for k, x in enumerate(values, 1):
            offsets[x] = k * _FAR
        call = 0
        for step, count in enumerate(self.call_counts):
            touched = (*self.steps[step].reads, *self.steps[step].results)
            if count and any(x in values for x in touched):
                for j, (_, numbers) in enumerate(self.kernel_calls(step), call):
                    begin = self.args_begins[j]
                    moved[begin : begin + len(numbers)] = numbers
            call += count
        offsets.update(dict.fromkeys(values, 0))
        distance = moved - self.args
        indices = np.flatnonzero(distance)
        return OutsidePlaces(values, indices, distance[indices] // _FAR - 1, self.args[indices])

    def extend_stretch(self, last: int, count: int) -> None:
        """The `count` kernels before `last` run after all steps so far."""
        if self.schedule and isinstance(self.schedule[-1], _Stretch):
            self.schedule[-1] = _Stretch(self.schedule[-1].first, last)
        else:
            self.schedule.append(_Stretch(last - count, last))

    # ---- a call ----------------------------------------------------------------------------------

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The program's outputs, new arrays, for these inputs."""
        arena = take_idle(self.arenas) or self.new_arena()
        outside = [dense(arrays[k]) for k in self.inputs_outside]
        outside += [np.empty(y.shape, y.dtype) for y in self.outputs_outside]
        if outside:
            arena.bind(self.places, outside)
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
            if isinstance(part, _Stretch):
                self.run_stretch(arena, *part)
            else:
                part(arena)

    def run_stretch(self, arena: Arena, first: int, last: int) -> None:
        """Run the kernels first..last-1."""
        machine.run_kernels(self.kernels, arena.args_addresses, arena.address, first, last)

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
        arena.bind(self.places, [np.ones(x.shape, x.dtype) for x in self.memory.outside])
        for place in arena.inputs:
            place[...] = 1
        self.run_schedule(arena)  # so that what each step reads is there
        python_steps = iter([part for part in self.schedule if not isinstance(part, _Stretch)])
        k = 0
        for kind, count in zip(self.kinds, self.call_counts):
            if not count:
                yield kind, partial(next(python_steps), arena)
            else:
                yield kind, partial(self.run_stretch, arena, k, k + count)
                k += count
