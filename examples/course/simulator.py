"""A GPU of one block at a time, on the CPU, that is strict where a real one is silent.

In: a kernel written with the names of numba.cuda, and arrays. Out: the arrays, filled. The threads
of a block take turns: each runs to its next barrier, in the order that is asked for. So what comes
out is the same each time, and a fault is found even where its result happens to be right:

    an element outside of its array                  a real GPU reads or destroys something else
    an element of shared memory that nobody wrote    it has any value there
    two threads at one element, one of them writing, with no barrier between: a race
    a barrier that some threads of a block never reach: a real GPU waits for them for ever

Cost: a thread of Python for each of the GPU's, so some hundred of them a kernel. Blocks run one
after another, and never wait for one another. What is noted of memory is in simulator_memory.py.
"""

import ctypes
import inspect
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from simulator_memory import Memory, current

MOST_BARRIERS = 100  # of a block; the kernels here need ten, and more say that a loop never ends


class Thread:
    """A thread of the GPU: its place, and whose turn it is."""

    def __init__(self, block: "Block", index: int):
        self.block, self.index = block, index
        self.shared_count = 0  # how many shared arrays it has asked for
        self.turn, self.paused = threading.Semaphore(0), threading.Semaphore(0)
        self.done, self.error, self.ident = False, None, 0

    def run(self, kernel: Callable, arguments: Sequence) -> None:
        current.thread = self
        self.ident = threading.get_ident()
        try:
            self._wait_for_turn()
            kernel(*arguments)
        except BaseException as error:
            self.error = error
        self.done = True
        self.paused.release()

    def traceback_now(self, error: BaseException) -> types.TracebackType | None:
        """Where the thread is: found by raising such an error in it, which ends it."""
        ident, kind = ctypes.c_ulong(self.ident), ctypes.py_object(type(error))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, kind)
        self.turn.release()  # it may wait at a barrier
        self.paused.acquire(timeout=5)
        return self.error.__traceback__ if self.error else None

    def wait_at_barrier(self) -> None:
        self.paused.release()
        self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        self.turn.acquire()
        if self.block.stopped:
            raise SystemExit


class Block:
    """The threads of a block, and what they share."""

    def __init__(self, index: int, threads: int):
        self.index, self.interval = index, 0  # how many barriers are over
        self.stopped = False
        self.threads = [Thread(self, k) for k in range(threads)]
        self.running = self.threads[0]  # whose turn it is
        self.shared: list[Memory] = []

    def run(self, kernel: Callable, arguments: Sequence, order: Sequence[int]) -> None:
        for thread in self.threads:
            work = (kernel, arguments)
            threading.Thread(target=thread.run, args=work, daemon=True).start()
        try:
            self._take_turns(order)
        except TimeoutError as error:  # time has run out: in which line of the kernel?
            self.stopped = True
            raise error.with_traceback(self.running.traceback_now(error)) from None
        finally:  # after a fault the others end, too
            self.stopped = True
            for thread in self.threads:
                thread.turn.release()

    def _take_turns(self, order: Sequence[int]) -> None:
        while True:
            for k in order:
                thread = self.running = self.threads[k]
                thread.turn.release()
                while not thread.paused.acquire(timeout=0.1):
                    pass  # only between two waits can Python do what a signal asks for
                if thread.error is not None:
                    raise thread.error
            done = [k for k in order if self.threads[k].done]
            if len(done) == len(order):
                return
            if done:
                waiting = next(k for k in order if k not in done)
                raise AssertionError(
                    f"thread {waiting} waits at a barrier that thread {done[0]} never reaches: "
                    "all threads of a block have to call cuda.syncthreads(), outside of any `if`"
                )
            self.interval += 1
            if self.interval > MOST_BARRIERS:
                raise TimeoutError(
                    f"more than {MOST_BARRIERS} barriers and no end: does a loop ever end?"
                )

    def readers_of_others(self) -> int:
        """How many threads have read from shared memory what another wrote."""
        found = set()
        for memory in self.shared:
            for visits in memory.visits.values():
                writers = {thread for thread, _, wrote in visits if wrote}
                found |= {thread for thread, _, wrote in visits if not wrote and writers - {thread}}
        return len(found)


class _Axis:
    """cuda.threadIdx and its like: of one axis, x."""

    def __init__(self, find: Callable[[Thread], int]):
        self._find = find

    @property
    def x(self) -> int:
        return self._find(current.thread)


class _Shared:
    @staticmethod
    def array(shape: int, dtype: Any) -> Memory:
        thread = current.thread
        shared, k = thread.block.shared, thread.shared_count
        thread.shared_count += 1
        if k == len(shared):  # the first thread to ask makes it for all
            shared.append(Memory("shared", np.zeros(shape, dtype), written=False))
        return shared[k]


class Cuda:
    """The part of numba.cuda that one-dimensional kernels need."""

    threadIdx = _Axis(lambda thread: thread.index)
    blockIdx = _Axis(lambda thread: thread.block.index)
    blockDim = _Axis(lambda thread: len(thread.block.threads))
    shared = _Shared

    @staticmethod
    def grid(axes: int) -> int:
        if axes != 1:
            raise AssertionError(f"cuda.grid({axes}): blocks have one axis here, cuda.grid(1)")
        thread = current.thread
        return thread.block.index * len(thread.block.threads) + thread.index

    @staticmethod
    def syncthreads() -> None:
        current.thread.wait_at_barrier()


cuda = Cuda()


def launch(
    kernel: Callable, blocks: int, threads: int, out: np.ndarray, *inputs: np.ndarray
) -> np.ndarray:
    """Run kernel[blocks, threads](out, *inputs), the threads from the last to the first.

    No element of `out` may be read before it is written. Returns `out`.
    """
    _run(kernel, blocks, threads, out, *inputs)
    return out


def observe(kernel: Callable, threads: int, out: np.ndarray, *inputs: np.ndarray) -> Block:
    """The same for one block, which is returned: it knows how its threads worked together."""
    return _run(kernel, 1, threads, out, *inputs)[0]


def _run(
    kernel: Callable, blocks: int, threads: int, out: np.ndarray, *inputs: np.ndarray
) -> list[Block]:
    names = list(inspect.signature(kernel).parameters)
    arguments = [Memory(names[0], out, written=False)]
    arguments += [Memory(name, x, written=True) for name, x in zip(names[1:], inputs)]
    all_blocks = [Block(index, threads) for index in range(blocks)]
    for block in all_blocks:
        block.run(kernel, arguments, range(threads)[::-1])
    return all_blocks
