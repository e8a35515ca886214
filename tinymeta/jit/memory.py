"""Memory planning: every materialized value gets bytes in one arena.

In: a program and its steps. Out: a `Memory`, the byte of the arena where each value begins.

    value     bytes       steps 0 to 4
    v0 input  0..48       #####
    v1        64..112     .##..         read last by step 2
    v2        128..176    ..##.
    v3        64..112     ...##         takes the place of v1

A value lives from the step that stores it to the last step that reads it. Inputs, outputs and
constants live all along.

Invariant: two values share bytes only if they never live at the same step; but a result may slide
over an operand that is read last by its step (sliding.py). First fit in the order of the steps:
O(n log n + n g) for n values and g gaps, and freed blocks that touch become one gap, so g is small.
The best packing is an NP-hard problem. First fit needs 5 % more than the most bytes that live at
once in a Conv-4 MAML step, and 0.4 % more in a sinusoid step; that is a third and a quarter of the
bytes of all values. Where it needs many bytes, the largest values are placed first in two other
orders, and the plan that needs least is taken. Allocating each value when it is stored would put
Python, or an allocator's lock, between the steps.
"""

from bisect import bisect_left
from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

from .fuse import Step
from .program import Equation, Program
from .views import source

Lifetimes = dict[Equation, tuple[int, int]]  # (first step, last step) of each value
ALIGNMENT = 64  # bytes: a line of the cache, a vector of any machine
SPAN = 2**20  # bytes by which a result that slides over an operand lies before it
WORTH_PACKING = 10 * SPAN  # bytes of an arena, from which a smaller one is looked for
_FEW = 128  # values, the largest, that are then placed first


class Memory(NamedTuple):
    """Where everything lies in the arena, in bytes."""

    offsets: dict[Equation, int]  # of each materialized value
    workspaces: dict[int, int]  # by step: where its workspace begins
    size: int  # of the arena
    lifetimes: Lifetimes
    slides: dict[Equation, Equation]  # of a result that is written over an operand, that operand
    outside: tuple[Equation, ...]  # inputs and outputs that have no place, and 0 in `offsets`

    @property
    def places(self) -> dict[Equation, int]:
        """Where each value begins that lies in the arena."""
        return {x: begin for x, begin in self.offsets.items() if x not in self.outside}


class _Request(NamedTuple):
    """Bytes that are wanted for some steps, by values or by a step as its workspace."""

    first: int
    last: int
    size: int
    values: tuple[Equation, ...]  # each slides over the one before; (): workspace of step `first`


def lifetimes(program: Program, steps: list[Step]) -> Lifetimes:
    """Of each materialized value, the first and the last step at which it has to be in memory.

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


def plan_memory(
    program: Program,
    steps: list[Step],
    workspace_sizes: dict[int, int],
    find_slides: Callable[[Lifetimes], dict[Equation, Equation]] = lambda lives: {},
    outside: tuple[Equation, ...] = (),
) -> Memory:
    """A place for everything: by first fit, or with the largest values first if that takes less.

    workspace_sizes: by step, the bytes it needs besides. find_slides: from lifetimes to the results
    that are written over an operand, and over which (sliding.py). outside: inputs and outputs that
    get no place (arena.py).
    """
    lives = lifetimes(program, steps)
    slides = find_slides(lives)
    inside = dict(lives)
    for x in outside:
        del inside[x]
    requests = _requests_for(inside, slides)
    requests += [_Request(k, k, aligned_size(size), ()) for k, size in workspace_sizes.items()]
    requests.sort(key=lambda r: (r.first, not r.values))  # of a step, values come first
    places, size = _first_fit(requests)
    if size > WORTH_PACKING:
        for order in (_longest_life, _largest_and_shortest):
            other_places, other_size = _pack_large(requests, order)
            if other_size < size:
                places, size = other_places, other_size

    offsets: dict[Equation, int] = dict.fromkeys(outside, 0)
    workspaces: dict[int, int] = {}
    for request, begin in zip(requests, places):
        if not request.values:
            workspaces[request.first] = begin
        for k, eqn in enumerate(reversed(request.values)):
            offsets[eqn] = begin + k * SPAN
    return Memory(offsets, workspaces, size, lives, slides, outside)


def _requests_for(lives: Lifetimes, slides: dict[Equation, Equation]) -> list[_Request]:
    """One for each value; values that slide over one another share one, a SPAN apart."""
    next_of = {x: y for y, x in slides.items()}
    requests = []
    for x, (first, _) in lives.items():
        if x in slides:
            continue
        values = [x]
        while values[-1] in next_of:
            values.append(next_of[values[-1]])
        size = aligned_size(x.nbytes) + (len(values) - 1) * SPAN
        requests.append(_Request(first, lives[values[-1]][1], size, tuple(values)))
    return requests


def _first_fit(requests: list[_Request]) -> tuple[list[int], int]:
    """(where each request begins, bytes in all); requests: in the order of their first steps.

    A heap knows which block's last step is over first, so a step costs as much as there are gaps,
    however many values live.
    """
    free_list = FreeList()
    taken: list[tuple[int, int, int]] = []  # a heap of (last step, begin, end)
    places = []
    for request in requests:
        while taken and taken[0][0] < request.first:
            _, begin, end = heappop(taken)
            free_list.free(begin, end)
        begin = free_list.allocate(request.size)
        heappush(taken, (request.last, begin, begin + request.size))
        places.append(begin)
    return places, free_list.peak


def _longest_life(request: _Request) -> tuple:
    """Sort key: long lives first, of those as long the large ones.

    Values that a backward pass reads are read last if they were stored first, so lives lie in one
    another: placed from the outermost to the innermost they leave no gaps.
    """
    return request.first - request.last, -request.size


def _largest_and_shortest(request: _Request) -> tuple:
    """Sort key: large values first, of those as large the short lives; small ones fit between."""
    return -request.size, request.last - request.first


def _pack_large(
    requests: list[_Request], order: Callable[[_Request], tuple]
) -> tuple[list[int], int]:
    """As `_first_fit`, but the _FEW largest are placed before, in this order.

    Each goes to the first gap between those that live at one of its steps; all others lie behind.
    """
    by_size = sorted(range(len(requests)), key=lambda k: -requests[k].size)
    placed: dict[int, int] = {}
    end_of_large = 0
    for k in sorted(by_size[:_FEW], key=lambda k: order(requests[k])):
        request = requests[k]
        others = [j for j in placed if _live_at_once(request, requests[j])]
        begin = 0
        for j in sorted(others, key=placed.__getitem__):
            if placed[j] - begin >= request.size:
                break
            begin = max(begin, placed[j] + requests[j].size)
        placed[k] = begin
        end_of_large = max(end_of_large, begin + request.size)
    small = [k for k in range(len(requests)) if k not in placed]
    places, size = _first_fit([requests[k] for k in small])
    for k, begin in zip(small, places):
        placed[k] = end_of_large + begin
    return [placed[k] for k in range(len(requests))], end_of_large + size


def _live_at_once(a: _Request, b: _Request) -> bool:
    return a.first <= b.last and b.first <= a.last


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
