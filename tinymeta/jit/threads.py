"""Chunks on threads: some helpers that wait for work, and a call that spreads its chunks over them.

Handing work to a helper that waits costs some microseconds, starting a thread a hundred. Kernels
hold no lock, so chunks really run at once. Sums are added in the order of the chunks, whoever ran
them: the same chunks give the same bits on any number of threads.
"""

import itertools
import os
import threading
from collections.abc import Callable

import numpy as np

from ..cpu.blas import blas_threads
from .machine import await_round
from .replay import Planned, Replay
from .split import Split, work

CHUNK_BYTES = 10e6              # of an arena: more leaves the cache
WORTH = 1e-4                    # seconds of work below which nobody is called
LOOKS = 200_000                 # at a counter before a thread goes to sleep: about 0.2 ms


class Helper(threading.Thread):
    """Waits, runs what it is given, says that it is done.

    Two locks say so, and two counters, which whoever waits looks at for a while before it sleeps.
    """

    def __init__(self):
        super().__init__(daemon=True, name="tinymeta chunks")
        self.work, self.round, self.go, self.done = None, 0, threading.Lock(), threading.Lock()
        self.go.acquire()
        self.done.acquire()
        self.counters = np.zeros(16, np.int64)              # a line of the cache for each of the two
        self.asked, self.finished = (self.counters[k:].ctypes.data for k in (0, 8))
        self.start()

    def run(self):
        for number in itertools.count(1):
            await_round(self.asked, number, LOOKS)
            self.go.acquire()
            self.work()
            self.done.release()
            self.counters[8] = number

    def begin(self, work: Callable) -> None:
        self.work, self.round = work, self.round + 1
        self.go.release()
        self.counters[0] = self.round

    def end(self) -> None:
        await_round(self.finished, self.round, LOOKS)
        self.done.acquire()


class Crew:
    """The helpers of this process; one call at a time has them."""

    def __init__(self):
        self.helpers, self.process, self.busy = [], os.getpid(), threading.Lock()

    def together(self, work: Callable, count: int) -> None:
        """Run work() here and on count - 1 helpers at once; only here if others have them."""
        if self.process != os.getpid():             # a fork has no threads but its own
            self.__init__()
        if count < 2 or not self.busy.acquire(blocking=False):
            return work()
        try:
            while len(self.helpers) < count - 1:
                self.helpers.append(Helper())
            for helper in self.helpers[:count - 1]:
                helper.begin(work)
            work()
            for helper in self.helpers[:count - 1]:
                helper.end()
        finally:
            self.busy.release()


crew = Crew()


class Parallel:
    """A split program made ready: its three parts, and how many tasks each chunk has."""

    def __init__(self, split: Split, threads: int):
        self.split, self.threads = split, threads
        self.edges = edges(split.tasks, Planned(split.whole).memory.size, threads)
        sizes = {hi - lo for lo, hi in zip(self.edges, self.edges[1:])}
        self.chunks = {size: Replay(split.chunk(size)) for size in sorted(sizes)}
        self.before = Replay(split.before) if split.before.outputs else None
        self.after = Replay(split.after) if split.after.outputs else None
        self.known = {x: x.static["value"] for x in split.sliced if x.op == "constant"}
        self.calls_blas = any(chunk.calls_python for chunk in self.chunks.values())

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        split = self.split
        values = {**self.known, **dict(zip(split.whole.inputs, arrays))}
        if self.before:
            values |= zip(split.before.outputs, self.before(arrays))
        shared = [values[x] for x in split.shared]
        results, jobs = [None] * (len(self.edges) - 1), itertools.count()
        failed = []

        def work():
            try:
                while (k := next(jobs)) < len(results):
                    lo, hi = self.edges[k:k + 2]
                    parts = [values[x][cut(x, lo):cut(x, hi)] for x in split.sliced]
                    results[k] = self.chunks[hi - lo]([*parts, *shared])
            except BaseException as error:
                failed.append(error)

        def cut(x, k):
            return x.shape[0] // split.tasks * k

        if self.calls_blas:
            with blas_threads(1):
                crew.together(work, self.threads)
        else:
            crew.together(work, self.threads)
        if failed:
            raise failed[0]
        count = len(split.totals)
        for k, y in enumerate((*split.totals, *split.joined)):
            parts = [result[k] for result in results]
            values[y] = added(parts) if k < count else np.concatenate(parts)
        if self.after:
            rest = [y for y in split.whole.outputs if y not in values]
            values |= zip(rest, self.after([values[x] for x in split.needed]))
        return [values[y] for y in split.whole.outputs]


def added(parts: list[np.ndarray]) -> np.ndarray:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def edges(tasks: int, size: int, threads: int) -> list[int]:
    """Where chunks begin and end: as many for each thread, of one size if that can be.

    size: bytes of an arena for all tasks; a chunk's is to be near to CHUNK_BYTES, or less.
    """
    counts = [n for n in range(threads, tasks + 1, threads)] or [tasks]
    counts = [n for n in counts if tasks % n == 0] or counts
    count = min(counts, key=lambda n: abs(np.log(max(size / n / CHUNK_BYTES, 1.0))))
    return [tasks * k // count for k in range(count + 1)]


def made_ready(program, split: Split | None, threads: int | None = None):
    """The program as a function of arrays: on threads where that is worth it."""
    threads = len(os.sched_getaffinity(0)) if threads is None else threads
    if split is None or threads < 2 or sum(map(work, program.lines)) < WORTH:
        return Replay(program)
    return Parallel(split, threads)
