"""Replaying a program: kernels by address on an arena, and lines in Python where there is none.

Each call borrows an arena and gives it back, so several threads may replay one program; what a call
returns is its own.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np

from ..core.device import find_kernel
from ..core.primitive import registry
from ..cpu.gemm import workspace_size
from . import machine
from .cache import compile_missing, compiled
from .codegen import kernel_of, wide
from .fuse import Step, bodies, fuse, settled
from .lower import numbers
from .memory import ALIGNED, plan
from .program import OWN, Line, Program
from .views import Walk, source, walk

FOR_BLAS = 1e7  # multiplications from which two threads of BLAS beat one of our own
BEYOND_CACHE = 2e6  # numbers in x, y and their product from which one thread of BLAS does


class Planned:
    """A program in steps, with its memory map; nothing is compiled.

    needs(step): how many bytes it needs besides its result; on the CPU, a product's.
    """

    def __init__(self, program: Program, needs: Callable | None = None):
        self.program = settled(program)
        found = bodies(self.program)
        self.stored, self.steps = found.stored, fuse(self.program, found)
        self.memory = plan(
            self.program,
            self.steps,
            {k: n for k, n in enumerate(map(needs or scratch, self.steps)) if n},
        )


class Replay(Planned):
    """A program made ready: its steps' kernels and rows, and arenas to run in.

    blas_threads: how many of them a large product may have; 0 for chunks, which run without Python
    and so without BLAS.
    """

    def __init__(self, program: Program, blas_threads: int = 0):
        super().__init__(program)
        self.blas_threads, self.kinds = blas_threads, []  # kinds: of each step, what runs it
        loops = [kernel_of(step.loop, self.stored) if step.loop else None for step in self.steps]
        compile_missing([kernel.source for kernel in loops if kernel])
        self.arenas = []
        self.constants = {
            line: np.ascontiguousarray(line.static["value"])
            for line in self.program.lines
            if line.op == "constant"
        }
        rows, kernels, self.runs = [], [], []  # runs: stretches (first, last), or a Python step
        for k, (step, kernel) in enumerate(zip(self.steps, loops)):
            found = self.by_loop(k, kernel) if kernel else self.by_itself(k, step.lines[0])
            self.kinds.append(kind(step, found is None))
            if found is None:
                self.runs.append(in_python(step.lines[0]))
                continue
            if not (self.runs and isinstance(self.runs[-1], list)):
                self.runs.append([len(rows), len(rows)])
            self.runs[-1][1] += 1
            kernels.append(found[0].address)
            rows.append(np.array(found[1], np.int64))
        self.kernels, self.rows = np.array(kernels, np.int64), rows
        self.row_places = np.array([row.ctypes.data for row in rows], np.int64)
        self.calls_python = not all(isinstance(run, list) for run in self.runs)
        self.results = [lies(y) for y in self.program.outputs]

    def by_loop(self, k: int, kernel):
        """(kernel, row) of a loop."""
        row = kernel.row(self.memory.begins.__getitem__, self.memory.scratch.get(k, 0))
        return compiled(kernel.source), row

    # ---- steps that are no loops -----------------------------------------------------------------

    def by_itself(self, k: int, line: Line):
        """(kernel, row) of a product or of windows in float32; None for what Python runs."""
        if line.dtype != np.float32:
            return None
        if line.op == "matmul":
            return None if self.for_blas(line) else (machine.multiply, self.product_row(k, line))
        if line.op in ("to_cols", "from_cols"):
            images = line.inputs[0] if line.op == "to_cols" else line
            cols = line if line.op == "to_cols" else line.inputs[0]
            row = [
                self.place(line),
                self.place(line.inputs[0]),
                *images.shape,
                *cols.shape[1:],
                *numbers(line.static["geometry"]),
            ]
            return getattr(machine, line.op), row
        return None

    def for_blas(self, line: Line) -> bool:
        """Whether BLAS is faster, although Python has to call it.

        Our tile reads all of y for every few rows of x, which is cheap while y lies in the cache.
        """
        (m, count), n = line.inputs[0].shape[-2:], line.shape[-1]
        return (
            self.blas_threads > 1
            and line.size * count > FOR_BLAS
            or self.blas_threads > 0
            and m * count + count * n + m * n > BEYOND_CACHE
        )

    def place(self, x: Line) -> int:
        at = lies(x)
        return self.memory.begins[at.base] + at.offset * at.base.dtype.itemsize

    def product_row(self, k: int, line: Line) -> list[int]:
        x, y = line.inputs
        x_t, x_m, x_k = matrix_strides(x)
        y_t, y_k, y_n = matrix_strides(y)
        tasks, m, n, count = batch(line), line.shape[-2], line.shape[-1], x.shape[-1]
        if y_t == 0 and (x_t == m * x_m or tasks == 1):  # one for all tasks: one product
            tasks, m, x_t = 1, m * tasks, 0
        return [
            self.place(line),
            self.place(x),
            self.place(y),
            self.memory.scratch.get(k, 0),
            tasks,
            m,
            n,
            count,
            x_t,
            x_m,
            x_k,
            y_t,
            y_k,
            y_n,
        ]

    # ---- a call ----------------------------------------------------------------------------------

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        arena = idle(self.arenas) or self.new_arena()
        for place, array in zip(arena.inputs, arrays):
            place[...] = array
        for run in self.runs:
            self.drive(arena, *run) if isinstance(run, list) else run(arena)
        results = [place.copy() for place in arena.outputs]
        self.arenas.append(arena)
        return results

    def drive(self, arena: "Arena", first: int, last: int):
        machine.drive(self.kernels, self.row_places, arena.address, first, last)

    # ---- for explain -----------------------------------------------------------------------------

    where = "on the CPU"

    def sources(self) -> list[str]:
        """The source of each loop's kernel."""
        return [kernel_of(step.loop, self.stored).source for step in self.steps if step.loop]

    def timed(self, rounds: int = 9) -> dict[str, float]:
        """Seconds of each kind of step, each step run by itself, the median of some rounds."""
        arena, found, k = self.new_arena(), Counter(), 0
        for place in arena.inputs:
            place[...] = 1
        for run in self.runs:
            self.drive(arena, *run) if isinstance(run, list) else run(arena)
        python = iter([run for run in self.runs if not isinstance(run, list)])
        for kind in self.kinds:
            if kind in ("Python", "BLAS"):
                work = partial(next(python), arena)
            else:
                work, k = partial(self.drive, arena, k, k + 1), k + 1
            found[kind] += float(np.median([seconds(work) for _ in range(rounds)]))
        return dict(found)

    # ---- memory ----------------------------------------------------------------------------------

    def new_arena(self) -> "Arena":
        arena = Arena(self.memory)
        arena.inputs = [arena.view(x) for x in self.program.inputs]
        arena.outputs = [
            arena.walked(at, y.shape) for at, y in zip(self.results, self.program.outputs)
        ]
        for line, value in self.constants.items():
            arena.view(line)[...] = value
        return arena


class Arena:
    """The memory of one call."""

    def __init__(self, memory):
        self.block = np.empty(memory.size + ALIGNED, np.uint8)
        skip = -self.block.ctypes.data % ALIGNED
        self.block, self.begins = self.block[skip:], memory.begins
        self.address = self.block.ctypes.data

    def view(self, line: Line) -> np.ndarray:
        begin = self.begins[line]
        return self.block[begin : begin + line.nbytes].view(line.dtype).reshape(line.shape)

    def walked(self, at: Walk, shape: tuple) -> np.ndarray:
        flat = self.view(at.base).reshape(-1)[at.offset :]
        strides = [s * at.base.dtype.itemsize for s in at.strides]
        return np.lib.stride_tricks.as_strided(flat, shape, strides)


def idle(kept: list):
    """Takes one out; None if there is none, or another thread was faster."""
    try:
        return kept.pop()
    except IndexError:
        return None


def seconds(work: Callable) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def lies(x: Line) -> Walk:
    base, chain = source(x)
    return walk(base, chain, x.shape)


def matrix_strides(x: Line) -> tuple[int, int, int]:
    """Of matrices (.., m, n): from one to the next, and along m and n; those of size 1 are dense."""
    *lead, rows, columns = lies(x).strides
    sizes, (m, n) = x.shape[:-2], x.shape[-2:]
    task = next((s for size, s in zip(reversed(sizes), reversed(lead)) if size > 1), 0)
    return task, rows if m > 1 else n, columns if n > 1 else 1


def batch(line: Line) -> int:
    return int(np.prod(line.shape[:-2]))


def scratch(step: Step) -> int:
    """How many bytes a step needs besides its result."""
    if step.loop:
        return 8 * sum(y.size for y in step.lines if wide(y))
    line = step.lines[0]
    if line.op == "matmul" and line.dtype == np.float32:
        return 4 * workspace_size(*line.inputs[1].shape[:-3:-1])
    return 0


def kind(step: Step, python: bool) -> str:
    """What runs a step: a loop, a product, windows, or by way of Python BLAS or an eager kernel."""
    op = step.lines[0].op
    if python:
        return "BLAS" if op == "matmul" else "Python"
    return "loops" if step.loop else "products" if op == "matmul" else "windows"


def in_python(line: Line) -> Callable:
    """A line by its eager kernel, on views of the arena."""
    inputs = [(lies(x), x.shape) for x in line.inputs]
    kernel = OWN[line.op].kernel if line.op in OWN else find_kernel(registry[line.op], "cpu")

    def run(arena):
        kernel(arena.view(line), *(arena.walked(*x) for x in inputs), **line.static)

    return run
