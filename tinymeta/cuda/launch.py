"""Launching a kernel: compiled when it is first met with arguments of such types, then one call.

`with recorded() as recording:` also keeps the launches, so that a program can be replayed without
Python's looking at it again.
"""

import threading
from contextlib import contextmanager
from typing import NamedTuple

from . import target
from .array import Array
from .driver import current

recording = threading.local()


class Kernel:
    """A function of arrays (pointers to it), ints and tuples of ints, run by a grid of threads.

    identity: what tells it from others of the same name, for the cache on disk.
    """

    def __init__(self, function, identity: str = ""):
        self.function, self.identity, self.loaded = function, identity, {}

    def __call__(self, grid, block, *args):
        """Queue it. grid, block: how many blocks, and threads in each, along up to three axes."""
        grid, block = (three(n) for n in (grid, block))
        if 0 in grid:
            return
        kinds = tuple(kind_of(a) for a in args)
        if kinds not in self.loaded:
            self.loaded[kinds] = current().load(self, kinds)
        launch = current().bound(self.loaded[kinds], grid, block, args)
        launch()
        if kept := getattr(recording, "kept", None):
            kept.launches.append(launch)
            kept.blocks.extend(a.block for a in args if isinstance(a, Array))

    def ptx(self, kinds: tuple, capability: tuple[int, int]) -> str:
        return target.ptx(
            self.function, tuple(map(argument_type, kinds)), capability, self.identity
        )


def three(n) -> tuple[int, int, int]:
    return (*(n if isinstance(n, tuple) else (n,)), 1, 1)[:3]


def kind_of(argument):
    """What a kernel is compiled for: a dtype's name, the length of a tuple, or None for an int."""
    if isinstance(argument, Array):
        return argument.dtype.name
    return len(argument) if isinstance(argument, tuple) else None


def argument_type(kind):
    int32 = target.types.int32
    if kind is None:
        return int32
    return target.type_of(kind) if isinstance(kind, str) else target.types.UniTuple(int32, kind)


class Recording(NamedTuple):
    launches: list  # in order, their arguments packed
    blocks: list  # the memory that they read and write


@contextmanager
def recorded():
    """The launches of a `with` block; what they read and write stays allocated."""
    outer, recording.kept = getattr(recording, "kept", None), Recording([], [])
    try:
        yield recording.kept
    finally:
        recording.kept = outer
