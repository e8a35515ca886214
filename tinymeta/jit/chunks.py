"""A split program made ready: its chunks on threads, their sums in the order of the chunks.

Whoever runs a chunk, the same chunks give the same bits on any number of threads.
"""

import itertools
import os

import numpy as np

from ..cpu.blas import blas_threads
from .machine import CHUNK
from .program import Line
from .replay import Planned, Replay, lies
from .split import Split, work
from .threads import crew

CHUNK_BYTES = 10e6              # of an arena: more leaves the cache
WORTH = 1e-4                    # seconds of work below which nobody is called


def made_ready(program, split: Split | None, threads: int | None = None):
    """The program as a function of arrays: on threads where that is worth it."""
    threads = len(os.sched_getaffinity(0)) if threads is None else threads
    if split is None or threads < 2 or sum(map(work, program.lines)) < WORTH:
        return Replay(program)
    return Parallel(split, threads)


class Parallel:
    """The three parts of a split program, and how many tasks each chunk has."""

    def __init__(self, split: Split, threads: int, at: list[int] | None = None):
        self.split, self.threads, self.desks = split, threads, []
        self.edges = at or edges(split.tasks, Planned(split.whole).memory.size, threads)
        sizes = {hi - lo for lo, hi in zip(self.edges, self.edges[1:])}
        self.chunks = {size: Replay(split.chunk(size)) for size in sorted(sizes)}
        self.before = Replay(split.before) if split.before.outputs else None
        self.after = Replay(split.after) if split.after.outputs else None
        self.calls_python = any(chunk.calls_python for chunk in self.chunks.values())

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        split = self.split
        values = dict(zip(split.whole.inputs, arrays))
        if self.before:
            values |= zip(split.before.outputs, self.before(arrays))
        desk = self.desks.pop() if self.desks else Desk(self)
        for x in desk.wanted:
            desk.given[x][...] = values[x]
        if self.calls_python:
            self.by_python(desk)
        else:
            crew.share(desk)
        values |= desk.results()
        self.desks.append(desk)
        if self.after:
            rest = [y for y in split.whole.outputs if y not in values]
            values |= zip(rest, self.after([values[x] for x in split.needed]))
        return [values[y] for y in split.whole.outputs]

    def by_python(self, desk: "Desk") -> None:
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


class Desk:
    """The memory of one call: what goes into chunks, what comes out of each, an arena a thread."""

    def __init__(self, parallel: Parallel):
        self.split, self.edges = split, edges = parallel.split, parallel.edges
        self.sizes = [hi - lo for lo, hi in zip(edges, edges[1:])]
        self.count = len(self.sizes)
        self.given = {x: np.array(x.static["value"], order="C") if x.op == "constant" else
                      np.empty(x.shape, x.dtype) for x in (*split.sliced, *split.shared)}
        self.wanted = [x for x in self.given if x.op != "constant"]
        self.joined = {y: np.empty(y.shape, y.dtype) for y in split.joined}
        self.totals, self.sums = {}, []
        for dtype in dict.fromkeys(y.dtype for y in split.totals):     # of one dtype: one row a chunk
            ours = [y for y in split.totals if y.dtype == dtype]
            ends = np.cumsum([0] + [y.size for y in ours])
            table = np.empty((self.count, ends[-1]), dtype)
            self.sums.append((table, ours, ends))
            self.totals |= {y: table[:, a:b].reshape(-1, *y.shape)
                            for y, a, b in zip(ours, ends, ends[1:])}
        if not parallel.calls_python:
            self.lay_out(parallel.chunks, parallel.threads)

    def of_chunk(self, k: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What a chunk gets, and where its results go."""
        def part(array):
            rows = len(array) // self.split.tasks
            return array[rows * self.edges[k]:rows * self.edges[k + 1]]

        given = [part(self.given[x]) for x in self.split.sliced]
        found = [self.totals[y][k, ...] for y in self.split.totals]
        return ([*given, *(self.given[x] for x in self.split.shared)],
                [*found, *(part(self.joined[y]) for y in self.split.joined)])

    def results(self) -> dict[Line, np.ndarray]:
        """Sums of totals, and what was put together task by task."""
        found = {y: a.copy() for y, a in self.joined.items()}
        for table, ours, ends in self.sums:
            total = table.sum(0)
            found |= {y: total[a:b].reshape(y.shape) for y, a, b in zip(ours, ends, ends[1:])}
        return found

    def lay_out(self, replays: dict[int, Replay], threads: int) -> None:
        """The chunks and the jobs as the machine reads them (see machine.py)."""
        self.keep, rows = [], []                        # arrays whose addresses are handed on

        def kept(numbers) -> int:
            self.keep.append(np.array(numbers, np.int64))
            return self.keep[-1].ctypes.data

        for k, size in enumerate(self.sizes):
            replay = replays[size]
            given, found = self.of_chunk(k)
            begins, program = replay.memory.begins, replay.program
            moves_in = [(a.ctypes.data, begins[x], a.nbytes) for x, a in
                        (*zip(program.inputs, given), *replay.constants.items())]
            places = map(lies, program.outputs)
            moves_out = [(begins[at.base] + at.offset * a.itemsize, a.ctypes.data, a.nbytes)
                         for at, a in zip(places, found)]
            rows.append((replay.kernels.ctypes.data, replay.row_places.ctypes.data,
                         len(replay.kernels), kept(moves_in), len(moves_in), kept(moves_out),
                         len(moves_out)))
            assert len(rows[-1]) == CHUNK
        self.arenas = [replays[max(replays, key=lambda n: replays[n].memory.size)].new_arena()
                       for _ in range(threads)]
        self.counters = np.zeros(2, np.int64)
        table = kept(rows)
        self.jobs = [kept((table, self.count, self.counters.ctypes.data, arena.address))
                     for arena in self.arenas]


def edges(tasks: int, size: int, threads: int) -> list[int]:
    """Where chunks begin and end: as many for each thread, of one size if that can be.

    size: bytes of an arena for all tasks; a chunk's is to be near to CHUNK_BYTES, or less.
    """
    counts = [n for n in range(threads, tasks + 1, threads)] or [tasks]
    counts = [n for n in counts if tasks % n == 0] or counts
    count = min(counts, key=lambda n: abs(np.log(max(size / n / CHUNK_BYTES, 1.0))))
    return [tasks * k // count for k in range(count + 1)]
