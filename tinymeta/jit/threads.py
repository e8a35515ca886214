"""Helpers: threads that wait for work, and calls that share theirs with them.

Two things are slow here, and both are left out: to wake a thread that sleeps (50 us and more), and
to pass Python's lock from one thread to another (as much). So a helper looks at its mail for a while
before it sleeps, it does so in machine code, and there it also runs chunks that are kernels alone.
Nobody waits for one that is late to such chunks: those that it does not take are taken by others.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from .desk import Desk, address
from .machine import ASKED, ASLEEP, DONE, JOB, LETTERS, exchange, reached, serve, take_chunks

LOOKS = 200_000  # at a counter before a thread goes to sleep: about 0.1 ms


class Helper(threading.Thread):
    """Waits for its mail, does what is in it, says that it is done.

    The mail: rounds asked for, rounds done, whether it sleeps, the job of this round (0: `work`).
    """

    def __init__(self):
        super().__init__(daemon=True, name="tinymeta chunks")
        self.mail = np.zeros(LETTERS, np.int64)
        self.address, self.work = address(self.mail), None
        self.bed = threading.Lock()
        self.bed.acquire()
        self.start()

    def run(self):
        while True:
            if serve(self.address, LOOKS):
                self.work()
                self.put(DONE, self.mail[ASKED])
            else:
                self.sleep()

    def sleep(self) -> None:
        """Until it is woken; not if it was called while it went to bed."""
        self.put(ASLEEP, 1)
        if self.mail[ASKED] == self.mail[DONE] or not self.put(ASLEEP, 0):
            self.bed.acquire()

    def begin(self, work, job: int = 0) -> bool:
        """Ask it to run work(), or to take the chunks of a job, whose memory is kept alive by `work`.

        False if it is not back from the last time.
        """
        if self.mail[DONE] < self.mail[ASKED]:
            return False
        self.work, self.mail[JOB] = work, job
        self.put(ASKED, self.mail[ASKED] + 1)
        if self.put(ASLEEP, 0):
            self.bed.release()
        return True

    def end(self) -> None:
        wait(self.address + 8 * DONE, self.mail[ASKED])

    def put(self, letter: int, value: int) -> int:
        """Into the mail, for both threads to see; what was there before."""
        return exchange(self.address + 8 * letter, value)


def wait(counter: int, number: int) -> None:
    """Until the counter at this address is `number`."""
    while not reached(counter, number, LOOKS):
        time.sleep(0)  # here Ctrl-C is heard


class Crew:
    """The helpers of this process; one call at a time has them."""

    def __init__(self):
        self.helpers, self.process, self.busy = [], os.getpid(), threading.Lock()

    @contextmanager
    def some(self, count: int) -> Iterator[list[Helper]]:
        """So many helpers; none if others have them."""
        if self.process != os.getpid():  # a fork has no threads but its own
            self.__init__()
        if count < 1 or not self.busy.acquire(blocking=False):
            yield []
            return
        try:
            while len(self.helpers) < count:
                self.helpers.append(Helper())
            yield self.helpers[:count]
        finally:
            self.busy.release()

    def together(self, work: Callable, count: int) -> None:
        """Run work() here and on count - 1 helpers at once."""
        with self.some(count - 1) as helpers:
            asked = [helper for helper in helpers if helper.begin(work)]
            try:
                work()
            finally:
                for helper in asked:
                    helper.end()

    def share(self, desk: Desk) -> None:
        """Run the chunks of a desk here and on helpers, as many as it has jobs for."""
        first, *others = desk.jobs
        desk.open()
        with self.some(len(others)) as helpers:
            for helper, job in zip(helpers, others):
                helper.begin(desk, job)
            take_chunks(first)
            wait(desk.done, desk.count)


crew = Crew()
