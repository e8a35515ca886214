"""Materialization: which values are stored in memory, and which only pass through registers.

In: a program with legal layouts. Out: a `Materialization`.

    v1 = neg(v0)                     v1   computed in the loop of v2 and v4: it is cheap
    v2 = mul(v1, v0)                 v2   stored: the product needs it in memory
    v3 = matmul(v2, w)               v3   stored: no loop computes it
    v4 = sum(v1, axes=(0,))          v4   stored: an output

A value is stored if something needs it in memory (a loop over another space, a product, the
caller), if it has several readers and is not cheap to compute again, or if its body, which is what
is computed on the way to it, becomes too long. On a CPU so is what is expensive before it is added
up: the vectors of a loop that adds in float64 have half as many lanes, for all that it computes.
All others are computed where they are read, and never exist as arrays. A materialized value that a
loop computes is a root of that loop (loops.py).

Invariant: a value is stored as soon as its body has more than MAX_BODY equations or reads more than
MAX_OPERANDS / 2 operands: materialized values, inputs, constants. Its readers' bodies then
begin at it, and operations have up to three operands, so no body has more than 3 * MAX_BODY + 1
equations. Cost: O(n), as bodies are bounded. Storing every value costs a pass over memory for each;
storing as few as possible computes values with many readers many times, exponentially often in a
chain of them.
"""

from collections import defaultdict
from typing import NamedTuple

from .loops import can_loop, is_elementwise, is_expensive, summed_in_float64
from .program import Equation, Program
from .views import VIEWS, changes_unit_axes_only, source

_FREE_OPERANDS = 2  # large ones up to which a cheap value with several readers is computed again
_LARGE_SUM = 4096  # numbers, from which on a sum is worth a loop of its own
MAX_OPERANDS = 20  # of a loop; a value that reads more than half as many is stored
MAX_BODY = 64  # equations; the value of a longer body is stored


class Materialization(NamedTuple):
    """The values that are stored in memory, and what is computed along with each value."""

    materialized: set[Equation]
    bodies: dict[Equation, frozenset]  # of an equation: itself, and what is computed on the way


def choose_materialized(program: Program, in_vectors: bool = True) -> Materialization:
    """Decide, in order, which values are stored.

    Besides those that are needed in memory: a value with several readers that is not cheap to
    compute again, and any value whose body would become too long. So bodies stay bounded.
    in_vectors: does an instruction of a loop compute several numbers, as on a CPU?
    """
    materialized, readers = _needed_in_memory(program)
    operands_of: dict[Equation, frozenset] = {}  # materialized, that a value is computed from
    bodies: dict[Equation, frozenset] = {}
    for eqn in program.equations:
        if eqn.op in VIEWS:
            continue
        sources = [source(x)[0] for x in eqn.inputs]
        if in_vectors and _is_summed_apart(eqn, bodies):
            materialized.update(sources)
        inside = [x for x in sources if x not in materialized and is_elementwise(x)]
        outside = [x for x in sources if x in materialized or not is_elementwise(x)]
        reads = frozenset(outside).union(*(operands_of[x] for x in inside))
        body = frozenset([eqn]).union(*(bodies[x] for x in inside))
        operands_of[eqn], bodies[eqn] = reads, body
        if not is_elementwise(eqn):
            materialized.add(eqn)
        elif eqn not in materialized:
            large_operands = sum(x.size >= eqn.size for x in reads)
            costly = large_operands > _FREE_OPERANDS or any(map(is_expensive, body))
            computed_again = len(readers[eqn]) > 1 and costly
            too_long = len(reads) > MAX_OPERANDS // 2 or len(body) > MAX_BODY
            if computed_again or too_long:
                materialized.add(eqn)
    return Materialization(materialized, bodies)


def _is_summed_apart(eqn: Equation, bodies: dict[Equation, frozenset]) -> bool:
    """Is it a sum in float64 of many numbers that are expensive to compute?"""
    if not summed_in_float64(eqn) or eqn.inputs[0].size < _LARGE_SUM:
        return False
    summand = source(eqn.inputs[0])[0]
    return any(map(is_expensive, bodies.get(summand, ())))


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
            # Through a broadcast, its reader would compute it again for each repetition.
            repeated = any(view.size > base.size for view in chain) and base.size > 1
            if not can_loop(eqn) or repeated:
                needed.add(base)
            # A number that a larger loop reads is computed once, before that loop.
            if base.size == 1 and max(eqn.size, x.size) > 1:
                needed.add(base)
    return needed, readers


def operands(root: Equation, materialized: set[Equation]) -> list[Equation]:
    """Materialized values, inputs and constants that a root, or an equation by itself, reads."""
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
