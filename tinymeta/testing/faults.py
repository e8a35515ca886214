"""Mutation testing of `check_grads`: break every derivative rule, one fault at a time, and look.

A mutant is an operation with one fault in one rule. `check_grads`, on the cases that the strategy
of the operation draws, has to fail for each; a survivor shows a case never drawn, or a check that
cannot fail (DeMillo, Lipton & Sayward 1978). The faults that show at order 2 alone are those of
MAML: the value of the rule is right, but what it was made of has been forgotten.

    python -m tinymeta.testing.faults [operation ...]

Without an operation all of them, and the faults in the compiler's passes (passfaults.py) and in
kernels (kernelfaults.py), too.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

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

EXAMPLES = 20  # the budget within which a fault has to be detected
ARGUMENTS = "gyabc"  # of a rule: the cotangent, the output, the inputs


class Mutant(NamedTuple):
    """An operation with a fault in one of its rules."""

    op: str
    rule: int
    fault: str

    def __str__(self) -> str:
        return f"{self.op}, rule {self.rule}: {self.fault}"


# ---- the faults: a right rule goes in, a wrong one comes out ------------------------------------


def _keep_one_term(rule: Callable, kept: int) -> Callable:
    """The rule with each sum in it replaced by one of its two terms."""
    outer = state.interpreter or run_eagerly

    def one_term(primitive: Primitive, values: list, static: dict) -> Any:
        if primitive.name not in ("add", "sub"):
            return outer(primitive, values, static)
        term = -values[1] if kept and primitive.name == "sub" else values[kept]
        return np.array(np.broadcast_to(term, primitive.shape(*values)[0]))

    def faulty(*args: Any, **static: Any) -> Any:
        with setting(interpreter=one_term):
            return rule(*args, **static)

    return faulty


def _stop_history(rule: Callable, place: int) -> Callable:
    """The rule with the history of one of its arguments cut off; the value stays right."""

    def faulty(*args: Any, **static: Any) -> Any:
        stopped = stop_gradient(args[place])
        return rule(*args[:place], stopped, *args[place + 1 :], **static)

    return faulty


VALUES: dict[str, Callable] = {  # wrong from the first order on
    "sign flipped": lambda rule: lambda *args, **static: neg(rule(*args, **static)),
    "scaled by 1.001": lambda rule: lambda *args, **static: rule(*args, **static) * 1.001,
    "zero": lambda rule: lambda *args, **static: None,
}
TERMS: dict[str, Callable] = {
    "only the first term": lambda rule: _keep_one_term(rule, 0),
    "only the second term": lambda rule: _keep_one_term(rule, 1),
}
HISTORY: dict[str, Callable] = {  # wrong from the second order on
    f"{name} stopped": lambda rule, place=place: _stop_history(rule, place)
    for place, name in enumerate(ARGUMENTS)
}
EXCHANGED = "exchanged with the next"


# ---- the mutants of an operation ----------------------------------------------------------------


def mutants(op: Primitive | str) -> list[Mutant]:
    """Every fault in every rule of an operation, by itself or its name."""
    op = registry[op] if isinstance(op, str) else op
    any_number = callable(op.vjps)  # one rule for any number of inputs
    rules = (op.vjps,) if callable(op.vjps) else op.vjps
    places = [i for i, rule in enumerate(rules) if rule]
    arity = len(rules)
    found = []
    for i in places:
        terms = TERMS if _has_a_sum(op, i) else ()
        read = list(HISTORY)[: 2 + arity]
        found += [Mutant(op.name, i, fault) for fault in (*VALUES, *terms, *read)]
    if any_number or len(places) > 1:
        found.append(Mutant(op.name, places[0], EXCHANGED))
    return found


def _has_a_sum(op: Primitive, i: int) -> bool:
    """Whether the `i`-th rule adds or subtracts anything, on the first case drawn."""
    outer = state.interpreter or run_eagerly
    called = set()

    def record(primitive: Primitive, values: list, static: dict) -> Any:
        called.add(primitive.name)
        return outer(primitive, values, static)

    case = cases_of(op, 1)[0]
    inputs = [asarray(x) for x in case.inputs]
    y = op(*inputs, **case.static)
    rule = partial(op.vjps, i) if callable(op.vjps) else op.vjps[i]
    assert rule is not None, f"{op.name} has no rule {i}"
    with setting(interpreter=record):
        rule(asarray(np.ones(y.shape)), y, *inputs, **case.static)
    return not called.isdisjoint(("add", "sub"))


@contextmanager
def planted(mutant: Mutant) -> Iterator[Primitive]:
    """The operation, with the fault in it for a `with` block."""
    op = registry[mutant.op]
    right = op.vjps
    op.vjps = _with_fault(right, mutant.rule, mutant.fault)
    try:
        yield op
    finally:
        op.vjps = right


def _with_fault(rules: Any, i: int, fault: str) -> Any:
    """The rules of an operation with a fault in the `i`-th, or in that for any number of inputs."""
    if fault == EXCHANGED and callable(rules):
        return lambda i, g, y, *xs, **static: rules(len(xs) - 1 - i, g, y, *xs, **static)
    if fault == EXCHANGED:
        other = next(k for k in range(i + 1, len(rules)) if rules[k])
        order = {i: other, other: i}
        return tuple(rules[order.get(k, k)] for k in range(len(rules)))
    break_rule = {**VALUES, **TERMS, **HISTORY}[fault]
    if callable(rules):
        return lambda i, *args, **static: break_rule(partial(rules, i))(*args, **static)
    return (*rules[:i], break_rule(rules[i]), *rules[i + 1 :])


# ---- are they detected? --------------------------------------------------------------------------


def cases_of(op: Primitive, count: int) -> list[Case]:
    """The first cases that hypothesis draws for an operation, always the same ones."""
    found: list[Case] = []

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


def _complaint(op: Primitive, case: Case, order: int, seed: int) -> Exception | None:
    """The exception of check_grads on a case, if any: an AssertionError, or that of a bad shape."""

    def f(*xs: Any) -> Any:
        return op(*xs, **case.static)

    try:
        check_grads(f, *case.inputs, order=order, n_dirs=1, seed=seed)
    except Vacuous:  # such as an empty array, which no fault can show on
        return None
    except Exception as error:
        return error
    return None


def survivors(op: Primitive | str, *, examples: int = EXAMPLES, order: int = 2) -> list[Mutant]:
    """The mutants that `check_grads` takes for right on all of so many cases of the strategy.

    One with a rule that does not read an argument is the operation itself when that is stopped.
    Costs a check for each mutant that is detected at once, `examples` for each survivor.
    Raises what the check raises for the rules as they are, if that is anything.
    """
    op = registry[op] if isinstance(op, str) else op
    cases = cases_of(op, examples)

    def first_complaint() -> Exception | None:
        for seed, case in enumerate(cases):
            error = _complaint(op, case, order, seed)
            if error is not None:
                return error
        return None

    error = first_complaint()
    if error is not None:
        raise error
    alive = []
    for mutant in mutants(op):
        with planted(mutant):
            if first_complaint() is None:
                alive.append(mutant)
    return alive


# ---- as a program --------------------------------------------------------------------------------


def table(planted: list[Mutant], alive: list[Mutant]) -> str:
    """How many of each fault were planted and detected."""
    lines = [f"{'fault':24}{'planted':>9}{'detected':>9}"]
    for fault in (*VALUES, *TERMS, EXCHANGED, *HISTORY):
        count, left = (sum(m.fault == fault for m in group) for group in (planted, alive))
        lines.append(f"{fault:24}{count:9}{count - left:9}")
    return "\n".join([*lines, f"{'together':24}{len(planted):9}{len(planted) - len(alive):9}"])


def differentiable() -> list[str]:
    """The operations of the registry that have a rule."""
    return sorted(name for name, op in registry.items() if callable(op.vjps) or any(op.vjps))


def _print_tables(names: list[str]) -> None:
    """The faults in the rules of these operations; without names all rules, passes and kernels."""
    every, alive = [], []
    for name in names or differentiable():
        every += mutants(name)
        alive += survivors(name)
    print(table(every, alive))
    print("not detected (to stop what a rule does not read is no fault):")
    for name, group in groupby(alive, lambda mutant: mutant.op):
        print(f"    {name}: " + ", ".join(f"rule {m.rule} {m.fault}" for m in group), flush=True)
    if not names:
        from . import kernelfaults, passfaults  # they take minutes: only when asked for

        print(f"\n{kernelfaults.table()}\n", flush=True)
        print(passfaults.table())


if __name__ == "__main__":
    _print_tables(sys.argv[1:])
