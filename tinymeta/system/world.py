"""The processes that run one program together: by default this one, alone.

A process of several is a rank, numbered from 0; all of them run the same lines with the same
values, and share only what takes long. Who shares asks `current()` for its part:

    jit          which chunks of a split program are mine, and what do all of them add up to
    meta.train   is it mine to write, and does anybody want to stop

This file is what a process alone answers; ranks/ has the answers of several. Invariant: a `World`
belongs to the thread that is in its `with` block. In all other threads a process is alone, so that
no two threads of a rank talk to the others at once, in an order that nobody has agreed on.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np


def share_of(count: int, rank: int, size: int) -> slice:
    """Of `count` things in a row, those of a rank, of `size` ranks."""
    return slice(count * rank // size, count * (rank + 1) // size)


class World:
    """A process alone. Every method may be a message to the other ranks: all of them call it.

    rank, size: which of how many. threads: how many this process may use; None: one a core. exact:
    an element has the same bits in whatever program it is computed.
    """

    rank = 0
    size = 1
    threads: int | None = None
    exact = False

    @property
    def first(self) -> bool:
        """Is it this one that writes files and shows progress?"""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process where `name`, "cuda", means one for each of a machine."""
        return name

    def share(self, count: int, rank: int | None = None) -> tuple[int, int]:
        """Of `count` things in a row, the first of a rank (this one), and the one after its last.

        It depends on the count alone, so each rank knows those of all others.
        """
        part = share_of(count, self.rank if rank is None else rank, self.size)
        return part.start, part.stop

    def total(self, rows: np.ndarray, present: Sequence[bool]) -> np.ndarray:
        """The sum of all ranks' rows along one binary tree over all places, a new array (n,).

        rows: (places in this rank's `share`, n); present: of all places, a power of two, whether
        the row is to be added.
        """
        raise NotImplementedError("a process alone adds up its parts itself")

    def join(self, array: np.ndarray, bounds: Sequence[int]) -> None:
        """Fill a flat array of which rank r has the elements bounds[r] to bounds[r + 1]."""

    def largest(self, number: int) -> int:
        """The largest of all ranks' numbers."""
        return number

    def sum_of(self, number: float) -> float:
        """The sum of all ranks' numbers."""
        return number

    def check_stop(self) -> None:
        """Raise KeyboardInterrupt(name) if any rank has been told to stop; of all at once."""

    def check_same(self, **values: Any) -> None:
        """Raise RuntimeError, on every rank, where one has another value than rank 0.

        The names say what it is, with _ for spaces; arrays, trees of them, and what has a repr.
        """

    def sharded(self, meta_grad: Any, optimizer: Any, params: Any, state: Any, batch: Any) -> Any:
        """An update (params, state, batch) -> (metrics, params, state) with a part for each rank.

        It has `own` and `whole`, functions of a state. A text, why every rank does all; None: of a
        process alone.
        """
        return None

    def check_folder(self, folder: Any) -> None:
        """Raise RuntimeError, on every rank, unless all see what rank 0 writes there."""


_ALONE = World()


class _State(threading.local):
    world: World = _ALONE


_state = _State()


def current() -> World:
    """The world of this thread."""
    return _state.world


@contextmanager
def using(world: World) -> Iterator[World]:
    """In this `with` block of this thread, the process is one of that world."""
    before, _state.world = _state.world, world
    try:
        yield world
    finally:
        _state.world = before
