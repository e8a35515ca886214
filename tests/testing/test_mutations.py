"""Every derivative rule is broken in every way, and the checks have to notice.

    python -m pytest -s tests/testing/test_mutations.py        prints the score, by fault

A survivor is either named below or a hole in the tests. All those named are equivalent to the
operation: what a rule does not read cannot be missed when it has no history.
"""

import subprocess
import sys
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.core.primitive import registry
from tinymeta.testing import faults, strategies
from tinymeta.testing.faults import Mutant, differentiable, mutants, planted, survivors, table
from tinymeta.testing.mutation import cases_of, shows_on

# By operation, what the derivative of each rule depends on, of g, the output y and the inputs a, b:
# the arguments whose history counts at the next order. Every rule reads g, which goes unsaid.
READS = {
    "div": ("b", "by"),
    "mul": ("b", "a"),
    "square": "a",  # arithmetic
    "product_or_zero": ("b", "a"),
    "exp": "y",
    "expm1": "y",
    "log": "a",
    "log1p": "a",
    "rsqrt": "y",
    "sqrt": "y",
    "sin": "a",
    "cos": "a",
    "tanh": "y",
    "sigmoid": "y",
    "softplus": "a",
    "reciprocal_or_zero": "y",
    "power": ("ab", "ay"),
    "static_power": "a",
    "exp2": "y",
    "log2": "a",
    "log10": "a",
    "tan": "y",
    "sinh": "a",
    "cosh": "a",
    "arcsin": "a",
    "arccos": "a",
    "arctan": "a",
    "arctan2": ("ab", "ab"),
    "arcsinh": "y",
    "arccosh": "y",
    "arctanh": "a",
    "erf": "a",
    "logaddexp": ("ab", "ab"),
    "matmul": ("b", "a"),
    "cholesky": "y",
    "lu": "y",
    "triangular_solve": ("ya", "a"),
    "conv": ("b", "a"),  # bilinear
    "conv_input": ("b", "a"),
    "conv_weight": ("b", "a"),
    # Linear: the derivative is the same everywhere, so there is no second one to lose.
    **dict.fromkeys(
        [
            "add",
            "sub",
            "neg",
            "sum",
            "reshape",
            "transpose",
            "broadcast_to",
            "flip",
            "slice",
            "pad",
            "astype",
            "concatenate",
            "where",
            "take",
            "take_along",
            "scatter_add",
            "scatter_add_along",
            "cumulative_sum",
        ],
        ("", "", ""),
    ),
    # Linear on each piece: what they read decides the piece, and has no derivative.
    **dict.fromkeys(["relu", "relu_gradient", "abs", "maximum", "minimum", "max", "mod"], ("", "")),
}
EXCHANGEABLE = {"add"}  # d(a + b) is g for both


@lru_cache(None)
def of(name):
    return tuple(mutants(name)), tuple(survivors(name))


def equivalent(mutant: Mutant) -> bool:
    if mutant.fault == faults.EXCHANGED:
        return mutant.op in EXCHANGEABLE
    reads = READS[mutant.op]
    reads = reads if isinstance(reads, str) else reads[mutant.rule]
    return mutant.fault in faults.HISTORY and mutant.fault[0] not in "g" + reads


@pytest.mark.parametrize("name", differentiable())
def test_every_fault_is_noticed_but_those_that_are_none(name):
    every, alive = of(name)
    assert {m.fault for m in every} >= {*faults.VALUES, "g stopped", "y stopped", "a stopped"}
    assert sorted(map(str, alive)) == sorted(str(m) for m in every if equivalent(m))


def test_the_score_is_a_hundred_per_cent():
    every = [m for name in differentiable() for m in of(name)[0]]
    alive = [m for name in differentiable() for m in of(name)[1]]
    real = [m for m in every if not equivalent(m)]
    score = table(real, [m for m in alive if not equivalent(m)])
    print(f"\n{score}\n{len(every) - len(real)} more are the operation itself")
    assert set(READS) == set(differentiable()), "what do the new operation's rules read?"
    last = score.splitlines()[-1].split()
    assert last == ["together", str(len(real)), str(len(real))] and len(real) >= 277


# ---- the faults are what they say ----------------------------------------------------------------


def gradients(mutant, *xs):
    with planted(mutant) as op:
        return [g.numpy().tolist() for g in tm.vjp(op, *map(np.array, xs))[1](np.array(1.0))]


@pytest.mark.parametrize(
    "op, rule, fault, expected",
    [
        ("mul", 0, "sign flipped", [-3.0, 2.0]),
        ("mul", 1, "scaled by 1.001", [3.0, 2.002]),
        ("mul", 0, "zero", [0.0, 2.0]),
        ("mul", 0, "exchanged with the next", [2.0, 3.0]),
        ("mul", 0, "b stopped", [3.0, 2.0]),
        ("mul", 1, "g stopped", [3.0, 2.0]),
    ],
)
def test_a_fault_in_one_rule(op, rule, fault, expected):
    assert gradients(Mutant(op, rule, fault), 2.0, 3.0) == expected
    assert gradients(Mutant("mul", 0, "y stopped"), 2.0, 3.0) == [3.0, 2.0], "it is gone again"


@pytest.mark.parametrize(
    "fault, expected",
    [("only the first term", 1.0), ("only the second term", -(np.tanh(0.5) ** 2))],
)
def test_a_term_dropped(fault, expected):
    """d tanh(a) = g - g y^2."""
    assert gradients(Mutant("tanh", 0, fault), 0.5) == [pytest.approx(expected)]


def test_a_history_stopped_is_missed_at_the_second_order_alone():
    with planted(Mutant("mul", 0, "b stopped")):
        assert tm.grad(tm.grad(lambda x: x * x))(3.0).item() == 1.0
    assert tm.grad(tm.grad(lambda x: x * x))(3.0).item() == 2.0


@pytest.mark.parametrize(
    "op, fault, shows",
    [
        ("mul", "zero", True),
        ("mul", "b stopped", True),
        ("mul", "a stopped", False),  # d(a b)/da = g b
        ("mul", "y stopped", False),
        ("add", "g stopped", True),  # the rule returns g itself
        ("maximum", "a stopped", False),  # which is larger has no derivative
        ("power", "y stopped", False),
        ("concatenate", "g stopped", True),  # one rule for any number of inputs
        ("concatenate", "a stopped", False),
    ],
)
def test_a_history_that_nobody_reads_shows_on_no_case(op, fault, shows):
    cases = cases_of(registry[op], 5)
    assert any(shows_on(Mutant(op, 0, fault), case) for case in cases) == shows


def test_the_rules_come_back_whatever_happens():
    before = registry["mul"].vjps
    with pytest.raises(KeyError), planted(Mutant("mul", 0, "zero")):
        raise KeyError
    assert registry["mul"].vjps is before


# ---- operations of one's own ---------------------------------------------------------------------


def test_a_poor_strategy_is_found_out(a_new_primitive):
    op = a_new_primitive(
        "a * a * b", (lambda g, y, a, b: g * (2.0 * a * b), lambda g, y, a, b: g * (a * a))
    )
    flat = {"y stopped", "a stopped"}
    assert {m.fault for m in survivors(op) if m.rule == 0} == {"y stopped"}
    strategies.register(op.name, st.just(strategies.Case((np.zeros(2), np.zeros(2)), {})))
    try:
        # What is zero at this point is not at the second one, nearby; a curvature is at both.
        assert {m.fault for m in survivors(op) if m.rule == 0} >= flat
    finally:
        del strategies.TABLE[op.name]


def test_a_rule_that_is_wrong_already_is_no_mutant(a_new_primitive):
    op = a_new_primitive("a * a * a", (lambda g, y, a: g * a,))
    with pytest.raises(AssertionError, match="of order 1 is wrong|wrong at a second one nearby"):
        survivors(op)


def test_the_command_prints_the_table_and_the_survivors():
    done = subprocess.run(
        [sys.executable, "-m", "tinymeta.testing.faults", "exp"], capture_output=True, text=True
    )
    *_, total, _, survivor = done.stdout.splitlines()
    assert total.split() == ["together", "6", "5"]
    assert survivor == "    exp: rule 0 a stopped"


@pytest.mark.parametrize("words, status, said", [
    (["--help"], 0, "usage: python -m tinymeta.testing.faults"),
    (["no_such_operation"], 2, "no_such_operation"),
])  # fmt: skip
def test_the_command_says_how_it_is_called(words, status, said):
    command = [sys.executable, "-m", "tinymeta.testing.faults", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status
    assert said in (done.stdout or done.stderr)
    assert "Traceback" not in done.stderr
