"""Launching a kernel: compiled when it is first met with arguments of such types, then one call.

In `with record_launches() as recording:` launches are kept instead of queued, so that a program can
be replayed without Python's looking at it again.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple

from . import target
from .array import Array, device_name
from .driver import current
from .graph import Launch

# Threads in a block, of kernels with a thread for each element: eight warps, as eight blocks then
# fill a multiprocessor, and a block ends soon enough to make way. Few in the simulator, as each is
# a thread of Python.
THREADS = 16 if target.SIMULATED else 256


def block_count(threads: int) -> int:
    """How many blocks have so many threads: the last one may have some too many."""
    return -(-threads // THREADS)


class LaunchRecording(NamedTuple):
    """What `record_launches` has kept."""

    launches: list[Launch]  # in order, their arguments packed
    noted: list["NotedLaunch"]  # the same for people; it keeps the memory that they read and write


_STATEMENT = re.compile(r"(?m)^ *v\d+ = (.*)$")
_PHASE = re.compile(r"\bp\d+_")  # before the names of a phase (phase_source.py)
_thread = threading.local()  # recording: the LaunchRecording that is being filled, or None


class GpuKernel:
    """A function of arrays (pointers to it), ints and tuples of ints, run by a grid of threads.

    identity: what tells it from others of the same name, for the cache on disk.
    """

    def __init__(self, function: Callable, identity: str = ""):
        self.function, self.identity = function, identity
        # (the driver's key, kinds of arguments) -> the kernel in that GPU
        self.loaded: dict[tuple, Any] = {}

    def __call__(self, grid: int | tuple, block: int | tuple, *args: Any) -> None:
        """Queue it. grid, block: how many blocks, and threads in each, along up to three axes.

        Raises ValueError for an array that is on another GPU than this thread works on.
        """
        grid, block = _on_three_axes(grid), _on_three_axes(block)
        if 0 in grid:
            return
        driver, arrays = current(), [a for a in args if isinstance(a, Array)]
        for a in arrays:
            if a.block.driver is not driver:
                raise ValueError(f"{a} met work on {device_name(driver.number)}: move one")
        kinds = tuple(_kind_of(a) for a in args)
        launch = driver.prepare_launch(self.loaded_for(kinds), grid, block, args)
        recording = getattr(_thread, "recording", None)
        if recording is None:
            launch()
        else:
            recording.launches.append(launch)
            recording.noted.append(NotedLaunch(self, grid, block, arrays))

    def loaded_for(self, kinds: tuple) -> Any:
        """The kernel in this thread's GPU, for arguments of these kinds."""
        driver = current()
        key = driver.key, kinds
        if key not in self.loaded:
            self.loaded[key] = driver.load(self, kinds)
        return self.loaded[key]

    @property
    def title(self) -> str:
        """Where it is written, and what tells it from others: of a loop, what it computes."""
        place = self.function.__module__.rpartition(".")[2]
        if "\n" in self.identity:
            text = _PHASE.sub("", self.identity)
            return f"{place}: {'; '.join(_STATEMENT.findall(text)) or 'copies or sums'}"
        return f"{place}: {self.identity or self.function.__name__}"

    def ptx(self, kinds: tuple, capability: tuple[int, int]) -> str:
        """The PTX for arguments of these kinds, for a GPU of this compute capability."""
        arguments = tuple(_numba_type(kind) for kind in kinds)
        return target.ptx(self.function, arguments, capability, self.identity)


class NotedLaunch(NamedTuple):
    """What a launch was asked for with."""

    kernel: GpuKernel
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arrays: list[Array]

    @property
    def nbytes(self) -> int:
        """Of the elements of its arrays, each counted once."""
        return sum(map(bytes_once, self.arrays))


def bytes_once(array: Any) -> int:
    """Of its elements, those that a stride of 0 repeats counted once."""
    counts = [n for n, stride in zip(array.shape, array.strides) if stride]
    return prod(counts) * array.dtype.itemsize if array.size else 0


def _on_three_axes(n: int | tuple) -> tuple[int, int, int]:
    sizes = (*(n if isinstance(n, tuple) else (n,)), 1, 1)
    return sizes[0], sizes[1], sizes[2]


def _kind_of(argument: Any) -> str | int | None:
    """What a kernel is compiled for: a dtype's name, the length of a tuple, or None for an int."""
    if isinstance(argument, Array):
        return argument.dtype.name
    return len(argument) if isinstance(argument, tuple) else None


def _numba_type(kind: str | int | None) -> Any:
    """The type of an argument: a pointer, a tuple of int32, or an int32."""
    int32 = target.types.int32
    if kind is None:
        return int32
    return (
        target.pointer_type(kind) if isinstance(kind, str) else target.types.UniTuple(int32, kind)
    )


@contextmanager
def record_launches() -> Iterator[LaunchRecording]:
    """The launches of a `with` block, by this thread, none of which is run.

    What they read and write stays allocated as long as the recording.
    """
    outer = getattr(_thread, "recording", None)
    recording = _thread.recording = LaunchRecording([], [])
    try:
        yield recording
    finally:
        _thread.recording = outer
