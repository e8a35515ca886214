"""Memory planning: every stored value gets bytes in one arena.

In: a program and its steps. Out: a `Memory`, the byte of the arena where each value begins.

    value     bytes       steps 0 to 4
    v0 input  0..48       #####
    v1        64..112     .##..         read last by step 2
    v2        128..176    ..##.
    v3        64..112     ...##         takes the place of v1

A value lives from the step that stores it to the last step that reads it. Inputs, outputs and
constants live all along.

Invariant: two values share bytes only if they never live at the same step; a step's operands and
results never overlap. First fit in the order of the steps: O(n log n + n g) for n values and g
gaps, and freed blocks that touch become one gap, so g is small. The best packing is an NP-hard
problem. First fit needs 5 % more than the most bytes that live at once in a Conv-4 MAML step, and
0.4 % more in a sinusoid step; that is a third and a quarter of the bytes of all values. Allocating
each value when it is stored would put Python, or an allocator's lock, between the steps.
"""

from bisect import bisect_left
from heapq import heappop, heappush
from typing import NamedTuple

from .fuse import Step
from .program import Equation, Program
from .views import source

ALIGNMENT = 64  # bytes: a line of the cache, a vector of any machine


class Memory(NamedTuple):
    """Where everything lies in the arena, in bytes."""

    offsets: dict[Equation, int]  # of each stored value
    workspaces: dict[int, int]  # by step: where its workspace begins
    size: int  # of the arena
    lifetimes: dict[Equation, tuple[int, int]]  # (first step, last step) of each value


class _Request(NamedTuple):
    """Bytes that are wanted for some steps, by a value or by a step as its workspace."""

    first: int
    last: int
    size: int
    eqn: Equation | None  # None: the workspace of step `first`


def lifetimes(program: Program, steps: list[Step]) -> dict[Equation, tuple[int, int]]:
    """Of each stored value, the first and the last step at which it has to be in memory.

    -1 and len(steps) stand for before all and after all.
    """
    end = len(steps)
    found = {x: (-1, end) for x in program.equations if x.op in ("input", "constant")}
    for k, step in enumerate(steps):
        for y in step.results:
            found[y] = (k, k)
        for x in step.reads:
            first, last = found[x]
            found[x] = (first, max(k, last))
    for y in program.outputs:
        base = source(y)[0]
        first, _ = found[base]
        found[base] = (first, end)
    return found


def plan_memory(program: Program, steps: list[Step], workspace_sizes: dict[int, int]) -> Memory:
    """First fit, in the order of the steps. workspace_sizes: by step, the bytes it needs besides.

    A heap knows which block's last step is over first, so a step costs as much as there are gaps,
    however many values live.
    """
    lives = lifetimes(program, steps)
    requests = [_Request(first, last, x.nbytes, x) for x, (first, last) in lives.items()]
    requests += [_Request(k, k, size, None) for k, size in workspace_sizes.items()]
    requests.sort(key=lambda r: (r.first, r.eqn is None))  # of a step, values come first

    free_list = FreeList()
    taken: list[tuple[int, int, int]] = []  # a heap of (last step, begin, end)
    offsets: dict[Equation, int] = {}
    workspaces: dict[int, int] = {}
    for request in requests:
        while taken and taken[0][0] < request.first:
            _, begin, end = heappop(taken)
            free_list.free(begin, end)
        size = aligned_size(request.size)
        begin = free_list.allocate(size)
        heappush(taken, (request.last, begin, begin + size))
        if request.eqn is None:
            workspaces[request.first] = begin
        else:
            offsets[request.eqn] = begin
    return Memory(offsets, workspaces, free_list.peak, lives)


class FreeList:
    """The free bytes of an arena: gaps in order, and all bytes from `end` on.

    Invariant: gaps neither touch one another nor reach `end`.
    """

    def __init__(self) -> None:
        self.gaps: list[list[int]] = []  # [begin, end]
        self.end = 0
        self.peak = 0  # the largest `end` so far

    def allocate(self, count: int) -> int:
        """The first byte of the first gap that is large enough, or `end`. O(gaps)."""
        for k, gap in enumerate(self.gaps):
            begin, end = gap
            if end - begin >= count:
                gap[0] += count
                if gap[0] == end:
                    del self.gaps[k]
                return begin
        begin = self.end
        self.end += count
        self.peak = max(self.peak, self.end)
        return begin

    def free(self, begin: int, end: int) -> None:
        """Give back a block: it becomes one gap with those that it touches. O(gaps)."""
        k = bisect_left(self.gaps, [begin, end])
        if k < len(self.gaps) and self.gaps[k][0] == end:
            end = self.gaps.pop(k)[1]
        if k and self.gaps[k - 1][1] == begin:
            begin = self.gaps.pop(k - 1)[0]
            k -= 1
        if end == self.end:
            self.end = begin
        else:
            self.gaps.insert(k, [begin, end])


def aligned_size(count: int) -> int:
    """The bytes that a value of `count` bytes takes: a multiple of ALIGNMENT, and not 0."""
    return -(-max(count, 1) // ALIGNMENT) * ALIGNMENT
