"""The sum of all ranks' rows along the binary tree that one process adds them along.

    places of the tree       0 1 2 3 | 4 5 6 7     the share of rank 0 | of rank 1
    a rank adds              (0+1)+(2+3)           what of the tree lies in its share
    halving, distance 1      rank 0 has half of    (0..3)+(4..7), rank 1 the other half
    halving, distance 2, ..  a quarter of          ((0..7)+(8..15)), ..
    doubling, back           all of it, on all ranks

In: rows (places of this rank, n), and which places have one. Out: their sum, n numbers.

Invariant: every number is added along the tree, wherever its nodes lie; as a + b = b + a, to the
bit, the sum is that of any other number of ranks. Cost, of P ranks, a power of two: 2 log2(P)
messages and 2 n (P - 1) / P numbers each way, the least there is (Rabenseifner 2004). Neighbours
exchange first and most, and they are mostly on one machine: between machines of M ranks go n / M
numbers a rank. MPI's Allreduce costs as much and adds in an order of its own.

Other numbers of ranks have no subtree each: rank r owns the r-th slice, everybody sends it its
part of that, P - 1 messages, and it adds them along the tree. It is as exact; past 100 ranks take a
power of two.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..jit.tree_sum import tree_sum
from ..system.world import share_of
from .messages import Messages


def total(
    messages: Messages,
    rows: np.ndarray,
    present: Sequence[bool],
    change: Callable[[np.ndarray], None] | None = None,
) -> np.ndarray:
    """The sum of the rows of all ranks, on each of them, a new array (n,).

    present: of all places, whether there is a row; `share_of` says which of them are this rank's.
    change(out): called on each rank where its slice of the sum, see `slice_of`, is in its place and
    nothing is in the others, to change the slice before all are put together.
    """
    out = np.empty(rows.shape[1], rows.dtype)
    add = _halve if _is_power_of_two(messages.size) else _add_slices
    with np.errstate(all="ignore"):
        add(messages, rows, present, out)
    if change:
        change(out)
    put_together(messages, out)
    return out


def slice_of(rank: int, size: int, n: int) -> slice:
    """The slice of n numbers that a rank owns."""
    if not _is_power_of_two(size):
        return share_of(n, rank, size)
    owned = slice(0, n)
    for half in _halves(rank, size, n):
        owned = half.kept
    return owned


def put_together(messages: Messages, array: np.ndarray) -> None:
    """Fill a flat array of which each rank has the slice that it owns."""
    rank, size, n = messages.rank, messages.size, len(array)
    if not _is_power_of_two(size):
        begins = [slice_of(r, size, n).start for r in range(size)]
        join(messages, array, [*begins, n])
        return
    for half in reversed([*_halves(rank, size, n)]):
        messages.exchange(array[half.kept], half.partner, array[half.given], half.partner)


def join(messages: Messages, array: np.ndarray, bounds: Sequence[int]) -> None:
    """Fill a flat array of which rank r has the elements bounds[r] to bounds[r + 1].

    Of a power of two of ranks, pairs exchange, then pairs of pairs, and so on; of others all pass
    on, around a ring, what they were given last.
    """
    rank, size = messages.rank, messages.size
    if not _is_power_of_two(size):
        after, before = (rank + 1) % size, (rank - 1) % size
        for step in range(size - 1):
            last, next_one = (rank - step) % size, (before - step) % size
            sent = array[bounds[last] : bounds[last + 1]]
            received = array[bounds[next_one] : bounds[next_one + 1]]
            messages.exchange(sent, after, received, before)
        return
    distance = 1
    while distance < size:
        partner = rank ^ distance
        mine = _block(rank, distance)
        theirs = _block(partner, distance)
        sent = array[bounds[mine.start] : bounds[mine.stop]]
        received = array[bounds[theirs.start] : bounds[theirs.stop]]
        messages.exchange(sent, partner, received, partner)
        distance *= 2


def _is_power_of_two(size: int) -> bool:
    return not size & (size - 1)


def _block(rank: int, distance: int) -> slice:
    """The ranks of the block of `distance` of them that a rank is in."""
    first = rank & -distance
    return slice(first, first + distance)


def _tree(rows: np.ndarray, present: Sequence[bool]) -> np.ndarray | None:
    """The sum of the rows that are there, a power of two of places; None if there are none."""
    if not any(present):
        return None
    if len(rows) == 1:
        return rows[0]  # and no copy of it
    return tree_sum([row if here else None for row, here in zip(rows, present)])


# ---- a power of two of ranks ---------------------------------------------------------------------


class _Half(NamedTuple):
    """What two ranks do with the numbers that both have sums of: each keeps the sum of one half."""

    partner: int
    distance: int
    begin: int  # of the numbers that were halved
    kept: slice  # numbers of all n
    given: slice


def _halves(rank: int, size: int, n: int) -> Iterator[_Half]:
    """The halves of this rank at distance 1, 2, 4, ..."""
    begin, end, distance = 0, n, 1
    while distance < size:
        middle = (begin + end) // 2
        kept, given = slice(begin, middle), slice(middle, end)
        if rank & distance:
            kept, given = given, kept
        yield _Half(rank ^ distance, distance, begin, kept, given)
        begin, end = kept.start, kept.stop
        distance *= 2


def _halve(messages: Messages, rows: np.ndarray, present: Sequence[bool], out: np.ndarray) -> None:
    """Fill this rank's slice of the sum in `out`."""
    rank, size = messages.rank, messages.size
    shares = [present[share_of(len(present), r, size)] for r in range(size)]
    has_sum = [any(places) for places in shares]
    value = _tree(rows, shares[rank])
    nothing = np.empty(0, out.dtype)
    for half in _halves(rank, size, len(out)):
        other = nothing
        if any(has_sum[_block(half.partner, half.distance)]):
            other = np.empty(half.kept.stop - half.kept.start, out.dtype)
        kept, given = None, nothing
        if value is not None:
            kept = value[_moved(half.kept, half.begin)]
            given = value[_moved(half.given, half.begin)]
        messages.exchange(given, half.partner, other, half.partner)
        if other is nothing:
            value = kept
        elif kept is None:
            value = other
        else:
            value = np.add(kept, other, out=out[half.kept])
    assert value is not None, "nothing to add"
    out[slice_of(rank, size, len(out))] = value


def _moved(numbers: slice, begin: int) -> slice:
    """Where some of the numbers lie in an array that begins with number `begin`."""
    return slice(numbers.start - begin, numbers.stop - begin)


# ---- any number of ranks -------------------------------------------------------------------------


def _subtrees(places: slice, begin: int, end: int) -> list[tuple[int, int]]:
    """The largest subtrees of the tree over begin..end that lie in these places, in order."""
    if places.stop <= begin or end <= places.start:
        return []
    if places.start <= begin and end <= places.stop:
        return [(begin, end)]
    middle = (begin + end) // 2
    return _subtrees(places, begin, middle) + _subtrees(places, middle, end)


def _add_slices(
    messages: Messages, rows: np.ndarray, present: Sequence[bool], out: np.ndarray
) -> None:
    """Fill this rank's slice of the sum in `out`."""
    rank, size, count = messages.rank, messages.size, len(present)
    nodes: list[list[tuple[int, int]]] = []  # of each rank: the subtrees whose sums it has
    for r in range(size):
        subtrees = _subtrees(share_of(count, r, size), 0, count)
        nodes.append([(a, b) for a, b in subtrees if any(present[a:b])])
    first = share_of(count, rank, size).start
    sums = []
    for a, b in nodes[rank]:
        part = _tree(rows[a - first : b - first], present[a:b])
        assert part is not None
        sums.append(part)
    owned = slice_of(rank, size, len(out))
    known = {node: part[owned] for node, part in zip(nodes[rank], sums)}
    for step in range(1, size):
        to, source = (rank + step) % size, (rank - step) % size
        theirs = slice_of(to, size, len(out))
        sent = np.array([part[theirs] for part in sums], out.dtype)
        received = np.empty((len(nodes[source]), owned.stop - owned.start), out.dtype)
        messages.exchange(sent, to, received, source)
        known |= zip(nodes[source], received)
    value = _sum_of_known(0, count, known)
    assert value is not None, "nothing to add"
    out[owned] = value


def _sum_of_known(
    begin: int, end: int, known: dict[tuple[int, int], np.ndarray]
) -> np.ndarray | None:
    """The sum of a subtree, of those that are known; None if there are none in it."""
    if (begin, end) in known:
        return known[begin, end]
    if end - begin == 1:
        return None
    middle = (begin + end) // 2
    left = _sum_of_known(begin, middle, known)
    right = _sum_of_known(middle, end, known)
    if left is None or right is None:
        return right if left is None else left
    return np.add(left, right)
