"""For each operation, how a step of a random program applies it: the table, and elementwise rules.

A rule takes the program that grows, the step, and a generator for the small choices. What is not
elementwise has its rules in array_rules.py.
"""

from collections.abc import Callable
from random import Random

from .array_rules import (
    Rule,
    along_axis,
    broadcast_to,
    convolve,
    cumulative_sum,
    expand_dims,
    factor,
    join,
    matmul,
    pad,
    pool,
    reduction,
    reshape,
    scatter,
    slice_,
    squeeze,
    swap_axes,
    take,
    transpose,
)
from .growing import POSITIVE, GrowingProgram, Step

Guard = Callable[[GrowingProgram, str], str]  # puts in between what keeps an operand tame


def _unguarded(g: GrowingProgram, x: str) -> str:
    return x


# ---- elementwise --------------------------------------------------------------------------------


def _unary(guard: Guard = _unguarded) -> Rule:
    def rule(g: GrowingProgram, step: Step, rng: Random) -> None:
        g.add(step.op, guard(g, g.pick(step.back)))

    return rule


def _binary(first: Guard = _unguarded, second: Guard = _unguarded) -> Rule:
    def rule(g: GrowingProgram, step: Step, rng: Random) -> None:
        x = g.pick(step.back)
        y = g.broadcasting_with(x, step.other)
        g.add(step.op, first(g, x), second(g, y))

    return rule


def _extremum(g: GrowingProgram, step: Step, rng: Random) -> None:
    """Of two values that do not tie."""
    x = g.pick(step.back)
    y = g.broadcasting_with(x, step.other)
    g.add(step.op, g.away_from(x, y), y)


def _mask(g: GrowingProgram, step: Step, rng: Random) -> None:
    """A comparison chooses, or counts as 0 and 1."""
    x = g.pick(step.back)
    y = g.same_shape_as(x, step.other)
    mask = g.add(rng.choice(["greater", "less_equal"]), g.away_from(x, y), y)
    if step.op == "where":
        g.add("where", mask, x, y)
    else:
        g.add("astype", mask, dtype="float64")


def _clip(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.away_from(g.pick(step.back), 0.75)
    g.add("clip", x, min=rng.choice([None, -0.7]), max=0.75)


def _constant_power(g: GrowingProgram, step: Step, rng: Random) -> None:
    x, exponent = g.pick(step.back), rng.choice([3, 4, -1, -2, 1.5, -0.5, 0.5])
    whole = isinstance(exponent, int) and exponent > 0
    g.add("power", g.bounded(x) if whole else g.positive(x), exponent)


# ---- the table ----------------------------------------------------------------------------------

positive, bounded = GrowingProgram.positive, GrowingProgram.bounded
_away_from_zero = GrowingProgram.away_from


def _inside_one(g: GrowingProgram, x: str) -> str:
    return g.add("mul", g.add("tanh", x), 0.75)


def _above_one(g: GrowingProgram, x: str) -> str:
    return g.add("add", g.positive(g.bounded(x)), 1.25)


def _between_jumps(g: GrowingProgram, x: str) -> str:
    """A dividend nearer to 0 than any divisor from `_above_one`, but not 0."""
    return _away_from_zero(g, g.add("tanh", x))


GRAMMAR: dict[str, Rule] = {
    **dict.fromkeys(["tanh", "sin", "cos", "sigmoid", "softplus", "square", "neg"], _unary()),
    **dict.fromkeys(["exp", "expm1"], _unary(bounded)),
    **dict.fromkeys(["log", "log1p", "sqrt", "rsqrt", "reciprocal_or_zero"], _unary(positive)),
    **dict.fromkeys(["relu", "abs", "sign"], _unary(_away_from_zero)),
    **dict.fromkeys(["mul", "add", "sub", "product_or_zero"], _binary()),
    "div": _binary(second=positive),
    **dict.fromkeys(["arctan", "arcsinh", "erf", "silu", "gelu"], _unary()),
    **dict.fromkeys(["exp2", "sinh", "cosh"], _unary(bounded)),
    **dict.fromkeys(["log2", "log10"], _unary(positive)),
    **dict.fromkeys(["elu", "leaky_relu"], _unary(_away_from_zero)),
    **dict.fromkeys(["tan", "arcsin", "arccos", "arctanh"], _unary(_inside_one)),
    "arccosh": _unary(_above_one),
    "mod": _binary(_between_jumps, _above_one),
    "arctan2": _binary(second=positive),
    "logaddexp": _binary(),
    "relu_gradient": _binary(second=_away_from_zero),
    "power": _binary(positive, bounded),
    "static_power": _constant_power,
    **dict.fromkeys(["maximum", "minimum", "tie_weight"], _extremum),
    "clip": _clip,
    **dict.fromkeys(["where", "astype"], _mask),
    **dict.fromkeys(["sum", "mean", "var", "logsumexp", "max", "min", "prod"], reduction()),
    "norm": reduction(low=POSITIVE),
    **dict.fromkeys(["softmax", "log_softmax", "flip", "cumsum", "cumprod"], along_axis),
    "cumulative_sum": cumulative_sum,
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "swapaxes": swap_axes,
    "moveaxis": swap_axes,
    "transpose": transpose,
    "reshape": reshape,
    "broadcast_to": broadcast_to,
    "slice": slice_,
    "pad": pad,
    "concatenate": join,
    "stack": join,
    **dict.fromkeys(["take", "take_along_axis"], take),
    **dict.fromkeys(["scatter_add", "scatter_add_along"], scatter),
    "matmul": matmul,
    **dict.fromkeys(["cholesky", "lu", "triangular_solve"], factor),
    **dict.fromkeys(["conv2d", "conv_input", "conv_weight"], convolve),
    **dict.fromkeys(["max_pool2d", "avg_pool2d"], pool),
}
