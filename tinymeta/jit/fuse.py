"""Fusing: materialized values over one space that share an operand are computed by one loop.

In: a program with legal layouts, and what is materialized in it. Out: a list of steps, each a loop,
or an equation by itself (a product, windows, ..).

    v2 = exp(v0)                     step 0   a loop over (4, 3) that reads v0 and stores v4:
    v3 = mul(v2, v0)                              v2 = exp(v0); v3 = v2 * v0; v4 += v3
    v4 = sum(v3, axes=(0,))          step 1   a product that reads v4 and v1 and stores v6
    v5 = reshape(v4, shape=(1, 3))
    v6 = matmul(v5, v1)

A loop's space is the shape that it runs over (loops.py); a large operand has as many elements, or
more. A materialized value that a loop can compute is a root. Its body is what is computed on the
way to it (materialize.py). A root joins the first loop over its space that reads one of its large
operands and comes after the steps that store what it reads.

Invariants: a step comes after the steps that store what it reads; a root joins only a loop that
then has at most MAX_OPERANDS operands and 4 * MAX_BODY equations. Cost: O(n), as a root looks at
_MAX_CANDIDATES loops for each operand. One loop for each root would read shared operands from
memory again in each; comparing all pairs of roots takes O(n^2).
"""

import math
from bisect import bisect_right
from collections import defaultdict
from typing import NamedTuple

from .loops import can_loop, loop_space
from .materialize import MAX_BODY, MAX_OPERANDS, Materialization, operands
from .program import Equation, Program

_MAX_CANDIDATES = 16  # loops, the latest, that are looked at for a root to join


class Loop(NamedTuple):
    """Roots that are computed together, over one space."""

    space: tuple[int, ...]
    roots: list[Equation]


class Step(NamedTuple):
    """What is run at once: a loop, or an equation by itself (loop is None)."""

    results: tuple[Equation, ...]  # the values that it stores
    reads: tuple[Equation, ...]  # the materialized values, inputs and constants that it reads
    loop: Loop | None


def fuse(program: Program, choice: Materialization) -> list[Step]:
    """The steps that compute the materialized values, in order."""
    schedule = _Schedule(choice)
    for eqn in program.equations:
        if eqn not in choice.materialized or eqn.op in ("input", "constant"):
            continue
        if can_loop(eqn):
            schedule.add_root(eqn)
        else:
            schedule.add_single(eqn)
    return schedule.steps


class _Schedule:
    """Steps so far, and what is needed to find a loop for the next root."""

    def __init__(self, choice: Materialization):
        self.choice = choice
        self.steps: list[Step] = []
        self.lengths: list[int] = []  # of each step: how many equations its bodies have
        self.position: dict[Equation, int] = {}  # of a materialized value: its step
        # (space, large operand): the loops over that space that read it, in order
        self.reading: dict[tuple, list[int]] = defaultdict(list)

    def add_single(self, eqn: Equation) -> None:
        """A step for an equation that no loop can compute."""
        reads = tuple(operands(eqn, self.choice.materialized))
        self.position[eqn] = len(self.steps)
        self.steps.append(Step((eqn,), reads, None))
        self.lengths.append(0)

    def add_root(self, root: Equation) -> None:
        """Let a root join the first loop that it can, or a new one."""
        space = loop_space(root)
        length = len(self.choice.bodies[root])
        reads = tuple(operands(root, self.choice.materialized))
        large = [x for x in reads if x.size >= math.prod(space)]
        after = max((self.position[x] for x in reads if x in self.position), default=-1)

        k = len(self.steps)
        for candidate in candidates(self.reading, space, large, after):
            if self.fits(candidate, reads, length):
                k = candidate
                break
        if k == len(self.steps):
            self.steps.append(Step((), (), Loop(space, [])))
            self.lengths.append(0)
        self.join(k, root, reads, length)
        for x in large:
            self.note_reader(space, x, k)

    def fits(self, k: int, reads: tuple, length: int) -> bool:
        """Would a loop stay within its bounds with a root that reads these values?"""
        operand_count = len({*self.steps[k].reads, *reads})
        return operand_count <= MAX_OPERANDS and self.lengths[k] + length <= 4 * MAX_BODY

    def join(self, k: int, root: Equation, reads: tuple, length: int) -> None:
        """Add a root to loop k."""
        results, before, loop = self.steps[k]
        assert loop is not None
        all_reads = tuple(dict.fromkeys((*before, *reads)))
        self.steps[k] = Step((*results, root), all_reads, Loop(loop.space, [*loop.roots, root]))
        self.position[root] = k
        self.lengths[k] += length

    def note_reader(self, space: tuple, x: Equation, k: int) -> None:
        """Loop k over this space reads x: insert it in order, once."""
        loops = self.reading[space, x]
        place = bisect_right(loops, k)
        if not place or loops[place - 1] != k:
            loops.insert(place, k)


def candidates(reading: dict, space: tuple, large: list[Equation], after: int) -> list[int]:
    """Loops over this space that read one of these operands, later than step `after`, in order."""
    found: set[int] = set()
    for x in large:
        loops = reading.get((space, x), [])
        begin = bisect_right(loops, after)
        found.update(loops[max(begin, len(loops) - _MAX_CANDIDATES) :])
    return sorted(found)
