"""Ranks without MPI: threads of this process that hand arrays to each other."""

import hashlib
import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import tinymeta as tm
from tinymeta.ranks.world import Ranks
from tinymeta.system.world import using


class ThreadMessages:
    """`Messages` of one thread; `shared` is what all have: a queue for each pair, and a table."""

    def __init__(self, rank: int, size: int, shared: "Shared"):
        self.rank, self.size, self.shared = rank, size, shared
        self.count = 0  # of arrays sent
        self.bytes = 0

    def exchange(self, sent, to, received, source):
        assert sent.flags.c_contiguous and received.flags.c_contiguous
        self.count += 1
        self.bytes += sent.nbytes
        self.shared.queues[self.rank, to].put(sent.tobytes())
        data = self.shared.received(source, self.rank)
        assert len(data) == received.nbytes
        received.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)

    def gather(self, value):
        self.shared.values[self.rank] = value
        self.shared.barrier.wait()
        values = list(self.shared.values)
        self.shared.barrier.wait()
        return values

    def largest(self, number):
        return max(self.gather(number))


class Shared:
    def __init__(self, size: int):
        self.queues = {(a, b): queue.Queue() for a in range(size) for b in range(size)}
        self.values = [None] * size
        self.barrier = threading.Barrier(size)  # broken as soon as a rank fails

    def received(self, source: int, rank: int) -> bytes:
        while True:
            try:
                return self.queues[source, rank].get(timeout=0.1)
            except queue.Empty:
                if self.barrier.broken:
                    raise threading.BrokenBarrierError from None


def on_ranks(size: int, work: Callable[[Ranks], Any], threads: int = 1) -> list:
    """work(world) on each of so many ranks at once: its results; the first error is raised."""
    shared = Shared(size)
    results: list = [None] * size
    errors: list = []

    def run(rank: int) -> None:
        try:
            world = Ranks(ThreadMessages(rank, size, shared), threads)
            with using(world):
                results[rank] = work(world)
        except BaseException as error:
            errors.append(error)
            shared.barrier.abort()

    ranks = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return results


def bits(tree: Any) -> str:
    """A hash of all arrays of a tree."""
    arrays = [np.ascontiguousarray(np.asarray(leaf)) for leaf in tm.tree.leaves(tree)]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]
