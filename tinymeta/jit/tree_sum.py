"""Sums over chunks, added along one binary tree.

    total                (0 + 1) + (2 + 3)          the leaves are the chunks, in order;
                        /                 \\         a power of two, of which some may be empty
                    0 + 1                 2 + 3
                   /     \\               /     \\
                  0       1             2       3

In: which leaves of a subtree are there. Out: what to add after each leaf so that few sums are kept
at once. A thread takes a subtree, a group of chunks, and keeps 1 + log2(leaves) sums of it, as a
binary counter keeps digits; the sums of groups are added along the rest of the tree.

Invariant: the tree depends on the number of leaves alone. So the bits of a sum do not depend on how
the leaves are grouped, on the number of threads, or on which thread took which group. A running sum
would need one number at a time only, and its bits would depend on where each group begins.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..cpu.pointers import DTYPES
from . import machine
from .cache import load_or_compile

LEAF = -1  # stands for the sums that a leaf has just made; all others are in numbered slots


class Merge(NamedTuple):
    """The sums in a slot become those of a source, or that is added to them."""

    slot: int
    source: int  # a slot, or LEAF
    added: bool


class SubtreePlan(NamedTuple):
    """How a subtree is added up, leaf by leaf."""

    merges: list[tuple[Merge, ...]]  # after each leaf
    root: int | None  # the slot with the total in the end, or LEAF; None: no leaf is there
    slots: int  # how many are needed


def plan_subtree(present: Sequence[bool]) -> SubtreePlan:
    """The order in which the leaves of a subtree are added; present: which are there.

    A sum waits until its sibling is complete. An absent leaf adds nothing, not even zeros.
    """
    assert present and not len(present) & (len(present) - 1), "the leaves are no power of two"
    waiting: list[tuple[int, int | None]] = []  # (height in the tree, slot) of complete subtrees
    free: list[int] = []
    merges: list[tuple[Merge, ...]] = []
    count = 0
    for k, here in enumerate(present):
        after_leaf = []
        height, place = 0, LEAF if here else None
        while waiting and waiting[-1][0] == height:
            _, left = waiting.pop()
            if left is not None and place is not None:
                after_leaf.append(Merge(left, place, added=True))
                if place != LEAF:
                    free.append(place)
            place = place if left is None else left
            height += 1
        if place == LEAF and k + 1 < len(present):
            if not free:
                free.append(count)
                count += 1
            place = free.pop()
            after_leaf.append(Merge(place, LEAF, added=False))
        waiting.append((height, place))
        merges.append(tuple(after_leaf))
    ((_, root),) = waiting
    return SubtreePlan(merges, root, count)


def tree_sum(parts: Sequence[np.ndarray | None]) -> np.ndarray:
    """The sum of the arrays that are there, along a binary tree over all places; a new array."""
    level: list[np.ndarray | None] = list(parts)
    with np.errstate(all="ignore"):
        while len(level) > 1:
            level = [_added(a, b) for a, b in zip(level[::2], level[1::2])]
    (total,) = level
    assert total is not None, "nothing to add"
    return total.copy() if any(total is part for part in parts) else total


class SumOfRows:
    """The `tree_sum` of a table (n, ..), n a power of two: without Python, within the table.

    Called after each time that the rows have been written; returns a new array.
    """

    def __init__(self, rows: np.ndarray):
        self.rows = rows
        pairs = [
            (first, first + distance)
            for distance in (2**level for level in range(len(rows).bit_length() - 1))
            for first in range(0, len(rows), 2 * distance)
        ]
        size, row_bytes = rows[0].size, rows[0].nbytes
        self.args = np.array([(a * row_bytes, b * row_bytes, size) for a, b in pairs], np.int64)
        kernel = merge_kernel(rows.dtype, added=True) if pairs else 0
        self.kernels = np.full(len(pairs), kernel, np.int64)
        self.args_addresses = self.args.ctypes.data + self.args.itemsize * 3 * np.arange(len(pairs))
        self.address = rows.ctypes.data

    def __call__(self) -> np.ndarray:
        """The sum of the rows, which are no more what they were."""
        count = len(self.kernels)
        machine.run_kernels(self.kernels, self.args_addresses, self.address, 0, count)
        return self.rows[0].copy()


def _added(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    if a is None or b is None:
        return b if a is None else a
    return np.add(a, b)


def merge_kernel(dtype: np.dtype, added: bool) -> int:
    """The address of a kernel: args[2] numbers at byte args[1] become, or add to, those at args[0].

    See cpu/pointers.py for what a kernel is.
    """
    pointer = f"{DTYPES[dtype]}_at"
    assign = "+=" if added else "="
    source = (
        "def kernel(arena, args):\n"
        f"    total = {pointer}(arena, args[0])\n"
        f"    x = {pointer}(arena, args[1])\n"
        "    for i in range(args[2]):\n"
        f"        total[i] {assign} x[i]\n"
    )
    return load_or_compile(source).address
