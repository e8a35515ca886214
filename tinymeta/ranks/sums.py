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

import numpy as np

from ..jit.tree_sum import tree_sum
from .messages import Messages


def total(
    messages: Messages,
    rows: np.ndarray,
    present: Sequence[bool],
    change: Callable[[np.ndarray], None] | None = None,
) -> np.ndarray:
    """The sum of the rows of all ranks, on each of them, a new array (n,).

    present: of all places, whether there is a row; `share` says which of them are this rank's.
    change(out): called on each rank where its slice of the sum, see `slice_of`, is in its place and
    nothing is in the others, to change the slice before all are put together.
    """
    out = np.empty(rows.shape[1], rows.dtype)
    with np.errstate(all="ignore"):
        if messages.size & (messages.size - 1):
            _add_slices(messages, rows, present, out)
        else:
            _halve(messages, rows, present, out)
    if change:
        change(out)
    put_together(messages, out)
    return out


def slice_of(rank: int, size: int, n: int) -> tuple[int, int]:
    """The slice of n numbers that a rank owns: the first, and the one after its last."""
    if size & (size - 1):
        return n * rank // size, n * (rank + 1) // size
    *_, owned = (0, n), *(keep for _, keep, _ in _halves(rank, size, n))
    return owned


def put_together(messages: Messages, array: np.ndarray) -> None:
    """Fill a flat array of which each rank has the slice that it owns."""
    rank, size, n = messages.rank, messages.size, len(array)
    if size & (size - 1):
        join(messages, array, [n * r // size for r in range(size + 1)])
        return
    for partner, keep, give in reversed([*_halves(rank, size, n)]):
        messages.exchange(array[slice(*keep)], partner, array[slice(*give)], partner)


def join(messages: Messages, array: np.ndarray, bounds: Sequence[int]) -> None:
    """Fill a flat array of which rank r has the elements bounds[r] to bounds[r + 1], around a ring.

    Of a power of two of ranks, pairs of neighbours, then pairs of pairs, and so on.
    """
    rank, size = messages.rank, messages.size
    if size & (size - 1):
        for step in range(1, size):
            mine, theirs = (rank - step + 1) % size, (rank - step) % size
            sent = array[bounds[mine] : bounds[mine + 1]]
            received = array[bounds[theirs] : bounds[theirs + 1]]
            messages.exchange(sent, (rank + 1) % size, received, (rank - 1) % size)
        return
    distance = 1
    while distance < size:
        partner = rank ^ distance
        mine, theirs = rank & -distance, partner & -distance  # the first ranks of both blocks
        sent = array[bounds[mine] : bounds[mine + distance]]
        received = array[bounds[theirs] : bounds[theirs + distance]]
        messages.exchange(sent, partner, received, partner)
        distance *= 2


def share(count: int, rank: int, size: int) -> tuple[int, int]:
    """The places of a rank: the first, and the one after its last."""
    return count * rank // size, count * (rank + 1) // size


def _tree(rows: np.ndarray, present: Sequence[bool]) -> np.ndarray | None:
    """The sum of the rows that are there, a power of two of places; None if there are none."""
    if not any(present):
        return None
    if len(rows) == 1:
        return rows[0]
    return tree_sum([row if here else None for row, here in zip(rows, present)])


# ---- a power of two of ranks ---------------------------------------------------------------------


def _halves(rank: int, size: int, n: int) -> Iterator[tuple[int, tuple, tuple]]:
    """(partner, the numbers this rank keeps, those it gives), at distance 1, 2, 4, ..."""
    begin, end, distance = 0, n, 1
    while distance < size:
        middle = (begin + end) // 2
        keep, give = (begin, middle), (middle, end)
        if rank & distance:
            keep, give = give, keep
        yield rank ^ distance, keep, give
        begin, end = keep
        distance *= 2


def _halve(messages: Messages, rows: np.ndarray, present: Sequence[bool], out: np.ndarray) -> None:
    """Fill this rank's slice of the sum in `out`."""
    rank, size, n = messages.rank, messages.size, len(out)
    of_rank = [any(present[slice(*share(len(present), r, size))]) for r in range(size)]
    value = _tree(rows, present[slice(*share(len(present), rank, size))])
    begin, end, distance = 0, n, 1
    nothing = np.empty(0, out.dtype)
    for partner, keep, give in _halves(rank, size, n):
        there = partner & -distance  # the first of the ranks whose sum the partner has
        other = nothing
        if any(of_rank[there : there + distance]):
            other = np.empty(keep[1] - keep[0], out.dtype)
        given = nothing if value is None else value[give[0] - begin : give[1] - begin]
        messages.exchange(given, partner, other, partner)
        kept = None if value is None else value[keep[0] - begin : keep[1] - begin]
        if kept is not None and other is not nothing:
            value = np.add(kept, other, out=out[slice(*keep)])
        else:
            value = kept if other is nothing else other
        begin, end = keep
        distance *= 2
    assert value is not None, "nothing to add"
    out[begin:end] = value


# ---- any number of ranks -------------------------------------------------------------------------


def _subtrees(lo: int, hi: int, begin: int, end: int) -> list[tuple[int, int]]:
    """The largest subtrees of the tree over begin..end that lie in lo..hi, in order."""
    if hi <= begin or end <= lo:
        return []
    if lo <= begin and end <= hi:
        return [(begin, end)]
    middle = (begin + end) // 2
    return _subtrees(lo, hi, begin, middle) + _subtrees(lo, hi, middle, end)


def _add_slices(
    messages: Messages, rows: np.ndarray, present: Sequence[bool], out: np.ndarray
) -> None:
    """Fill this rank's slice of the sum in `out`."""
    rank, size, places = messages.rank, messages.size, len(present)
    nodes = [  # of each rank: the subtrees whose sums it has
        [(a, b) for a, b in _subtrees(*share(places, r, size), 0, places) if any(present[a:b])]
        for r in range(size)
    ]
    first, _ = share(places, rank, size)
    sums = [_tree(rows[a - first : b - first], present[a:b]) for a, b in nodes[rank]]
    begin, end = slice_of(rank, size, len(out))
    known = {node: part[begin:end] for node, part in zip(nodes[rank], sums) if part is not None}
    for step in range(1, size):
        to, source = (rank + step) % size, (rank - step) % size
        parts = [part[slice(*slice_of(to, size, len(out)))] for part in sums if part is not None]
        sent = np.concatenate(parts) if len(parts) > 1 else (*parts, out[:0])[0]
        received = np.empty((len(nodes[source]), end - begin), out.dtype)
        messages.exchange(np.ascontiguousarray(sent), to, received, source)
        known |= zip(nodes[source], received)
    value = _known_sum(0, places, known)
    assert value is not None, "nothing to add"
    out[begin:end] = value


def _known_sum(begin: int, end: int, known: dict[tuple[int, int], np.ndarray]) -> np.ndarray | None:
    """The sum of a subtree, of those that are known; None if there are none in it."""
    if (begin, end) in known or end - begin == 1:
        return known.get((begin, end))
    middle = (begin + end) // 2
    left, right = _known_sum(begin, middle, known), _known_sum(middle, end, known)
    if left is None or right is None:
        return right if left is None else left
    return np.add(left, right)
