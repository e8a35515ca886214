"""Simplifying: the same values from fewer equations.

In: a lowered program. Out: a program with the same outputs, to rounding: a sum of n equal numbers
becomes a product, and a matrix product may become that of the transposes.

    v1 = exp(v0)                     v1 = exp(v0)
    v2 = exp(v0)                     v2 = mul(v1, v1)
    v3 = mul(v2, 1.0)                return v2
    v4 = mul(v1, v3)
    return v4

The whole program is built anew, from the inputs to the outputs, by a `Simplifier`. Asked twice for
the same operation of the same equations it returns the same equation (common subexpressions);
before it makes a new one, it asks the operation's rule (rewrites.py) for a shorter form; and what
no output depends on is left behind (dead code).

Invariant: every equation that has been built is in simplest form, so a rule looks at a few
equations below it and no pass has to be repeated. Cost: O(n), as each equation is built once and
its rule looks at a bounded number of others. The obvious way, rules applied anywhere until nothing
changes, takes O(n) sweeps of O(n).

Floats are respected: never x * 0 = 0, as x may be infinite, nor x + 0 = x, as x may be -0.
"""

from typing import Any

import numpy as np

from .program import Builder, Equation, Program, rewrite
from .rewrites import REWRITES
from .transposed_products import products_to_turn, turned

_COMPARED = 4096  # elements; constants up to this size are merged if they are equal


def simplify(program: Program) -> Program:
    """The program without repeated, trivial and unused equations."""
    simplified = _built_anew(program, set())
    to_turn = products_to_turn(simplified)
    return _built_anew(simplified, to_turn) if to_turn else simplified


def _built_anew(program: Program, to_turn: set[Equation]) -> Program:
    """The program of a new Simplifier: its equations are numbered, and so run, in the same order.

    to_turn: transposes of products, to be computed turned.
    """
    simplifier = Simplifier()

    def rule(eqn: Equation, inputs: tuple) -> Equation:
        if eqn in to_turn:
            return turned(simplifier, inputs[0], eqn)
        return simplifier.build(eqn.op, inputs, eqn.static, eqn)

    return rewrite(program, rule)


class Simplifier(Builder):
    """A Builder that returns an existing equation, or a shorter form, where there is one."""

    def __init__(self) -> None:
        self.built: dict[tuple, Equation] = {}  # by `key`

    def build(
        self,
        op: str,
        inputs: tuple[Equation, ...] = (),
        static: dict | None = None,
        like: Equation | None = None,
    ) -> Equation:
        """The equation of an operation, perhaps an existing or a shorter one; see `Builder`."""
        static = static or {}
        key = self.key(op, inputs, static, like)
        if key not in self.built:  # looked up before it is rewritten: else exponential
            rule = REWRITES.get(op)
            shorter = rule(self, inputs, static, like) if rule else None
            if shorter is None:
                shorter = super().build(op, inputs, static, like)
            self.built[key] = shorter
        return self.built[key]

    @staticmethod
    def key(op: str, inputs: tuple, static: dict, like: Equation | None) -> tuple:
        """Equal for equations that have the same value and region."""
        if op == "constant":
            value = static["value"]
            content = value.tobytes() if value.size <= _COMPARED else id(value)
            return op, value.shape, value.dtype, content
        region = 0 if like is None else like.origin.region
        return op, tuple(x.number for x in inputs), repr(static), region

    def number(self, value: Any, dtype: Any, like: Equation | None) -> Equation:
        """A 0-d constant."""
        return self.build("constant", (), {"value": np.asarray(value, dtype)}, like)
