"""Running a split program: its chunks on threads, its sums in the order of the chunks.

In: a program and its `Split`. Out: a function of arrays, a `ChunkedReplay` or, where that is not
worth it, a `Replay` of the whole.

Invariant: the same chunks give the same bits on any number of threads, whichever thread runs which.
One thread has chunks, too, where the memory of all tasks together is larger than the cache.

Cost besides the work: a copy of each chunk's inputs and results. If a step needs Python, threads
take turns at Python's lock between steps.
"""

import itertools
from collections.abc import Callable

import numpy as np

from ..core.system import cores
from ..cpu.blas import blas_threads
from .plan import ExecutionPlan
from .program import Program
from .replay import Replay, take_idle
from .split import Split, estimated_seconds
from .threads import pool
from .work_buffers import WorkBuffers

CHUNK_BYTES = 10e6  # of an arena: more leaves the cache
WORTH_SPLITTING = 1e-4  # seconds of work below which a program is run whole


def build_replay(program: Program, split: Split | None, threads: int | None = None) -> Callable:
    """The program as a function of arrays: in chunks where that is worth it.

    threads: by default as many as there are cores.
    """
    threads = cores() if threads is None else threads
    if split and sum(map(estimated_seconds, program.equations)) >= WORTH_SPLITTING:
        arena_size = ExecutionPlan(split.whole).memory.size
        bounds = chunk_bounds(split.tasks, arena_size, threads)
        if len(bounds) > 2:
            return ChunkedReplay(split, threads, bounds)
    return Replay(program, blas_threads=threads)


class ChunkedReplay:
    """The three parts of a split program: arrays in, arrays out.

    bounds: the task where each chunk begins, and where the last one ends.
    """

    def __init__(self, split: Split, threads: int, bounds: list[int]):
        self.split, self.threads, self.bounds = split, threads, bounds
        sizes = {end - begin for begin, end in zip(bounds, bounds[1:])}
        self.chunks = {size: Replay(split.chunk(size)) for size in sorted(sizes)}
        self.before = Replay(split.before) if split.before.outputs else None
        self.after = Replay(split.after) if split.after.outputs else None
        self.calls_python = any(chunk.calls_python for chunk in self.chunks.values())
        self.idle_buffers: list[WorkBuffers] = []  # that no call uses now

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The whole program's outputs, new arrays, for these inputs."""
        split = self.split
        values = dict(zip(split.whole.inputs, arrays))
        if self.before:
            values |= zip(split.before.outputs, self.before(arrays))
        values |= self.run_chunks(values)
        if self.after:
            after_arrays = [values[x] for x in split.after_inputs]
            values |= zip(split.after_outputs, self.after(after_arrays))
        outputs = []
        for y in split.whole.outputs:
            outputs.append(values[y].copy() if y in split.whole.inputs else values[y])
        return outputs

    def run_chunks(self, values: dict) -> dict:
        """The reduced and concatenated values, from the mapped and broadcast ones."""
        buffers = take_idle(self.idle_buffers) or self.new_buffers()
        buffers.load(values)
        if self.calls_python:
            self.run_chunks_in_python(buffers)
        else:
            pool.run_chunks(buffers)
        results = buffers.results()
        self.idle_buffers.append(buffers)
        return results

    def new_buffers(self) -> WorkBuffers:
        """Memory for one call."""
        buffers = WorkBuffers(self.split, self.bounds)
        if not self.calls_python:
            buffers.build_jobs(self.chunks, self.threads)
        return buffers

    def run_chunks_in_python(self, buffers: WorkBuffers) -> None:
        """Run chunks with steps that need Python; BLAS keeps to one thread meanwhile."""
        numbers = itertools.count()  # `next` is atomic: each chunk is taken once
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while (k := next(numbers)) < buffers.count:
                    inputs, places = buffers.chunk_arrays(k)
                    chunk = self.chunks[buffers.sizes[k]]
                    for place, y in zip(places, chunk(inputs)):
                        place[...] = y
            except BaseException as error:
                errors.append(error)

        with blas_threads(1):
            pool.run_on_each(work, self.threads)
        if errors:
            raise errors[0]


def chunk_bounds(tasks: int, arena_size: int, threads: int) -> list[int]:
    """The task where each chunk begins, and where the last one ends.

    As many chunks for each thread, of one size if that can be, whose arenas are near to CHUNK_BYTES
    or less. arena_size: bytes of an arena for all tasks.
    """
    counts = [*range(threads, tasks + 1, threads)] or [tasks]
    even_counts = [count for count in counts if tasks % count == 0]

    def excess(count: int) -> float:
        """How far a chunk's arena is beyond CHUNK_BYTES; 0 if it is not."""
        return np.log(max(arena_size / count / CHUNK_BYTES, 1.0))

    count = min(even_counts or counts, key=excess)
    return [tasks * k // count for k in range(count + 1)]
