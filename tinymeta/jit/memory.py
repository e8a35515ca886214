"""Memory: every stored value gets its bytes in one arena; two share bytes if they never live at once.

A value lives from the step that stores it to the last that reads it. Inputs, outputs and constants
live all along.
"""

from typing import NamedTuple

from .fuse import Step
from .program import Line, Program
from .views import source

ALIGNED = 64                        # bytes: a line of the cache, a vector of any machine


class Memory(NamedTuple):
    """Where each value begins, in bytes, and how many the arena has."""
    begins: dict[Line, int]
    scratch: dict[int, int]         # by step: where its working memory begins
    size: int
    lives: dict[Line, tuple[int, int]]


def lifetimes(program: Program, steps: list[Step]) -> dict[Line, tuple[int, int]]:
    """Of each stored value, the first and the last step at which it has to lie there."""
    end = len(steps)
    lives = {x: (-1, end) for x in program.lines if x.op in ("input", "constant")}
    for k, step in enumerate(steps):
        lives |= {y: (k, k) for y in step.lines}
        lives |= {x: (lives[x][0], max(k, lives[x][1])) for x in step.reads}
    for y in program.outputs:
        base = source(y)[0]
        lives[base] = (lives[base][0], end)
    return lives


def plan(program: Program, steps: list[Step], scratch: dict[int, int]) -> Memory:
    """First fit, in the order of the steps. scratch: by step, how many bytes it needs besides."""
    lives = lifetimes(program, steps)
    wanted = [(first, 0, line, line.nbytes, last) for line, (first, last) in lives.items()]
    wanted += [(k, 1, k, size, k) for k, size in scratch.items()]
    taken: list[tuple[int, int, int]] = []          # (begin, end, last step), by begin
    begins, places, size = {}, {}, 0
    for first, is_scratch, what, count, last in sorted(wanted, key=lambda w: (w[0], w[1])):
        taken = [block for block in taken if block[2] >= first]
        begin = gap(taken, rounded(count))
        taken.append((begin, begin + rounded(count), last))
        taken.sort(key=lambda block: block[0])
        size = max(size, begin + rounded(count))
        (places if is_scratch else begins)[what] = begin
    return Memory(begins, places, size, lives)


def gap(taken: list, count: int) -> int:
    """The first place between the blocks that are taken with room for so many bytes."""
    begin = 0
    for start, end, _ in taken:
        if start - begin >= count:
            return begin
        begin = max(begin, end)
    return begin


def rounded(count: int) -> int:
    return -(-max(count, 1) // ALIGNED) * ALIGNED
