"""What each step of a plan has to wait for: the program's data flow, through the arena.

In: the steps, and where their values lie. Out: of each step, the earlier ones that it comes after.

    step  reads    stores            needs
    0     v0       v1 at 0..64       -
    1     v0       v2 at 64..128     -         it could run beside step 0
    2     v1       v3 at 128..192    0         it reads what step 0 stores
    3     v3 v2    v4 at 0..64       1 2       it stores where v1 was: step 2 has to have read it

Invariant: a value is read after it is stored, and overwritten after all have read it. What follows
from other needs is left out. Cost: O(n v) for n steps and v values that have places at once, and
n^2 bits.
"""

from collections import defaultdict
from collections.abc import Mapping

from .fuse import Step
from .program import Equation


def needs_of(steps: list[Step], offsets: Mapping[Equation, int]) -> list[tuple[int, ...]]:
    """Of each step, the earlier ones that it comes after; offsets: the byte of each value."""
    stored_by: dict[Equation, int] = {}
    read_by: dict[Equation, list[int]] = defaultdict(list)
    placed: list[Equation] = []  # whose bytes have not all been overwritten
    before: list[int] = []  # of each step: all that it comes after, as bits
    needs = []
    for k, step in enumerate(steps):
        found = {stored_by[x] for x in step.reads if x in stored_by}
        for y in step.results:
            begin, end = offsets[y], offsets[y] + y.nbytes
            kept = []
            for x in placed:
                first, last = offsets[x], offsets[x] + x.nbytes
                if first < end and begin < last:
                    found.update(read_by[x], [stored_by[x]])
                if not (begin <= first and last <= end):
                    kept.append(x)
            placed = kept
        for x in step.reads:
            read_by[x].append(k)
        for y in step.results:
            stored_by[y] = k
            placed.append(y)
        needs.append(_nearest(found, before))
        bits = 0
        for j in needs[k]:
            bits |= before[j] | 1 << j
        before.append(bits)
    return needs


def _nearest(found: set[int], before: list[int]) -> tuple[int, ...]:
    """Those that none of the others comes after."""
    nearest: list[int] = []
    implied = 0
    for j in sorted(found, reverse=True):
        if not implied >> j & 1:
            nearest.append(j)
        implied |= before[j]
    return tuple(reversed(nearest))


def needs_of_launches(needs: list[tuple[int, ...]], counts: list[int]) -> list[tuple[int, ...]]:
    """Of each launch those that it comes after; counts: of each step, how many launches it is.

    Launches of a step follow one another. A step of none passes on what it waits for.
    """
    found: list[tuple[int, ...]] = []
    last: list[tuple[int, ...]] = []  # of each step, the launches that are its end
    for needed, count in zip(needs, counts):
        waits = tuple(dict.fromkeys(launch for j in needed for launch in last[j]))
        for _ in range(count):
            found.append(waits)
            waits = (len(found) - 1,)
        last.append(waits)
    return found
