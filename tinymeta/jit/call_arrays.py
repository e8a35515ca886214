"""The arrays of one call that chunks read or write, and where they are.

    mapped, broadcast    small: copied into an array that is kept    else the caller's own
    concatenated         small: a copy of an array that is kept      else a new array

In: a `Split`, then at each call the values of its inputs. Out: a list of arrays, mapped, broadcast,
concatenated, and the same of addresses, which the tables of job_tables.py refer to by index.

Cost: to find the address of an array takes Python as long as to copy 16 KB, so what is smaller is
copied to and from a place that is known. Constants have theirs for good.
"""

from typing import Any

import numpy as np

from .arena import as_dense
from .program import Equation
from .split import Split

STAGED = 2**14  # bytes of an array up to which it is copied


class CallArrays:
    """Mapped, broadcast and concatenated arrays; between calls, None for those of a caller.

    addresses: of each array; job_tables.py puts a part of its own table here.
    """

    def __init__(self, split: Split):
        inputs = (*split.mapped, *split.broadcast)
        values = (*inputs, *split.concatenated)
        constants = split.mapped_constants()
        self.arrays: list[Any] = [None] * len(values)
        self.addresses = np.zeros(len(values), np.int64)
        self.staged: list[tuple[np.ndarray, Equation]] = []  # (the array that is kept, input)
        self.in_place: list[tuple[int, Equation]] = []  # (index, input)
        self.results: list[tuple[int, Equation, bool]] = []  # (index, concatenated, is it kept)
        for k, x in enumerate(values):
            is_kept = x.nbytes <= STAGED
            if x in constants:
                self._place(k, constants[x])
                continue
            if is_kept:
                self._place(k, np.empty(x.shape, x.dtype))
            if k >= len(inputs):
                self.results.append((k, x, is_kept))
            elif is_kept:
                self.staged.append((self.arrays[k], x))
            else:
                self.in_place.append((k, x))

    def _place(self, k: int, array: np.ndarray) -> None:
        self.arrays[k] = array
        self.addresses[k] = address_of(array)

    def load(self, values: dict[Equation, np.ndarray]) -> None:
        """Take the arrays of a call, and make new ones for its results."""
        for kept, x in self.staged:
            kept[...] = values[x]
        for k, x in self.in_place:
            self._place(k, as_dense(values[x]))
        for k, y, is_kept in self.results:
            if not is_kept:
                self._place(k, np.empty(y.shape, y.dtype))

    def take_results(self) -> dict[Equation, np.ndarray]:
        """What was concatenated, in arrays of its own; those of the caller are let go."""
        found = {}
        for k, y, is_kept in self.results:
            found[y] = self.arrays[k].copy() if is_kept else self.arrays[k]
            if not is_kept:
                self.arrays[k] = None
        for k, _ in self.in_place:
            self.arrays[k] = None
        return found


def address_of(array: np.ndarray) -> int:
    """The address of an array's first element."""
    return array.__array_interface__["data"][0]
