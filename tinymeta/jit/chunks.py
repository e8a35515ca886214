"""A split program made ready: its chunks on threads, their sums in the order of the chunks.

Whoever runs a chunk, the same chunks give the same bits on any number of threads.
"""

import itertools

import numpy as np

from ..core.system import cores
from ..cpu.blas import blas_threads
from .desk import Desk
from .replay import Planned, Replay, idle
from .split import Split, work
from .threads import crew

CHUNK_BYTES = 10e6  # of an arena: more leaves the cache
WORTH = 1e-4  # seconds of work below which nobody is called


def made_ready(program, split: Split | None, threads: int | None = None):
    """The program as a function of arrays: in chunks where that is worth it, on threads if there are.

    One thread has chunks, too, where the memory of all tasks together is beyond the cache.
    """
    threads = cores() if threads is None else threads
    if split and sum(map(work, program.lines)) >= WORTH:
        at = edges(split.tasks, Planned(split.whole).memory.size, threads)
        if len(at) > 2:
            return Parallel(split, threads, at)
    return Replay(program, blas_threads=threads)


class Parallel:
    """The three parts of a split program; at: the task where each chunk begins, and where all end."""

    def __init__(self, split: Split, threads: int, at: list[int]):
        self.split, self.threads, self.edges, self.desks = split, threads, at, []
        sizes = {hi - lo for lo, hi in zip(at, at[1:])}
        self.chunks = {size: Replay(split.chunk(size)) for size in sorted(sizes)}
        self.before = Replay(split.before) if split.before.outputs else None
        self.after = Replay(split.after) if split.after.outputs else None
        self.calls_python = any(chunk.calls_python for chunk in self.chunks.values())

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        split = self.split
        values = dict(zip(split.whole.inputs, arrays))
        if self.before:
            values |= zip(split.before.outputs, self.before(arrays))
        desk = idle(self.desks) or self.new_desk()
        desk.begin(values)
        if self.calls_python:
            self.by_python(desk)
        else:
            crew.share(desk)
        values |= desk.results()
        self.desks.append(desk)
        if self.after:
            values |= zip(split.rest, self.after([values[x] for x in split.needed]))
        return [
            values[y].copy() if y in split.whole.inputs else values[y] for y in split.whole.outputs
        ]

    def new_desk(self) -> Desk:
        desk = Desk(self.split, self.edges)
        if not self.calls_python:
            desk.lay_out(self.chunks, self.threads)
        return desk

    def by_python(self, desk: Desk) -> None:
        """The chunks of a program with lines that Python runs; BLAS keeps to one thread meanwhile."""
        left, failed = itertools.count(), []

        def work():
            try:
                while (k := next(left)) < desk.count:
                    given, found = desk.of_chunk(k)
                    for place, y in zip(found, self.chunks[desk.sizes[k]](given)):
                        place[...] = y
            except BaseException as error:
                failed.append(error)

        with blas_threads(1):
            crew.together(work, self.threads)
        if failed:
            raise failed[0]


def edges(tasks: int, size: int, threads: int) -> list[int]:
    """Where chunks begin and end: as many for each thread, of one size if that can be.

    size: bytes of an arena for all tasks; a chunk's is to be near to CHUNK_BYTES, or less.
    """
    counts = [*range(threads, tasks + 1, threads)] or [tasks]
    counts = [n for n in counts if tasks % n == 0] or counts
    count = min(counts, key=lambda n: abs(np.log(max(size / n / CHUNK_BYTES, 1.0))))
    return [tasks * k // count for k in range(count + 1)]
