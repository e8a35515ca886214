"""Fusing: elementwise lines that read the same places become one loop, with the sums that end them.

A value is stored if something needs it in memory: another loop shape, a product, the caller. All
others are computed where they are read, as often as they are read, and never exist as arrays. Every
stored value that a loop can compute is a root; roots over the same space that share an operand
share a loop.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from ..core.primitive import registry
from ..core.strides import dense, even
from .program import OWN, Line, Own, Program, ordered
from .simplify import Maker
from .views import VIEWS, source, unit, walk

SHARED_LEAVES = 2       # a value read twice is computed twice if it needs no more large operands
OPERANDS = 20           # of a loop, at most
EXPENSIVE = {"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "power",
             "static_power"}
REDUCTIONS = {"sum", "max"}


class Loop(NamedTuple):
    """Roots computed together, over one space."""
    space: tuple[int, ...]
    roots: list[Line]


class Step(NamedTuple):
    """What is run at once: a loop of fused lines, or a line by itself."""
    lines: tuple[Line, ...]         # what it stores
    reads: tuple[Line, ...]         # stored values
    loop: Loop | None


def scalar(line: Line) -> bool:
    """Is it a line of a loop's body?"""
    primitive = registry.get(line.op)
    return line.op in ("astype", "copy") or primitive is not None and primitive.text is not None


def looped(line: Line) -> bool:
    """Can a loop compute it?"""
    floats = line.dtype.kind == "f"
    return scalar(line) or line.op == "sum" and floats or line.op == "max" and floats


def space_of(root: Line) -> tuple[int, ...]:
    return root.inputs[0].shape if root.op in REDUCTIONS else root.shape


OWN["copy"] = Own(lambda x: (x.shape, x.dtype), lambda out, x: np.copyto(out, x))


# ---- what is stored -----------------------------------------------------------------------------

def settled(program: Program) -> Program:
    """The program with copies where a view cannot be walked over, so that all others can.

    Outputs lie densely.
    """
    make, new = Maker(), {x: x for x in program.inputs}
    for line in program.lines:
        if line in new:
            continue
        inputs = tuple(new[x] for x in line.inputs)
        if line.op == "reshape" and not unit(line):
            if not is_dense(inputs[0]):
                inputs = (copied(make, inputs[0], line),)
        elif line.op not in VIEWS and not looped(line) and line.op != "constant":
            inputs = tuple(x if readable(line.op, k, x) else copied(make, x, line)
                           for k, x in enumerate(inputs))
        new[line] = make(line.op, inputs, line.static, line)
    outputs = (y if is_dense(y) else copied(make, y, y) for y in map(new.get, program.outputs))
    return ordered(outputs, program.inputs)


def is_dense(x: Line) -> bool:
    """Do its elements lie one after another, in order?"""
    found = walk(*source(x), x.shape)
    return found is not None and found.strides == dense(x.shape)


def copied(make, x: Line, like: Line) -> Line:
    return make("copy", (x,), {}, like)


def readable(op: str, k: int, x: Line) -> bool:
    """Can a line that is no loop take its k-th operand, x, as it lies?"""
    if op != "matmul":
        return is_dense(x)
    found = walk(*source(x), x.shape)
    if found is None:
        return False
    *lead, rows, columns = found.strides
    *sizes, m, n = x.shape
    return even(sizes, lead) and (k == 0 or 1 in (columns, rows, m, n))


def stored_lines(program: Program) -> set[Line]:
    """The lines whose values have to lie in memory."""
    readers = defaultdict(set)                      # of what is no view, through views
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
    leaves: dict[Line, frozenset] = {}
    for line in program.lines:
        if line.op in VIEWS:
            continue
        below = [source(x)[0] for x in line.inputs]
        reach = frozenset().union(*(frozenset([x]) if x in stored or not scalar(x) else leaves[x]
                                    for x in below))
        leaves[line] = reach
        if not scalar(line):
            stored.add(line)
        elif line not in stored:
            large = sum(x.size >= line.size for x in reach)
            again = len(readers[line]) > 1 and (large > SHARED_LEAVES or costly(line, stored))
            if again or len(reach) > OPERANDS // 2:
                stored.add(line)
    return stored


def costly(line: Line, stored: set) -> bool:
    """Is there a function in what would be computed again?"""
    return line.op in EXPENSIVE or any(
        costly(x, stored) for x in (source(x)[0] for x in line.inputs)
        if x not in stored and scalar(x))


# ---- which loops --------------------------------------------------------------------------------

def fuse(program: Program) -> list[Step]:
    """The steps that compute the stored values, in order."""
    stored = stored_lines(program)
    steps, position = [], {}
    for line in program.lines:
        if line not in stored or line.op in ("input", "constant"):
            continue
        reads = tuple(operands(line, stored))
        after = max((position[x] for x in reads if x in position), default=-1)
        if not looped(line):
            position[line] = len(steps)
            steps.append(Step((line,), reads, None))
            continue
        space = space_of(line)
        large = {x for x in reads if x.size >= np.prod(space)}
        for k in range(after + 1, len(steps)):
            loop = steps[k].loop
            if loop and loop.space == space and large & set(steps[k].reads) \
                    and len({*steps[k].reads, *reads}) <= OPERANDS:
                steps[k] = Step((*steps[k].lines, line),
                                tuple(dict.fromkeys((*steps[k].reads, *reads))),
                                Loop(space, [*loop.roots, line]))
                position[line] = k
                break
        else:
            position[line] = len(steps)
            steps.append(Step((line,), reads, Loop(space, [line])))
    return steps


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
