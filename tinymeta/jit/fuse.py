"""Fusing: elementwise lines that read the same places become one loop, with the sums that end them.

A value is stored if something needs it in memory: another loop shape, a product, the caller. All
others are computed where they are read, as often as they are read, and never exist as arrays. Every
stored value that a loop can compute is a root; roots over the same space that share an operand
share a loop. Bodies are of limited length, so the cost grows with the number of lines.
"""

import ast
import functools
from bisect import bisect_right
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from ..core.primitive import registry
from ..core.strides import dense, evenly_strided
from ..core.text import FUNCTIONS
from .machine import DTYPES
from .program import OWN, Builder, Line, Own, Program, ordered
from .views import VIEWS, source, unit, walk

SHARED_LEAVES = 2  # a value read twice is computed twice if it needs no more large operands
OPERANDS = 20  # of a loop, at most
LENGTH = 64  # lines of a body from which its value is stored; a loop has at most 4 times that
CANDIDATES = 16  # loops, the latest, that are looked at for a root to join
CHEAP = {
    "where",
    "minimum",
    "maximum",
    "absolute",
    "sign",
    "square",
    "sqrt",
    "reciprocal",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "copysign",
    "isnan",
    "isfinite",
}  # an instruction or two
REDUCTIONS = {"sum", "max"}


class Loop(NamedTuple):
    """Roots computed together, over one space."""

    space: tuple[int, ...]
    roots: list[Line]


class Step(NamedTuple):
    """What is run at once: a loop of fused lines, or a line by itself."""

    lines: tuple[Line, ...]  # what it stores
    reads: tuple[Line, ...]  # stored values
    loop: Loop | None


def scalar(line: Line) -> bool:
    """Is it a line of a loop's body?

    What kernels have no dtype for is none, and neither is a cast of floats to integers: C leaves
    open what becomes of those that do not fit, and so NumPy decides.
    """
    if not known(line):
        return False
    if line.op == "astype":
        return line.dtype == bool or line.dtype.kind == "f" or line.inputs[0].dtype.kind != "f"
    primitive = registry.get(line.op)
    return line.op == "copy" or primitive is not None and primitive.text is not None


def known(line: Line) -> bool:
    """Have kernels a dtype for all that it reads and makes?"""
    return line.dtype in DTYPES and all(x.dtype in DTYPES for x in line.inputs)


def expensive(line: Line) -> bool:
    """Is there a function in it that takes many instructions?"""
    primitive = registry.get(line.op)
    return primitive is not None and primitive.text is not None and calls(primitive.text)


@functools.cache
def calls(text: str) -> bool:
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return bool(names & FUNCTIONS.keys() - CHEAP)


def looped(line: Line) -> bool:
    """Can a loop compute it?"""
    return scalar(line) or line.op in REDUCTIONS and line.dtype.kind == "f" and known(line)


def space_of(root: Line) -> tuple[int, ...]:
    return root.inputs[0].shape if root.op in REDUCTIONS else root.shape


OWN["copy"] = Own(lambda x: (x.shape, x.dtype), lambda out, x: np.copyto(out, x))


# ---- what is stored -----------------------------------------------------------------------------


def settled(program: Program) -> Program:
    """The program with copies where a view cannot be walked over, so that all others can.

    Outputs lie densely.
    """
    make, new, copies = Builder(), {x: x for x in program.inputs}, {}

    def copied(x: Line, like: Line) -> Line:
        if x not in copies:
            copies[x] = make("copy", (x,), {}, like)
        return copies[x]

    for line in program.lines:
        if line in new:
            continue
        inputs = tuple([new[x] for x in line.inputs])
        if line.op == "reshape" and not unit(line):
            if not is_dense(inputs[0]):
                inputs = (copied(inputs[0], line),)
        elif line.op not in VIEWS and not looped(line) and line.op != "constant":
            inputs = tuple(
                [x if readable(line.op, k, x) else copied(x, line) for k, x in enumerate(inputs)]
            )
        new[line] = make(line.op, inputs, line.static, line)
    outputs = [y if is_dense(y) else copied(y, y) for y in map(new.get, program.outputs)]
    return ordered(outputs, program.inputs)


def is_dense(x: Line) -> bool:
    """Do its elements lie one after another, in order?"""
    found = walk(*source(x), x.shape)
    return found is not None and found.strides == dense(x.shape)


def readable(op: str, k: int, x: Line) -> bool:
    """Can a line that is no loop take its k-th operand, x, as it lies?"""
    if op != "matmul":
        return is_dense(x)
    found = walk(*source(x), x.shape)
    if found is None:
        return False
    *lead, rows, columns = found.strides
    *sizes, m, n = x.shape
    return evenly_strided(sizes, lead) and (k == 0 or 1 in (columns, rows, m, n))


class Bodies(NamedTuple):
    """What is stored, and what is computed on the way to it."""

    stored: set[Line]
    lines: dict[Line, frozenset]  # of a line: itself, and what is computed along with it


def bodies(program: Program) -> Bodies:
    """Decide, line by line, what has to lie in memory."""
    stored, readers = stored_for_others(program)
    leaves: dict[Line, frozenset] = {}  # the stored values that a line is made of
    lines: dict[Line, frozenset] = {}
    for line in program.lines:
        if line.op in VIEWS:
            continue
        below = [source(x)[0] for x in line.inputs]
        inside = [x for x in below if x not in stored and scalar(x)]
        outside = [x for x in below if x in stored or not scalar(x)]
        reach = leaves[line] = frozenset(outside).union(*(leaves[x] for x in inside))
        body = lines[line] = frozenset([line]).union(*(lines[x] for x in inside))
        if not scalar(line):
            stored.add(line)
        elif line not in stored:
            large = sum(x.size >= line.size for x in reach)
            costly = large > SHARED_LEAVES or any(map(expensive, body))
            again = len(readers[line]) > 1 and costly
            if again or len(reach) > OPERANDS // 2 or len(body) > LENGTH:
                stored.add(line)
    return Bodies(stored, lines)


def stored_for_others(program: Program) -> tuple[set[Line], dict]:
    """(what the caller, a product or another loop needs in memory, of each line who reads it)."""
    readers = defaultdict(set)  # of what is no view, through views
    stored = {source(y)[0] for y in program.outputs}
    for line in program.lines:
        if line.op in VIEWS:
            if line.op == "reshape" and not unit(line):
                stored.add(source(line)[0])
            continue
        for x in line.inputs:
            base, chain = source(x)
            readers[base].add(line)
            if not looped(line) or any(v.size > base.size for v in chain) and base.size > 1:
                stored.add(base)
            if base.size == 1 and max(line.size, x.size) > 1:
                stored.add(base)
    return stored, readers


# ---- which loops --------------------------------------------------------------------------------


def fuse(program: Program, found: Bodies) -> list[Step]:
    """The steps that compute the stored values, in order."""
    steps, position, length = [], {}, []
    reading = defaultdict(list)  # (space, large operand): the loops that read it, in order
    for line in program.lines:
        if line not in found.stored or line.op in ("input", "constant"):
            continue
        reads = tuple(operands(line, found.stored))
        if not looped(line):
            position[line] = len(steps)
            steps.append(Step((line,), reads, None))
            length.append(0)
            continue
        space, own = space_of(line), len(found.lines[line])
        large = [x for x in reads if x.size >= np.prod(space)]
        after = max((position[x] for x in reads if x in position), default=-1)
        k = next(
            (
                k
                for k in candidates(reading, space, large, after)
                if len({*steps[k].reads, *reads}) <= OPERANDS and length[k] + own <= 4 * LENGTH
            ),
            len(steps),
        )
        if k == len(steps):
            steps.append(Step((), (), Loop(space, [])))
            length.append(0)
        lines, before, loop = steps[k]
        steps[k] = Step(
            (*lines, line),
            tuple(dict.fromkeys((*before, *reads))),
            Loop(space, [*loop.roots, line]),
        )
        position[line], length[k] = k, length[k] + own
        for x in large:
            loops = reading[space, x]
            place = bisect_right(loops, k)
            if not place or loops[place - 1] != k:
                loops.insert(place, k)
    return steps


def candidates(reading: dict, space: tuple, large: list[Line], after: int) -> list[int]:
    """Loops over this space that read one of these operands, and come after a step, in order."""
    found = set()
    for x in large:
        loops = reading.get((space, x), [])
        begin = bisect_right(loops, after)
        found.update(loops[max(begin, len(loops) - CANDIDATES) :])
    return sorted(found)


def operands(root: Line, stored: set) -> list[Line]:
    """The stored values that a root, or a line by itself, reads."""
    found, stack, seen = {}, [source(x)[0] for x in reversed(root.inputs)], set()
    while stack:
        x = stack.pop()
        if x in seen:
            continue
        seen.add(x)
        if x in stored or x.op in ("input", "constant"):
            found[x] = None
        else:
            stack.extend(source(y)[0] for y in reversed(x.inputs))
    return list(found)
