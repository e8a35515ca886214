"""Where an equation comes from: order of derivative, place, scope, and the rule that made it.

    inner 1 / forward                y = f(theta_0; support)         order 0
    inner 1 / backward               g, by the rules of f's operations     1
    outer / forward                  the query loss                        0
    outer / backward                 by the rules of its operations        1
    outer / backward of inner 1      by the rules of f's: the factor I     1
                                     by the rules of g's: the Hessian      2

In: what this thread is doing (core/scope.py). Out: an `Origin`, which an equation carries and each
pass hands on to what replaces it. `descends`, of an equation, are the numbers of the traced ones
that it stands for: its identity through all passes. A derivative rule that runs makes equations
for the node whose rule it is; of that node a number is kept here, and nothing of the user's.

Invariant: an origin never changes a program: no pass reads it but for `region`. Cost: a look at
the state and a walk up the stack for each operation traced, and O(n) for a pass. Asking later,
from the finished program, is impossible: nothing there says which rule wrote an equation.
"""

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ..core.scope import state

if TYPE_CHECKING:
    from .program import Equation

_GIVEN = ("input", "constant")  # what is there before anything is computed
GIVEN_SCOPE = "inputs"


class Origin(NamedTuple):
    """Where an equation comes from.

    order: how many derivatives deep it is (0: forward).
    region: equations of different regions are never merged (a checkpoint computes some again).
    location: the user's line of source, "file.py:12".
    path: the names of the scopes in which it was made, ("inner 1",).
    place: the path of the forward computation that it is of, through however many derivatives.
    rule, cause: the operation whose derivative rule made it, and the number of the equation whose
    rule that is; "" and 0 of what no rule made.
    """

    order: int = 0
    region: int = 0
    location: str = ""
    path: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    rule: str = ""
    cause: int = 0


def origin_here() -> Origin:
    """The origin of an equation that is made now."""
    node, path = state.differentiated, state.path
    if node is None:
        return Origin(state.order, state.region, caller_location(), path, path)
    made = node.value  # an equation, or an array of what was computed while tracing
    place = made.origin.place if hasattr(made, "origin") else path
    if len(path) > len(place):  # a checkpoint's rule computes an inner step again
        place = path
    cause = getattr(made, "number", 0)
    rule = node.primitive.name
    return Origin(state.order, state.region, caller_location(), path, place, rule, cause)


def caller_location() -> str:
    """The innermost line of source outside of this package, "file.py:12"; "" if there is none."""
    frame = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").startswith("tinymeta."):
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    if not frame:
        return ""
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"


def inherit(new: dict["Equation", "Equation"]) -> None:
    """new: by equation of a program, what a pass made of it. Each descends from all it replaces.

    An input that stands for an equation now (x * 1 is x) descends from that, too, besides itself.
    """
    replaced: dict[Equation, list[Equation]] = defaultdict(list)
    for old, made in new.items():
        if old is not made:
            replaced[made].append(old)
    for made, olds in replaced.items():
        if len(olds) == 1 and made.descends == olds[0].descends:
            continue  # a copy, as most are
        ancestors = {*made.descends}.union(*(old.descends for old in olds))
        made.descends = tuple(sorted(ancestors))


def scope_of(eqn: "Equation", nested: bool = True) -> str:
    """The scope of an equation, in words; nested: are there inner steps, so that others are outer?

    "inputs", "inner 1 / forward", "inner 1 / backward", "outer / backward of inner 1".
    """
    if eqn.op in _GIVEN:
        return GIVEN_SCOPE
    origin = eqn.origin
    where = " / ".join(origin.path) or "outer" * nested
    phase = " of ".join(["backward"] * origin.order) or "forward"
    if origin.place != origin.path:
        phase = f"backward of {' / '.join(origin.place) or 'outer'}"
    again = ", computed again" * bool(origin.region)
    return f"{where} / {phase}{again}" if where else f"{phase}{again}"
