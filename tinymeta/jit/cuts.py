"""What is joined and cut again: rewrites of a slice, for simplify.py.

    v2 = concatenate(v0, v1)         v0: (3,), v1: (4,)
    v3 = slice(v2, 3:7)              v3 = v1

    v2 = add(pad(v0, after 4), pad(v1, before 3))
    v3 = slice(v2, 3:7)              v3 = add(v1, 0)

`tm.checkpoint` packs its results into one vector, as a step of its derivative has one cotangent:
each result is a slice of a concatenation, and each cotangent one of a sum of padded parts. Here the
vector vanishes, so nothing is copied, and tasks that it would mix stay apart (split.py).

Invariant: the same values to the bit. Where a padding's zeros were added, one 0 still is: -0 + 0 is
0. Cost: O(parts) for each slice, so O(parts^2) for the results of one checkpoint.
"""

from typing import TYPE_CHECKING

import numpy as np

from .joins import Padded, as_padded
from .program import Equation
from .trace import SMALL

if TYPE_CHECKING:
    from .simplify import Simplifier


def slice_rule(
    simplifier: "Simplifier", inputs: tuple, static: dict, like: Equation | None
) -> Equation | None:
    """A slice of everything is the value itself, one within a part that was joined, one of that.

    Of a small constant it is a constant.
    """
    (x,), slices = inputs, static["slices"]
    if all(cut == slice(0, n, 1) for cut, n in zip(slices, x.shape)):
        return x
    if x.op == "constant" and x.size <= SMALL:
        value = np.ascontiguousarray(x.static["value"][slices])
        return simplifier.build("constant", (), {"value": value}, like)
    if x.op == "concatenate":
        return _slice_of_part(simplifier, x, slices, like)
    terms = _padded_terms(x)
    if not terms:
        return None
    return _slice_of_terms(simplifier, x, terms, slices, like)


def _slice_of_part(
    simplifier: "Simplifier", x: Equation, slices: tuple, like: Equation | None
) -> Equation | None:
    """The slice of the part of a concatenation that it lies in; None if it is in several."""
    axis = x.static["axis"]
    begin = 0
    for part in x.inputs:
        found = _slice_within(simplifier, Padded(part, axis, begin), slices, like)
        if found is not None:
            return found
        begin += part.shape[axis]
    return None


def _slice_of_terms(
    simplifier: "Simplifier", x: Equation, terms: list[Padded], slices: tuple, like: Equation | None
) -> Equation | None:
    """The sum of the slices of padded terms; None if one is neither within a term nor beside it."""
    total: Equation | None = None
    zeros = False  # were any added?
    for term in terms:
        if _is_beside(term, slices):
            zeros = True
            continue
        found = _slice_within(simplifier, term, slices, like)
        if found is None:
            return None
        total = found if total is None else simplifier.build("add", (total, found), {}, like)
    zero = simplifier.number(0, x.dtype, like)
    if total is None:
        shape = tuple(len(range(cut.start, cut.stop, cut.step)) for cut in slices)
        return simplifier.build("broadcast_to", (zero,), {"shape": shape}, like)
    return simplifier.build("add", (total, zero), {}, like) if zeros else total


def _slice_within(
    simplifier: "Simplifier", part: Padded, slices: tuple, like: Equation | None
) -> Equation | None:
    """The slice as one of the content; None if it reaches beyond that."""
    cut = slices[part.axis]
    begin, end = cut.start - part.begin, cut.stop - part.begin
    if cut.step != 1 or begin < 0 or end > part.content.shape[part.axis]:
        return None
    moved = list(slices)
    moved[part.axis] = slice(begin, end, 1)
    return simplifier.build("slice", (part.content,), {"slices": tuple(moved)}, like)


def _is_beside(term: Padded, slices: tuple) -> bool:
    """Is the slice of a padded value one of zeros alone?"""
    cut = slices[term.axis]
    return cut.step == 1 and (cut.stop <= term.begin or cut.start >= term.end)


def _padded_terms(x: Equation) -> list[Padded]:
    """The terms of a sum of values that are padded along one axis, in order; [] if it is none.

    A constant may be among them, which is all content.
    """
    terms: list[Padded] = []
    stack = [x]
    while stack:
        term = stack.pop()
        if term.op == "add":
            stack.extend(reversed(term.inputs))
            continue
        # Padded while the function was traced; of a number the other operand has the shape.
        is_constant = term.op == "constant" and term.shape == x.shape
        padded = Padded(term, 0, 0) if is_constant else as_padded(term)
        if padded is None or term.dtype.kind != "f":
            return []
        terms.append(padded)
    return terms
