"""Fusing: elementwise equations over the same places become one loop, with the sums that end them.

In: a simplified program. Out: a list of steps, each a loop over one space or a single equation (a
matrix product, windows, ..), and the set of values that are materialized, which is to say stored in
memory.

    v2 = exp(v0)                     step 0   a loop over (4, 3) that reads v0 and stores v4:
    v3 = mul(v2, v0)                              v2 = exp(v0); v3 = v2 * v0; v4 += v3
    v4 = sum(v3, axes=(0,))          step 1   a product that reads v4 and v1 and stores v6
    v5 = reshape(v4, shape=(1, 3))
    v6 = matmul(v5, v1)

A value is materialized if something needs it in memory: a loop over another space, a product, the
caller. All others are computed where they are read, as often as they are read, and never exist as
arrays. A materialized value that a loop can compute is a root. Roots over the same space that share
a large operand share a loop.

Invariants: a step comes after the steps that store what it reads; a loop has at most MAX_OPERANDS
operands and 4 * MAX_BODY equations. Cost: O(n) for n equations, as bodies are of bounded length and
a root looks at MAX_CANDIDATES loops for each operand.

Why not materialize everything, one loop an equation: memory traffic is what such loops cost. Why
not fuse as much as possible: a value with many readers would be computed again in each, and very
large kernels compile slowly.
"""

import ast
import functools
import math
from bisect import bisect_right
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from ..core.primitive import registry
from ..core.strides import dense, even
from ..core.text import FUNCTIONS
from .machine import DTYPES
from .program import INTERNAL, Builder, Equation, Internal, Program, program_of
from .views import VIEWS, changes_unit_axes_only, layout_of, source

FREE_LEAVES = 2  # large operands up to which a cheap value with several readers is computed again
MAX_OPERANDS = 20  # of a loop
MAX_BODY = (
    64  # equations from which a body's value is materialized; a loop has at most 4 times that
)
MAX_CANDIDATES = 16  # loops, the latest, that are looked at for a root to join
# Functions of an instruction or two; all others are expensive.
_CHEAP = {
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
}
REDUCTIONS = {"sum", "max"}


class Loop(NamedTuple):
    """Roots that are computed together, over one space."""

    space: tuple[int, ...]
    roots: list[Equation]


class Step(NamedTuple):
    """What is run at once: a loop, or an equation by itself (loop is None)."""

    results: tuple[Equation, ...]  # the values that it stores
    reads: tuple[Equation, ...]  # the materialized values, inputs and constants that it reads
    loop: Loop | None


# ---- what a loop can compute --------------------------------------------------------------------


def is_elementwise(eqn: Equation) -> bool:
    """Can it be a statement in a loop's body?

    Not with dtypes that kernels lack. Nor can a cast of floats to integers: C leaves open what
    becomes of floats that do not fit, so NumPy does it.
    """
    if not _has_kernel_dtypes(eqn):
        return False
    if eqn.op == "copy":
        return True
    if eqn.op == "astype":
        from_float, to_float = eqn.inputs[0].dtype.kind == "f", eqn.dtype.kind == "f"
        return eqn.dtype == bool or to_float or not from_float
    primitive = registry.get(eqn.op)
    return primitive is not None and primitive.text is not None


def can_loop(eqn: Equation) -> bool:
    """Can a loop compute it: elementwise, or a reduction of floats?"""
    if is_elementwise(eqn):
        return True
    return eqn.op in REDUCTIONS and eqn.dtype.kind == "f" and _has_kernel_dtypes(eqn)


def _has_kernel_dtypes(eqn: Equation) -> bool:
    """Do kernels have the dtypes of its operands and of its result?"""
    return eqn.dtype in DTYPES and all(x.dtype in DTYPES for x in eqn.inputs)


def _is_expensive(eqn: Equation) -> bool:
    """Does it call a function of many instructions?"""
    primitive = registry.get(eqn.op)
    if primitive is None or primitive.text is None:
        return False
    return _calls_expensive_function(primitive.text)


@functools.cache
def _calls_expensive_function(text: str) -> bool:
    """Of a primitive's scalar text, such as "a * exp(-b)"."""
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return bool(names & FUNCTIONS.keys() - _CHEAP)


def loop_space(root: Equation) -> tuple[int, ...]:
    """The space that a loop computing this root runs over: a reduction's is its operand's shape."""
    return root.inputs[0].shape if root.op in REDUCTIONS else root.shape


def _copy_shape(x: Equation) -> tuple:
    return x.shape, x.dtype


def _copy(out: np.ndarray, x: np.ndarray) -> None:
    np.copyto(out, x)


INTERNAL["copy"] = Internal(_copy_shape, _copy)


# ---- legal layouts ------------------------------------------------------------------------------


def with_legal_layouts(program: Program) -> Program:
    """The program with a copy wherever a reader cannot take a view's strides.

    Afterwards every view has a `stored_layout`, a product's operands are matrices in memory, other
    equations that are no loops read dense arrays, and outputs are dense. O(n).
    """
    builder = Builder()
    new = {x: x for x in program.inputs}
    copies: dict[Equation, Equation] = {}  # one for each value, whoever reads it

    def copied(x: Equation, like: Equation) -> Equation:
        if x not in copies:
            copies[x] = builder.build("copy", (x,), {}, like)
        return copies[x]

    for eqn in program.equations:
        if eqn in new:
            continue
        inputs = tuple([new[x] for x in eqn.inputs])
        if eqn.op == "reshape" and not changes_unit_axes_only(eqn):
            if not is_dense(inputs[0]):
                inputs = (copied(inputs[0], eqn),)
        elif eqn.op not in VIEWS and not can_loop(eqn) and eqn.op != "constant":
            inputs = tuple(
                [x if _is_readable(eqn.op, k, x) else copied(x, eqn) for k, x in enumerate(inputs)]
            )
        new[eqn] = builder.build(eqn.op, inputs, eqn.static, eqn)
    outputs = []
    for y in program.outputs:
        outputs.append(new[y] if is_dense(new[y]) else copied(new[y], new[y]))
    return program_of(outputs, program.inputs)


def is_dense(x: Equation) -> bool:
    """Do its elements lie one after another, in order?"""
    layout = layout_of(*source(x), x.shape)
    return layout is not None and layout.strides == dense(x.shape)


def _is_readable(op: str, k: int, x: Equation) -> bool:
    """Can an equation that is no loop read its k-th operand, x, with the strides that x has?

    A matrix product can, if the leading axes are evenly spaced and, of its right operand, rows or
    columns lie together.
    """
    if op != "matmul":
        return is_dense(x)
    layout = layout_of(*source(x), x.shape)
    if layout is None:
        return False
    *lead, rows, columns = layout.strides
    *sizes, m, n = x.shape
    return even(sizes, lead) and (k == 0 or 1 in (columns, rows, m, n))


# ---- what is materialized -----------------------------------------------------------------------


class Materialization(NamedTuple):
    """The values that are stored in memory, and what is computed along with each value."""

    materialized: set[Equation]
    bodies: dict[Equation, frozenset]  # of an equation: itself, and what is computed on the way


def choose_materialized(program: Program) -> Materialization:
    """Decide, in order, which values are stored.

    Besides those that are needed in memory: a value with several readers that is not cheap to
    compute again, and any value whose body would become too long. So bodies stay bounded.
    """
    materialized, readers = _needed_in_memory(program)
    leaves_of: dict[Equation, frozenset] = {}  # the stored values that a value is computed from
    bodies: dict[Equation, frozenset] = {}
    for eqn in program.equations:
        if eqn.op in VIEWS:
            continue
        sources = [source(x)[0] for x in eqn.inputs]
        inside = [x for x in sources if x not in materialized and is_elementwise(x)]
        outside = [x for x in sources if x in materialized or not is_elementwise(x)]
        leaves = frozenset(outside).union(*(leaves_of[x] for x in inside))
        body = frozenset([eqn]).union(*(bodies[x] for x in inside))
        leaves_of[eqn], bodies[eqn] = leaves, body
        if not is_elementwise(eqn):
            materialized.add(eqn)
        elif eqn not in materialized:
            large_leaves = sum(x.size >= eqn.size for x in leaves)
            costly = large_leaves > FREE_LEAVES or any(map(_is_expensive, body))
            computed_again = len(readers[eqn]) > 1 and costly
            too_long = len(leaves) > MAX_OPERANDS // 2 or len(body) > MAX_BODY
            if computed_again or too_long:
                materialized.add(eqn)
    return Materialization(materialized, bodies)


def _needed_in_memory(program: Program) -> tuple[set[Equation], dict[Equation, set]]:
    """(values that the caller, a product or another loop needs in memory, readers of each value).

    Readers are found through views, and views are no readers.
    """
    readers: dict[Equation, set] = defaultdict(set)
    needed = {source(y)[0] for y in program.outputs}
    for eqn in program.equations:
        if eqn.op in VIEWS:
            if eqn.op == "reshape" and not changes_unit_axes_only(eqn):
                needed.add(source(eqn)[0])
            continue
        for x in eqn.inputs:
            base, chain = source(x)
            readers[base].add(eqn)
            repeated = any(view.size > base.size for view in chain) and base.size > 1
            if not can_loop(eqn) or repeated:
                needed.add(base)
            if base.size == 1 and max(eqn.size, x.size) > 1:
                needed.add(base)
    return needed, readers


def operands(root: Equation, materialized: set[Equation]) -> list[Equation]:
    """The stored values, inputs and constants that a root, or an equation by itself, reads."""
    found: dict[Equation, None] = {}
    stack = [source(x)[0] for x in reversed(root.inputs)]
    seen: set[Equation] = set()
    while stack:
        x = stack.pop()
        if x in seen:
            continue
        seen.add(x)
        if x in materialized or x.op in ("input", "constant"):
            found[x] = None
        else:
            stack.extend(source(y)[0] for y in reversed(x.inputs))
    return list(found)


# ---- which roots share a loop -------------------------------------------------------------------


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
        self.lengths: list[int] = []  # of each step: equations in its bodies
        self.position: dict[Equation, int] = {}  # of a stored value: its step
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
        space, length = loop_space(root), len(self.choice.bodies[root])
        reads = tuple(operands(root, self.choice.materialized))
        large = [x for x in reads if x.size >= math.prod(space)]
        after = max((self.position[x] for x in reads if x in self.position), default=-1)

        k = len(self.steps)
        for candidate in candidates(self.reading, space, large, after):
            if self.has_space_for(candidate, reads, length):
                k = candidate
                break
        if k == len(self.steps):
            self.steps.append(Step((), (), Loop(space, [])))
            self.lengths.append(0)
        self.join(k, root, reads, length)
        for x in large:
            self.note_reader(space, x, k)

    def has_space_for(self, k: int, reads: tuple, length: int) -> bool:
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
    """Loops over this space that read one of these operands and come after a step, in order."""
    found: set[int] = set()
    for x in large:
        loops = reading.get((space, x), [])
        begin = bisect_right(loops, after)
        found.update(loops[max(begin, len(loops) - MAX_CANDIDATES) :])
    return sorted(found)
