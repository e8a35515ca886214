"""The mutants of an operation: one fault in one of its derivative rules.

A fault is a function from a right rule to a wrong one. Some are wrong in value; those in HISTORY
have the right value and have forgotten what it was made of, so they show at order 2 alone, as the
mistakes of MAML do. faults.py looks which of them the checks notice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from ..core.grad import stop_gradient
from ..core.primitive import Primitive, registry, run_eagerly
from ..core.scope import setting, state
from ..core.tensor import asarray
from ..ops import neg
from .cases import Case, strategy_for

_ARGUMENTS = "gyabc"  # of a rule: the cotangent, the output, the inputs


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
    for place, name in enumerate(_ARGUMENTS)
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


def shows_on(mutant: Mutant, case: Case) -> bool:
    """Can the fault change anything on a case? Not if it stops what the rule has no derivative by.

    Then the operation computes what it did without the fault, so every check passes again.
    """
    if mutant.fault not in HISTORY:
        return True
    outer = state.interpreter or run_eagerly
    op = registry[mutant.op]
    inputs = [asarray(x) for x in case.inputs]
    y = op(*inputs, **case.static)
    args = [asarray(np.ones(y.shape)), y, *inputs]
    stopped = args[list(HISTORY).index(mutant.fault)].value
    with_history = [stopped]  # and what is computed from it by operations that have rules

    def follow(primitive: Primitive, values: list, static: dict) -> Any:
        result = outer(primitive, values, static)
        rules = primitive.vjps
        has_rule = [True] * len(values) if callable(rules) else map(bool, rules)
        if any(rule and _is_among(x, with_history) for rule, x in zip(has_rule, values)):
            with_history.append(result)
        return result

    rule = partial(op.vjps, mutant.rule) if callable(op.vjps) else op.vjps[mutant.rule]
    assert rule is not None, f"{op.name} has no rule {mutant.rule}"
    with setting(interpreter=follow):
        result = rule(*args, **case.static)
    return _is_among(getattr(result, "value", None), with_history)


def _is_among(value: Any, values: list) -> bool:
    return any(value is x for x in values)


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


def cases_of(op: Primitive, count: int) -> list[Case]:
    """The first cases that hypothesis draws for an operation, always the same ones."""
    return drawn(strategy_for(op), count)


def drawn(strategy: SearchStrategy, count: int, seed: int | None = None) -> list:
    """The first examples that hypothesis draws, always the same; seed: which of many rounds."""
    found: list = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        derandomize=seed is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example):
        found.append(example)

    if seed is not None:
        collect = hypothesis.seed(seed)(collect)
    collect()
    return found
