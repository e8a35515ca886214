"""Replaying on the CPU: kernels by address on an arena, and Python for the steps that need it.

In: a simplified program. Out: a `Replay`, a function of arrays. An arena is one block of bytes in
which all values of one call lie, at the places that memory.py has planned; kernel arguments are
those places, sizes and strides, computed once. So a call is

    copy the inputs into the arena
    for each stretch of kernels:   machine.run_kernels(..)      no Python in between
        or a step in Python:       its eager kernel, on views of the arena
    copy the outputs out

Invariants: kernel arguments are offsets into the arena, so any arena will do; each call borrows one
and gives it back, so several threads may replay one program; a call's results are copies, which no
later call changes. Cost of a call besides its kernels: a copy of inputs and outputs, and 20 ns a
step. Constants are written into each arena once, when it is made.

Launching each step from Python would be simpler and costs more than most steps take.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import machine
from .array_kernels import ArrayKernel
from .cache import compile_missing, load_or_compile
from .codegen import LoopKernel
from .memory import ALIGNMENT, Memory
from .plan import ExecutionPlan
from .program import Equation, Program
from .step_kernels import generated_kernel, machine_call, python_step, step_kind
from .views import StridedLayout, stored_layout


class _Stretch(NamedTuple):
    """The kernels first..last-1, which run one after another without Python."""

    first: int
    last: int


class Replay(ExecutionPlan):
    """A program ready to run on the CPU: arrays in, arrays out.

    blas_threads: how many threads a large product may have; 0 for chunks, which run without Python
    and so without BLAS. kinds: of each step, what runs it. calls_python: does any step need Python?
    """

    where = "on the CPU"

    def __init__(self, program: Program, blas_threads: int = 0):
        super().__init__(program)
        self.blas_threads = blas_threads
        self.constants = {
            eqn: np.ascontiguousarray(eqn.static["value"])
            for eqn in self.program.equations
            if eqn.op == "constant"
        }
        self.output_layouts = [stored_layout(y) for y in self.program.outputs]
        self.arenas: list[Arena] = []  # that no call uses now
        self.kinds: list[str] = []
        self.schedule: list[_Stretch | Callable[[Arena], None]] = []
        addresses, args = self.build_steps()
        self.kernels = np.array(addresses, np.int64)
        self.args = args  # kept alive, as the kernels get their addresses
        self.args_addresses = np.array([numbers.ctypes.data for numbers in args], np.int64)
        self.calls_python = not all(isinstance(part, _Stretch) for part in self.schedule)

    # ---- building --------------------------------------------------------------------------------

    def build_steps(self) -> tuple[list[int], list[np.ndarray]]:
        """(addresses of the kernels, their arguments); fills `kinds` and `schedule`."""
        generated = self.generated_kernels()
        compile_missing([kernel.source for kernel in generated.values()])
        addresses: list[int] = []
        args: list[np.ndarray] = []
        for k, step in enumerate(self.steps):
            if k in generated:
                call = self.generated_call(k, generated[k])
            else:
                call = machine_call(self, k, self.blas_threads)
            self.kinds.append(step_kind(step, needs_python=call is None))
            if call is None:
                self.schedule.append(python_step(step.results[0]))
                continue
            kernel, numbers = call
            addresses.append(kernel.address)
            args.append(np.array(numbers, np.int64))
            self.extend_stretch(len(args))
        return addresses, args

    def generated_kernels(self) -> dict[int, LoopKernel | ArrayKernel]:
        """The generated kernel of each step that has one."""
        found = {}
        for k, step in enumerate(self.steps):
            if kernel := generated_kernel(step, self.materialized):
                found[k] = kernel
        return found

    def generated_call(self, k: int, kernel: LoopKernel | ArrayKernel) -> Any:
        """(compiled kernel, arguments) of step k."""
        workspace = self.memory.workspaces.get(k, 0)
        numbers = kernel.args(self.memory.offsets.__getitem__, workspace)
        return load_or_compile(kernel.source), numbers

    def extend_stretch(self, last: int) -> None:
        """The kernel before `last` runs after all steps so far."""
        if self.schedule and isinstance(self.schedule[-1], _Stretch):
            self.schedule[-1] = _Stretch(self.schedule[-1].first, last)
        else:
            self.schedule.append(_Stretch(last - 1, last))

    # ---- a call ----------------------------------------------------------------------------------

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The program's outputs, new arrays, for these inputs."""
        arena = take_idle(self.arenas) or self.new_arena()
        for place, array in zip(arena.inputs, arrays):
            place[...] = array
        self.run_schedule(arena)
        results = [place.copy() for place in arena.outputs]
        self.arenas.append(arena)
        return results

    def run_schedule(self, arena: "Arena") -> None:
        """Run all steps."""
        for part in self.schedule:
            if isinstance(part, _Stretch):
                self.run_stretch(arena, *part)
            else:
                part(arena)

    def run_stretch(self, arena: "Arena", first: int, last: int) -> None:
        """Run the kernels first..last-1."""
        machine.run_kernels(self.kernels, self.args_addresses, arena.address, first, last)

    def new_arena(self, size: int = 0) -> "Arena":
        """An arena with the constants in it; size: more bytes than it needs, if more are wanted."""
        arena = Arena(self.memory, max(size, self.memory.size))
        arena.inputs = [arena.view(x) for x in self.program.inputs]
        for y, layout in zip(self.program.outputs, self.output_layouts):
            arena.outputs.append(arena.strided_view(layout, y.shape))
        for eqn, value in self.constants.items():
            arena.view(eqn)[...] = value
        return arena

    # ---- for explain -----------------------------------------------------------------------------

    def sources(self) -> dict[int, list[str]]:
        """By step, the sources of the generated kernels that it runs."""
        return {k: [kernel.source] for k, kernel in self.generated_kernels().items()}

    def step_calls(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """(kind, function that runs it by itself) of each step, in order."""
        arena = self.new_arena()
        for place in arena.inputs:
            place[...] = 1
        self.run_schedule(arena)  # so that what each step reads is there
        python_steps = iter([part for part in self.schedule if not isinstance(part, _Stretch)])
        k = 0
        for kind in self.kinds:
            if kind in ("Python", "BLAS"):
                yield kind, partial(next(python_steps), arena)
            else:
                yield kind, partial(self.run_stretch, arena, k, k + 1)
                k += 1


class Arena:
    """The memory of one call, of `size` bytes; inputs, outputs: views of it."""

    def __init__(self, memory: Memory, size: int):
        block = np.empty(size + ALIGNMENT, np.uint8)
        skipped = -block.ctypes.data % ALIGNMENT
        self.block, self.offsets = block[skipped:], memory.offsets
        self.address = self.block.ctypes.data
        self.inputs: list[np.ndarray] = []
        self.outputs: list[np.ndarray] = []

    def view(self, eqn: Equation) -> np.ndarray:
        """A stored value, as an array in this memory."""
        begin = self.offsets[eqn]
        return self.block[begin : begin + eqn.nbytes].view(eqn.dtype).reshape(eqn.shape)

    def strided_view(self, layout: StridedLayout, shape: tuple[int, ...]) -> np.ndarray:
        """A value with this layout, as an array in this memory."""
        flat = self.view(layout.base).reshape(-1)[layout.offset :]
        strides = [s * layout.base.dtype.itemsize for s in layout.strides]
        return np.lib.stride_tricks.as_strided(flat, shape, strides)


def take_idle(kept: list) -> Any:
    """Takes one out of a list; None if there is none, or another thread was faster."""
    try:
        return kept.pop()
    except IndexError:
        return None
