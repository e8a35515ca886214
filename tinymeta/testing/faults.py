"""Who tests the tests? Mutation: break every derivative rule, one fault at a time, and look.

A mutant is an operation with one fault in one rule. `check_grads`, on the cases that the strategy
of the operation draws, has to turn red for each; a survivor shows a case that is never drawn, or a
check that cannot fail (DeMillo, Lipton & Sayward 1978). The faults that show at order 2 alone are
those of MAML: the value of the rule is right, but what it was made of has been forgotten.

    python -m tinymeta.testing.faults [operation ...]

Without an operation all of them, and the faults in the compiler's passes (passfaults.py) and in
kernels (kernelfaults.py), too.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from ..core.grad import stop_gradient
from ..core.primitive import Primitive, registry, run_eagerly
from ..core.scope import setting, state
from ..core.tensor import asarray
from ..ops import neg
from .cases import Case, strategy_for
from .gradcheck import check_grads
from .subject import Vacuous

EXAMPLES = 20  # the budget within which a fault has to be noticed
ARGUMENTS = "gyabc"  # of a rule: the cotangent, the output, the inputs


class Mutant(NamedTuple):
    """An operation with a fault in one of its rules."""

    op: str
    rule: int
    fault: str

    def __str__(self):
        return f"{self.op}, rule {self.rule}: {self.fault}"


# ---- the faults: a right rule goes in, a wrong one comes out ------------------------------------


def without(rule: Callable, kept: int) -> Callable:
    """The rule with each sum in it replaced by one of its two terms."""
    inner = state.interpreter or run_eagerly

    def one_term(primitive, values, static):
        if primitive.name not in ("add", "sub"):
            return inner(primitive, values, static)
        term = -values[1] if kept and primitive.name == "sub" else values[kept]
        return np.array(np.broadcast_to(term, primitive.shape(*values)[0]))

    def faulty(*args, **static):
        with setting(interpreter=one_term):
            return rule(*args, **static)

    return faulty


def forgetting(rule: Callable, place: int) -> Callable:
    """The rule with the history of one of its arguments cut off; the value stays right."""
    return lambda *args, **static: rule(
        *args[:place], stop_gradient(args[place]), *args[place + 1 :], **static
    )


VALUES = {  # wrong from the first order on
    "sign flipped": lambda rule: lambda *args, **static: neg(rule(*args, **static)),
    "scaled by 1.001": lambda rule: lambda *args, **static: rule(*args, **static) * 1.001,
    "zero": lambda rule: lambda *args, **static: None,
}
TERMS = {
    "only the first term": lambda rule: without(rule, 0),
    "only the second term": lambda rule: without(rule, 1),
}
HISTORY = {
    f"{name} stopped": lambda rule, place=k: forgetting(rule, place)
    for k, name in enumerate(ARGUMENTS)
}  # wrong from the second order on
EXCHANGED = "exchanged with the next"


# ---- the mutants of an operation ----------------------------------------------------------------


def mutants(op: Primitive | str) -> list[Mutant]:
    """Every fault in every rule of an operation, by itself or its name."""
    op = registry[op] if isinstance(op, str) else op
    places = [0] if callable(op.vjps) else [i for i, rule in enumerate(op.vjps) if rule]
    arity = 1 if callable(op.vjps) else len(op.vjps)
    found = []
    for i in places:
        terms = TERMS if sums(op, i) else ()
        found += [Mutant(op.name, i, fault) for fault in (*VALUES, *terms)]
        found += [Mutant(op.name, i, fault) for fault in list(HISTORY)[: 2 + arity]]
    if callable(op.vjps) or len(places) > 1:
        found.append(Mutant(op.name, places[0], EXCHANGED))
    return found


def sums(op: Primitive, i: int) -> bool:
    """Is there a sum in this rule?"""
    met, inner = set(), state.interpreter or run_eagerly

    def noting(primitive, values, static):
        met.add(primitive.name)
        return inner(primitive, values, static)

    inputs, static = cases_of(op, 1)[0]
    inputs = [asarray(x) for x in inputs]
    y = op(*inputs, **static)
    with setting(interpreter=noting):
        rule_of(op, i)(asarray(np.ones(y.shape)), y, *inputs, **static)
    return not met.isdisjoint(("add", "sub"))


def rule_of(op: Primitive, i: int) -> Callable:
    return partial(op.vjps, i) if callable(op.vjps) else op.vjps[i]


@contextmanager
def planted(mutant: Mutant) -> Iterator[Primitive]:
    """The operation, with the fault in it for a `with` block."""
    op = registry[mutant.op]
    right = op.vjps
    op.vjps = broken(right, mutant.rule, mutant.fault)
    try:
        yield op
    finally:
        op.vjps = right


def broken(rules, i: int, fault: str):
    """The rules of an operation with a fault in the `i`-th, or in that for any number of inputs."""
    if fault == EXCHANGED and callable(rules):
        return lambda i, g, y, *xs, **static: rules(len(xs) - 1 - i, g, y, *xs, **static)
    if fault == EXCHANGED:
        other = next(k for k in range(i + 1, len(rules)) if rules[k])
        order = {i: other, other: i}
        return tuple(rules[order.get(k, k)] for k in range(len(rules)))
    spoil = {**VALUES, **TERMS, **HISTORY}[fault]
    if callable(rules):
        return lambda i, *args, **static: spoil(partial(rules, i))(*args, **static)
    return (*rules[:i], spoil(rules[i]), *rules[i + 1 :])


# ---- are they noticed? ---------------------------------------------------------------------------


def cases_of(op: Primitive, count: int) -> list[Case]:
    """The first cases that hypothesis draws for an operation, always the same ones."""
    found = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy_for(op))
    def collect(case):
        found.append(case)

    collect()
    return found


def complaint(op: Primitive, case: Case, order: int, seed: int) -> Exception | None:
    """What check_grads has to say: an AssertionError, or whatever a bad shape raises on the way."""
    try:
        check_grads(
            lambda *xs: op(*xs, **case.static), *case.inputs, order=order, n_dirs=1, seed=seed
        )
    except Vacuous:  # such as an empty array, which no fault can show on
        return None
    except Exception as error:
        return error
    return None


def survivors(op: Primitive | str, *, examples: int = EXAMPLES, order: int = 2) -> list[Mutant]:
    """The mutants that `check_grads` takes for right on all of so many cases of the strategy.

    One with a rule that does not read an argument is the operation itself when that is stopped.
    Raises what the check has to say of the rules as they are, if that is anything.
    """
    op = registry[op] if isinstance(op, str) else op
    cases = cases_of(op, examples)

    def first_complaint():
        complaints = (complaint(op, case, order, seed) for seed, case in enumerate(cases))
        return next(filter(None, complaints), None)

    if (error := first_complaint()) is not None:
        raise error

    def noticed(mutant):
        with planted(mutant):
            return first_complaint() is not None

    return [mutant for mutant in mutants(op) if not noticed(mutant)]


# ---- as a program --------------------------------------------------------------------------------


def score(names: list[str], **options) -> tuple[list[Mutant], list[Mutant]]:
    """All mutants of these operations, and the survivors among them."""
    return (
        [m for name in names for m in mutants(name)],
        [m for name in names for m in survivors(name, **options)],
    )


def table(planted: list[Mutant], alive: list[Mutant]) -> str:
    """How many of each fault were planted and noticed."""
    lines = [f"{'fault':24}{'planted':>9}{'noticed':>9}"]
    for fault in (*VALUES, *TERMS, EXCHANGED, *HISTORY):
        count, left = (sum(m.fault == fault for m in group) for group in (planted, alive))
        lines.append(f"{fault:24}{count:9}{count - left:9}")
    return "\n".join([*lines, f"{'together':24}{len(planted):9}{len(planted) - len(alive):9}"])


def differentiable() -> list[str]:
    """The operations of the registry that have a rule."""
    return sorted(name for name, op in registry.items() if callable(op.vjps) or any(op.vjps))


def all_tables(names: list[str]) -> str:
    """The faults in the rules of these operations; without names all rules, passes and kernels."""
    every, alive = score(names or differentiable())
    lines = [table(every, alive), "not noticed (to stop what a rule does not read is no fault):"]
    for name, group in groupby(alive, lambda mutant: mutant.op):
        lines.append(f"    {name}: " + ", ".join(f"rule {m.rule} {m.fault}" for m in group))
    if not names:
        from . import kernelfaults, passfaults  # they take minutes: only when asked for

        lines += ["", passfaults.table(), "", kernelfaults.table()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(all_tables(sys.argv[1:]))
