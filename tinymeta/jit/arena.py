"""The memory of one call: a block for all values, and arrays of the caller that stay outside.

    arena.block      | v1     | v2  | v3       |  ..        small inputs are copied here
    caller's array   | input v0, of 40 MB     |            read where it is
    new array        | output v9, of 40 MB    |            written where the caller gets it

A kernel finds all of them by a byte relative to the block. For what is outside that byte depends on
where the array and the block are, so each arena has kernel arguments of its own, and a call writes
those bytes into them. In: the plan's memory map and arguments. Cost of a call: one store for each
argument that is such a byte. To copy inputs and outputs instead would take as long as the whole
step of an optimizer, which reads and writes each number once.

Invariant: kernels never write to an input; one that is not contiguous or not aligned is copied.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .memory import ALIGNMENT, Memory
from .program import Equation
from .views import StridedLayout


class OutsidePlaces(NamedTuple):
    """Which kernel arguments are bytes of arrays outside of the arena.

    values: inputs, then outputs. indices: of the arguments, in their flat array. which: of each of
    those, the value. within: its byte in that value's array.
    """

    values: tuple[Equation, ...]
    indices: np.ndarray
    which: np.ndarray
    within: np.ndarray


class Arena:
    """The memory of one call; inputs, outputs: views of it, of what is copied."""

    def __init__(self, memory: Memory, block: np.ndarray):
        self.block, self.offsets = block, memory.offsets
        self.address = self.block.ctypes.data
        self.inputs: list[np.ndarray] = []
        self.outputs: list[np.ndarray] = []
        self.outside: dict[Equation, np.ndarray] = {}  # arrays of this call
        self.jobs: dict[int, Any] = {}  # by first kernel: stretches that threads share here
        self.args = self.args_addresses = np.empty(0, np.int64)

    def take_args(self, args: np.ndarray, begins: np.ndarray) -> None:
        """Keep a copy of all kernel arguments; begins: the index of each kernel's first."""
        self.args = args.copy()
        self.args_addresses = self.args.ctypes.data + 8 * begins

    def set_addresses(self, places: OutsidePlaces, arrays: Iterable[np.ndarray]) -> None:
        """Point the kernel arguments of what lies outside to the arrays of a call."""
        self.outside = dict(zip(places.values, arrays))
        found = [array.ctypes.data - self.address for array in self.outside.values()]
        self.args[places.indices] = np.array(found, np.int64)[places.which] + places.within

    def view(self, eqn: Equation) -> np.ndarray:
        """A materialized value, as an array in this memory, or outside of it."""
        if eqn in self.outside:
            return self.outside[eqn]
        begin = self.offsets[eqn]
        return self.block[begin : begin + eqn.nbytes].view(eqn.dtype).reshape(eqn.shape)

    def strided_view(self, layout: StridedLayout, shape: tuple[int, ...]) -> np.ndarray:
        """A value with this layout, as an array in this memory."""
        flat = self.view(layout.base).reshape(-1)[layout.offset :]
        strides = [s * layout.base.dtype.itemsize for s in layout.strides]
        return np.lib.stride_tricks.as_strided(flat, shape, strides)


def new_block(size: int) -> np.ndarray:
    """At least so many bytes, from an address that is a multiple of ALIGNMENT."""
    block = np.empty(size + ALIGNMENT, np.uint8)
    return block[-block.ctypes.data % ALIGNMENT :]


def as_dense(array: np.ndarray) -> np.ndarray:
    """The array itself, if kernels can read it where it is, else a copy."""
    if array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.array(array, order="C")


def take_idle(kept: list) -> Any:
    """Takes one out of a list; None if there is none, or another thread was faster."""
    try:
        return kept.pop()
    except IndexError:
        return None
