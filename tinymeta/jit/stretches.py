"""Stretches: kernels that run without Python in between, some of them on several threads at once.

    kernels      0   1   2   3 4 5 6   7   8 9 10 11
    pieces       [0, 3)      3 4 5 6   7   8 9 10 11      one thread takes a piece
    needs        0           1 1 1 1   5   6 6 6 6        pieces that are completed before

In: how many kernels of a program may run at once (pieces.py). Out: for `machine.take_chunks` each
piece is a group of one chunk, which copies nothing; all threads work in the arena of the call.

Invariant: pieces are taken in order, so what a piece waits for has been taken by a thread that is
at work. Cost: a job of a few numbers for each piece, made once for an arena.
"""

from typing import Protocol

import numpy as np

from .arena import Arena
from .call_arrays import address_of


class Stretch:
    """The kernels first..last-1, in pieces (first kernel, the one after the last, needs)."""

    def __init__(self, first: int):
        self.first = self.last = first
        self.pieces: list[tuple[int, int, int]] = []
        self.is_shared = False  # is there something that several threads may do at once?

    def add(self, count: int) -> None:
        """The next `count` kernels may run at once, after all before; single ones go together."""
        if count == 1 and self.pieces and self.pieces[-1][2] == len(self.pieces) - 1:
            first, _, needs = self.pieces.pop()
            self.pieces.append((first, self.last + 1, needs))
        else:
            needs = len(self.pieces)
            kernels = range(self.last, self.last + count)
            self.pieces += [(k, k + 1, needs) for k in kernels]
        self.last += count
        self.is_shared |= count > 1


def extend(schedule: list, first: int, count: int) -> None:
    """The kernels from `first` on, so many, may run at once, after all that is scheduled so far.

    schedule: stretches, and functions that need Python.
    """
    if not schedule or not isinstance(schedule[-1], Stretch):
        schedule.append(Stretch(first))
    schedule[-1].add(count)


class Job(Protocol):
    """What threads take groups of (threads.py)."""

    jobs: list[int]  # the address of each thread's job
    count: int  # of groups
    completed_address: int  # of the counter of those that are completed

    def release_groups(self) -> None:
        """Let groups be taken from now on."""


class Counters:
    """How many groups of a job are taken, and completed; threads raise both."""

    def __init__(self) -> None:
        self.counters = np.zeros(2, np.int64)
        self.completed_address = address_of(self.counters) + 8

    def release_groups(self) -> None:
        """Let groups be taken from now on, also by a worker that is late from the last call."""
        self.counters[1] = 0  # first, as a group that is taken may be completed at once
        self.counters[0] = 0


class StretchJob(Counters):
    """A stretch as a job for some threads, in one arena; kernels: the addresses of all."""

    def __init__(self, stretch: Stretch, kernels: np.ndarray, arena: Arena, threads: int):
        super().__init__()
        self.count = len(stretch.pieces)
        self.kept = (kernels, arena.args_addresses)
        begins = [address_of(table) for table in self.kept]
        chunks, groups = [], []
        for k, (first, end, needs) in enumerate(stretch.pieces):
            tables = [begin + 8 * first for begin in begins]
            chunks.append((*tables, end - first, *(0,) * 6))
            groups.append((k, k + 1, needs))
        self.chunks, self.groups = np.array(chunks, np.int64), np.array(groups, np.int64)
        places = (address_of(a) for a in (self.chunks, self.groups))
        numbers = (*places, self.count, address_of(self.counters), arena.address, 0)
        self.job = np.array(numbers, np.int64)
        self.jobs = [address_of(self.job)] * threads
