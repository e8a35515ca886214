"""Launching a kernel: compiled when it is first met with arguments of such types, then one call.

`with recorded() as launches:` also keeps the launches, with their arguments packed, so that a
program can be replayed without Python's looking at it again.
"""

import re
import threading
from contextlib import contextmanager

from . import target
from .array import Array
from .driver import current

LIMIT = 2**31
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
            self.loaded[kinds] = self.load(kinds)
        driver = current()
        launch = driver.bound(self.loaded[kinds], grid, block, packed(args))
        launch()
        kept = getattr(recording, "launches", None)
        if kept is not None:
            kept.append(launch)
            recording.blocks.extend(a.block for a in args if isinstance(a, Array))

    def load(self, kinds: tuple):
        if target.SIMULATED:
            return current().load(self.function, "", "")
        text = self.ptx(kinds, current().capability)
        return current().load(self.function, text, entry(text))

    def ptx(self, kinds: tuple, capability: tuple[int, int]) -> str:
        return target.ptx(self.function, tuple(map(argument_type, kinds)), capability, self.identity)


def three(n) -> tuple[int, int, int]:
    return (*(n if isinstance(n, tuple) else (n,)), 1, 1)[:3]


def entry(text: str) -> str:
    return re.search(r"\.visible \.entry (\w+)", text).group(1)


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


def packed(args: tuple) -> list:
    """The arguments as the driver takes them, tuples spread out; the simulator's as they are."""
    if target.SIMULATED:
        return [Pointer(*current().at(a.address), a.dtype) if isinstance(a, Array) else a
                for a in args]
    flat = []
    for a in args:
        if isinstance(a, Array):
            flat.append(("pointer", a.address))
        else:
            flat += [("int", checked(n)) for n in (a if isinstance(a, tuple) else (a,))]
    return flat


def checked(n: int) -> int:
    if not -LIMIT <= n < LIMIT:
        raise ValueError(f"CUDA: {n} does not fit 32 bits: arrays of 2^31 elements and more are not "
                         "supported on a GPU: use smaller batches")
    return n


class Pointer:
    """A typed pointer of the simulator; unlike a GPU's it knows where its memory ends."""

    def __init__(self, buffer, place: int, dtype):
        self.values = buffer.view("uint8" if dtype == bool else dtype)
        self.first = place // self.values.itemsize

    def index(self, i: int) -> int:
        i = self.first + int(i)
        if not 0 <= i < len(self.values):
            raise IndexError(f"element {i - self.first} lies outside of the memory")
        return i

    def __getitem__(self, i):
        return self.values[self.index(i)]

    def __setitem__(self, i, value):
        self.values[self.index(i)] = value


@contextmanager
def recorded():
    """The launches of a `with` block, in order; what they read and write stays allocated."""
    recording.launches, recording.blocks = [], []
    kept = Recording(recording.launches, recording.blocks)
    try:
        yield kept
    finally:
        recording.launches = None


class Recording:
    def __init__(self, launches: list, blocks: list):
        self.launches, self.blocks = launches, blocks
