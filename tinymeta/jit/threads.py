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
from .replay import Replay
from .split import Split, work

CHUNK_BYTES = 20e6              # of an arena: more leaves the cache
WORTH = 1e-4                    # seconds of work below which nobody is called


class Helper(threading.Thread):
    """Waits, runs what it is given, says that it is done."""

    def __init__(self):
        super().__init__(daemon=True, name="tinymeta chunks")
        self.work, self.go, self.done = None, threading.Semaphore(0), threading.Semaphore(0)
        self.start()

    def run(self):
        while True:
            self.go.acquire()
            self.work()
            self.done.release()


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
                helper.work = work
                helper.go.release()
            work()
            for helper in self.helpers[:count - 1]:
                helper.done.acquire()
        finally:
            self.busy.release()


crew = Crew()


class Parallel:
    """A split program made ready: its three parts, and how many tasks each chunk has."""

    def __init__(self, split: Split, whole: Replay, threads: int):
        self.split, self.threads = split, threads
        self.edges = edges(split.tasks, whole.memory.size, threads)
        sizes = {hi - lo for lo, hi in zip(self.edges, self.edges[1:])}
        self.chunks = {size: Replay(split.chunk(size)) for size in sorted(sizes)}
        self.before = Replay(split.before) if split.before.outputs else None
        self.after = Replay(split.after) if split.after.outputs else None
        self.calls_blas = any(chunk.calls_python for chunk in self.chunks.values())

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        split = self.split
        values = dict(zip(split.whole.inputs, arrays))
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
    """Where chunks begin and end: small enough for the cache, as many for each thread."""
    count = max(threads, -(-size // int(CHUNK_BYTES)))
    count = min(tasks, -(-count // threads) * threads)
    return [tasks * k // count for k in range(count + 1)]


def made_ready(program, split: Split | None, threads: int | None = None):
    """The program as a function of arrays: on threads where that is worth it."""
    whole = Replay(program)
    threads = len(os.sched_getaffinity(0)) if threads is None else threads
    if split is None or threads < 2 or sum(map(work, program.lines)) < WORTH:
        return whole
    return Parallel(split, whole, threads)
