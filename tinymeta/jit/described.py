"""Each equation that is run, with all that is known of it: the middle between passes and pages.

In: the last pass of the compiler as `Replay`s or `Launches`, and the traced program. Out: for each
of their equations a `Described`: its origin in words, the traced equations that it stands for, the
steps that compute it, their kernels, and where it lies in the arena.

    inner 1 / backward, order 1     mul(v3, v7) by the rule of tanh, of t12, for t31
    step 14, a loop of kernel 3     bytes 4096..5120

`t12` is the 13th equation of the trace, its v12; a name of the trace holds for all passes.
Invariant: everything is read off the plan that is run, nothing is decided again but what
`choose_materialized` decides alike. Cost: O(n) equations, each in the bodies that compute it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .materialize import choose_materialized
from .origin import GIVEN_SCOPE, scope_of
from .program import Equation, Program

if TYPE_CHECKING:
    from .graph import Launches
    from .replay import Replay


class Described(NamedTuple):
    """An equation of what is run.

    part: which of the programs it is of, "whole", "before", "chunk" or "after".
    name: in the listing of that part, "v5".
    order, scope, location: see origin.py.
    rule, cause: the operation whose derivative rule made it, and that equation, "t3"; "" if none.
    descends: the traced equations that it stands for, ("t12",).
    steps: those that compute it; none of a view, an input, a constant.
    kernels: of these steps, as numbers into the list of all generated sources.
    begin, nbytes: where it lies in the arena of its part; (-1, 0) if it is nowhere in memory.
    """

    eqn: Equation
    part: str
    name: str
    order: int
    scope: str
    location: str
    rule: str
    cause: str
    descends: tuple[str, ...]
    steps: tuple[int, ...]
    kernels: tuple[int, ...]
    begin: int
    nbytes: int


def traced_names(program: Program) -> dict[int, str]:
    """By number: the name of each equation of the trace, "t0"."""
    return {eqn.number: f"t{k}" for k, eqn in enumerate(program.equations)}


def has_inner_scopes(program: Program) -> bool:
    """Was any of it made in a scope, so that what was not is the outer computation?"""
    return any(eqn.origin.path for eqn in program.equations)


def order_counts(program: Program, nested: bool) -> dict[str, Counter[int]]:
    """By scope, as `scopes_in_order`: how many equations there are of each order."""
    counts = {scope: Counter[int]() for scope in scopes_in_order(program.equations, nested)}
    for eqn in program.equations:
        counts[scope_of(eqn, nested)][eqn.origin.order] += 1
    return counts


def scopes_in_order(equations: Sequence[Equation], nested: bool) -> list[str]:
    """The scopes of equations as they are told: what is given, the inner steps, what is outer.

    Those of one path stay together, forward before backward; paths, and scopes of the same order,
    are sorted by the mean place of their equations, as some of a scope are made early.
    """
    by_path: dict[tuple[str, ...], list[int]] = defaultdict(list)
    by_scope: dict[str, list[int]] = defaultdict(list)
    first: dict[str, Equation] = {}  # of each scope
    for k, eqn in enumerate(equations):
        scope = scope_of(eqn, nested)
        first.setdefault(scope, eqn)
        by_scope[scope].append(k)
        by_path[eqn.origin.path].append(k)

    def key(scope: str) -> tuple:
        origin = first[scope].origin
        places = by_path[origin.path], by_scope[scope]
        of_path, of_scope = (sum(found) / len(found) for found in places)
        return scope != GIVEN_SCOPE, of_path, origin.order, of_scope

    return sorted(first, key=key)


def origin_text(eqn: Equation, names: dict[int, str], nested: bool) -> str:
    """The origin in a line: scope, rule and cause, the traced equations that it stands for."""
    origin = eqn.origin
    words = [f"[{scope_of(eqn, nested)}]"]
    if origin.rule:
        words.append(f"rule of {origin.rule} {names.get(origin.cause, '')}".rstrip())
    if eqn.number not in names:  # else it is traced itself
        words.append(f"from {' '.join(descent(eqn, names))}")
    return "  ".join(words)


def descent(eqn: Equation, names: dict[int, str]) -> tuple[str, ...]:
    """The names of the traced equations that it stands for."""
    return tuple(names[number] for number in eqn.descends if number in names)


def _computing_steps(replay: "Replay | Launches") -> dict[Equation, tuple[int, ...]]:
    """The steps that compute each equation; a value that is not stored may be computed in several.

    Equations that no step computes, views and what is given, are left out.
    """
    bodies = choose_materialized(replay.program, replay.in_vectors).bodies
    found: dict[Equation, list[int]] = defaultdict(list)
    for k, step in enumerate(replay.steps):
        body: Iterable[Equation] = step.results
        if step.loop:
            body = dict.fromkeys(eqn for root in step.results for eqn in bodies[root])
        for eqn in body:
            found[eqn].append(k)
    return {eqn: tuple(steps) for eqn, steps in found.items()}


def describe(
    parts: dict[str, "Replay | Launches"], kernels: list[str], trace: Program
) -> list[Described]:
    """All equations that are run. kernels: all generated sources, each once."""
    names, nested = traced_names(trace), has_inner_scopes(trace)
    places = {source: k for k, source in enumerate(kernels)}
    found = []
    for part, replay in parts.items():
        steps_of, sources = _computing_steps(replay), replay.sources()
        places_in_arena = replay.memory.places
        for k, eqn in enumerate(replay.program.equations):
            steps = steps_of.get(eqn, ())
            used = {places[source] for step in steps for source in sources.get(step, ())}
            begin = places_in_arena.get(eqn, -1)
            row = Described(
                eqn=eqn,
                part=part,
                name=f"v{k}",
                order=eqn.origin.order,
                scope=scope_of(eqn, nested),
                location=eqn.origin.location,
                rule=eqn.origin.rule,
                cause=names.get(eqn.origin.cause, ""),
                descends=descent(eqn, names),
                steps=steps,
                kernels=tuple(sorted(used)),
                begin=begin,
                nbytes=eqn.nbytes if begin >= 0 else 0,
            )
            found.append(row)
    return found
