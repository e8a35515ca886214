"""Memory: every stored value gets its bytes in one arena; two share bytes if they never live at once.

A value lives from the step that stores it to the last that reads it. Inputs, outputs and constants
live all along.
"""

from bisect import bisect_left
from heapq import heappop, heappush
from typing import NamedTuple

from .fuse import Step
from .program import Line, Program
from .views import source

ALIGNED = 64  # bytes: a line of the cache, a vector of any machine


class Memory(NamedTuple):
    """Where each value begins, in bytes, and how many the arena has."""

    begins: dict[Line, int]
    scratch: dict[int, int]  # by step: where its working memory begins
    size: int
    lives: dict[Line, tuple[int, int]]


def lifetimes(program: Program, steps: list[Step]) -> dict[Line, tuple[int, int]]:
    """Of each stored value, the first and the last step at which it has to lie there."""
    end = len(steps)
    lives = {x: (-1, end) for x in program.lines if x.op in ("input", "constant")}
    for k, step in enumerate(steps):
        lives |= dict.fromkeys(step.lines, (k, k))
        lives |= {x: (lives[x][0], max(k, lives[x][1])) for x in step.reads}
    for y in program.outputs:
        base = source(y)[0]
        lives[base] = (lives[base][0], end)
    return lives


def plan(program: Program, steps: list[Step], scratch: dict[int, int]) -> Memory:
    """First fit, in the order of the steps. scratch: by step, how many bytes it needs besides.

    Blocks come back when their last step is over (a heap knows which), so a step costs as much as
    there are gaps, however many values live.
    """
    lives = lifetimes(program, steps)
    wanted = [(first, 0, line, line.nbytes, last) for line, (first, last) in lives.items()]
    wanted += [(k, 1, k, size, k) for k, size in scratch.items()]
    wanted.sort(key=lambda w: (w[0], w[1]))
    taken: list[tuple[int, int, int]] = []  # (last step, begin, end), a heap
    room, begins, places = Room(), {}, {}
    for first, is_scratch, what, count, last in wanted:
        while taken and taken[0][0] < first:
            room.give_back(*heappop(taken)[1:])
        begin = room.take(rounded(count))
        heappush(taken, (last, begin, begin + rounded(count)))
        (places if is_scratch else begins)[what] = begin
    return Memory(begins, places, room.largest, lives)


class Room:
    """Bytes from 0 on: gaps that are free, in order, and all behind `end`."""

    def __init__(self):
        self.gaps: list[list[int]] = []  # [begin, end]
        self.end = self.largest = 0

    def take(self, count: int) -> int:
        """The first place with room for so many bytes."""
        for k, gap in enumerate(self.gaps):
            begin, end = gap
            if end - begin >= count:
                gap[0] += count
                if gap[0] == end:
                    del self.gaps[k]
                return begin
        begin, self.end = self.end, self.end + count
        self.largest = max(self.largest, self.end)
        return begin

    def give_back(self, begin: int, end: int) -> None:
        """A block is free again: one gap with those that it touches."""
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


def rounded(count: int) -> int:
    return -(-max(count, 1) // ALIGNED) * ALIGNED
