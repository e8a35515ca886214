"""Worker threads that wait for work, and calls that share theirs with them.

In: a function, or a job that needs no Python: chunks, or pieces of a stretch. Out: it has been run,
by this thread and by workers.

Two things are slow and are avoided: waking a thread that sleeps (50 us and more), and passing
Python's lock from one thread to another (as much). So a worker spins for a while before it parks
(sleeps on a lock), it spins in machine code, and there it also runs chunks that need no Python. A
thread pool of the standard library does both for every job. With `ThreadPoolExecutor` in its place,
in turn in one process on two cores that had more to do, the sinusoid step took 0.35 instead of
0.27 ms at best and 0.37 instead of 0.34 in the fastest tenth (another time 0.32 and 0.25, 0.41 and
0.36), the conv4 step 1244 instead of 1150 ms at best, 1562 instead of 1469 in the middle.

A caller and a worker talk through four shared flags, int64 in cache lines of their own:

    REQUESTED   how many jobs the caller has asked for        written by the caller
    COMPLETED   how many the worker has completed             written by the worker
    PARKED      1 while the worker sleeps, or is about to     exchanged by both
    JOB         the address of the job; 0 for a function      written by the caller

Invariant: no request is slept through. A worker sets PARKED before it reads REQUESTED for the last
time, a caller raises REQUESTED before it reads PARKED, and only the one that exchanges a 1 in
PARKED for 0 acts on it: the caller wakes the worker, or the worker stays awake. Chunks are taken
one at a time by threads that are free, so a late worker delays no call: others take its chunks.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .call_arrays import address_of
from .machine import (
    COMPLETED,
    FLAGS,
    JOB,
    PARKED,
    REQUESTED,
    exchange_flag,
    serve,
    spin_until,
    take_chunks,
)
from .stretches import Job

_SPIN_LIMIT = 200_000  # reads of a counter before a thread parks: about 0.1 ms


class _Worker(threading.Thread):
    """A thread that runs one job after another; it never ends, and does not keep Python alive."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="tinymeta chunks")
        self.flags = np.zeros(FLAGS, np.int64)
        self.address = address_of(self.flags)
        self.work: Any = None  # the function to run, or what keeps the memory of a job alive
        self.parked = threading.Lock()  # held while there is no reason to wake up
        self.parked.acquire()
        self.start()

    def run(self) -> None:
        """Serve jobs in machine code, functions here, and park when none comes."""
        while True:
            if serve(self.address, _SPIN_LIMIT):
                self.work()
                self.exchange(COMPLETED, self.flags[REQUESTED])
            else:
                self.park()

    def park(self) -> None:
        """Sleep until there is a job; do not, if one came in the meantime."""
        self.exchange(PARKED, 1)
        no_job = self.flags[REQUESTED] == self.flags[COMPLETED]
        if no_job or not self.exchange(PARKED, 0):
            self.parked.acquire()

    def submit(self, work: Any, job: int = 0) -> bool:
        """Ask it to run work(), or, if `job` is an address, to take that job's chunks.

        `work` then keeps the job's memory alive. Returns False, and does nothing, if the worker has
        not completed its last job.
        """
        if self.flags[COMPLETED] < self.flags[REQUESTED]:
            return False
        self.work = work
        self.flags[JOB] = job
        self.exchange(REQUESTED, self.flags[REQUESTED] + 1)
        if self.exchange(PARKED, 0):
            self.parked.release()
        return True

    def wait_until_completed(self) -> None:
        """Wait until its last job is done."""
        wait(self.address + 8 * COMPLETED, self.flags[REQUESTED])

    def exchange(self, flag: int, value: int) -> int:
        """Set a flag, for both threads to see; returns its value before."""
        return exchange_flag(self.address + 8 * flag, value)


def wait(counter: int, number: int) -> None:
    """Wait until the counter at this address is at least `number`."""
    while not spin_until(counter, number, _SPIN_LIMIT):
        time.sleep(0)  # back in Python, where Ctrl-C is noticed


class ThreadPool:
    """The workers of this process; one call at a time has them, and the others run alone."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        """No workers: at first, and in a fork, which has no threads but its own."""
        self.workers: list[_Worker] = []
        self.process = os.getpid()
        self.busy = threading.Lock()

    @contextmanager
    def borrow(self, count: int) -> Iterator[list[_Worker]]:
        """So many workers for a `with` block; none if another call has them."""
        if self.process != os.getpid():
            self._reset()
        if count < 1 or not self.busy.acquire(blocking=False):
            yield []
            return
        try:
            while len(self.workers) < count:
                self.workers.append(_Worker())
            yield self.workers[:count]
        finally:
            self.busy.release()

    def run_on_each(self, work: Callable[[], Any], count: int) -> None:
        """Run work() here and on count - 1 workers at once."""
        with self.borrow(count - 1) as workers:
            running = [worker for worker in workers if worker.submit(work)]
            try:
                work()
            finally:
                for worker in running:
                    worker.wait_until_completed()

    def run_job(self, job: Job) -> None:
        """Run all groups of a job, here and on as many workers as there are other threads' jobs."""
        own_job, *other_jobs = job.jobs
        job.release_groups()
        with self.borrow(len(other_jobs)) as workers:
            for worker, address in zip(workers, other_jobs):
                worker.submit(job, address)
            take_chunks(own_job)
            wait(job.completed_address, job.count)


pool = ThreadPool()
