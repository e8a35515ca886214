"""Memory of the simulated GPU, which knows who has visited each of its elements (simulator.py).

A visit to an element looks at all visits before it, so it costs as much as there were.
"""

import threading
from typing import Any

import numpy as np

current = threading.local()  # .thread: which of the GPU's threads this one of Python is


class Memory:
    """An array that knows who has read and written each element, and after how many barriers."""

    def __init__(self, name: str, values: np.ndarray, written: bool):
        self.name, self.values = name, values
        self.shape, self.size = values.shape, values.size
        self.written = np.full(values.shape, written)
        self.visits: dict[tuple, list] = {}  # index -> [(thread, interval, whether it wrote)]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        place = self._visit(index, writes=False)
        if not self.written[place]:
            raise AssertionError(f"{_who()} reads {self._element(place)}, which nobody wrote")
        return self.values[place]

    def __setitem__(self, index: Any, value: Any) -> None:
        place = self._visit(index, writes=True)
        self.values[place] = value
        self.written[place] = True

    def _visit(self, index: Any, writes: bool) -> tuple:
        place = index if isinstance(index, tuple) else (index,)
        inside = len(place) == len(self.shape) and all(
            0 <= i < size for i, size in zip(place, self.shape)
        )
        if not inside:
            element = self._element(place)
            raise AssertionError(f"{_who()}: {element} is outside of the shape {self.shape}")
        me, here = current.thread, self._element(place)
        visits = self.visits.setdefault(place, [])
        for other, interval, wrote in visits:
            if other is me or not (writes or wrote):
                continue
            if other.block is not me.block:
                raise AssertionError(
                    f"{_who()} meets block {other.block.index} at {here}: blocks run in any order "
                    "and cannot wait for one another, so each needs elements of its own"
                )
            if interval == me.block.interval:
                raise AssertionError(
                    f"a race: {_who()} {'writes' if writes else 'reads'} {here} and thread "
                    f"{other.index} {'wrote' if wrote else 'read'} it, with no barrier between: "
                    "put cuda.syncthreads() between the two"
                )
        visits.append((me, me.block.interval, writes))
        return place

    def _element(self, place: tuple) -> str:
        return f"{self.name}[{', '.join(map(str, place))}]"


def _who() -> str:
    thread = current.thread
    return f"thread {thread.index} of block {thread.block.index}"
