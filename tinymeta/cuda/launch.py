"""Launching a kernel: compiled when it is first met with arguments of such types, then one call.

`with record_launches() as recording:` also keeps the launches, so that a program can be replayed
without Python's looking at it again.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import target
from .array import Array
from .driver import current

# Threads in a block, of kernels with a thread for each element: eight warps, as eight blocks then
# fill a multiprocessor, and a block ends soon enough to make way. Few in the simulator, as each is
# a thread of Python.
THREADS = 16 if target.SIMULATED else 256


def block_count(threads: int) -> int:
    """How many blocks have so many threads: the last one may have some too many."""
    return -(-threads // THREADS)


class LaunchRecording(NamedTuple):
    """What `record_launches` has kept."""

    launches: list[Callable[[], None]]  # in order, their arguments packed
    blocks: list  # the memory that they read and write


_thread = threading.local()  # recording: the LaunchRecording that is being filled, or None


class GpuKernel:
    """A function of arrays (pointers to it), ints and tuples of ints, run by a grid of threads.

    identity: what tells it from others of the same name, for the cache on disk.
    """

    def __init__(self, function: Callable, identity: str = ""):
        self.function, self.identity = function, identity
        self.loaded: dict[tuple, Any] = {}  # kinds of arguments -> the driver's function

    def __call__(self, grid: int | tuple, block: int | tuple, *args: Any) -> None:
        """Queue it. grid, block: how many blocks, and threads in each, along up to three axes."""
        grid, block = _on_three_axes(grid), _on_three_axes(block)
        if 0 in grid:
            return
        kinds = tuple(_kind_of(a) for a in args)
        if kinds not in self.loaded:
            self.loaded[kinds] = current().load(self, kinds)
        launch = current().prepare_launch(self.loaded[kinds], grid, block, args)
        launch()
        recording = getattr(_thread, "recording", None)
        if recording is not None:
            recording.launches.append(launch)
            recording.blocks.extend(a.block for a in args if isinstance(a, Array))

    def ptx(self, kinds: tuple, capability: tuple[int, int]) -> str:
        """The PTX for arguments of these kinds, for a GPU of this compute capability."""
        arguments = tuple(_numba_type(kind) for kind in kinds)
        return target.ptx(self.function, arguments, capability, self.identity)


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
    """The launches of a `with` block, by this thread; what they read and write stays allocated."""
    outer = getattr(_thread, "recording", None)
    recording = _thread.recording = LaunchRecording([], [])
    try:
        yield recording
    finally:
        _thread.recording = outer
