"""For each operation, how a step of a random program applies it.

A rule takes the program that grows, the step, and a generator for the small choices (which axis,
which exponent). Axes are counted from the end and the size of the task axis is never written down,
so that a program for T tasks runs on any number of them.
"""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from ..ops.conv import geometry_of
from .growing import POSITIVE, GrowingProgram, Rejected, Step

Rule = Callable[[GrowingProgram, Step, Random], None]
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


# ---- axes ---------------------------------------------------------------------------------------


def _random_axis(g: GrowingProgram, x: str, rng: Random) -> int:
    if not g.shape(x):
        raise Rejected
    return -rng.randint(1, len(g.shape(x)))


def _reduction(low: float = -math.inf) -> Rule:
    def rule(g: GrowingProgram, step: Step, rng: Random) -> None:
        x = g.pick(step.back)
        axis: int | tuple[int, ...] = _random_axis(g, x, rng)
        if rng.random() < 0.3:
            axis = tuple(range(-len(g.shape(x)), 0))
        g.add(step.op, x, axis=axis, keepdims=rng.random() < 0.5, low=low)

    return rule


def _along_axis(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add(step.op, x, axis=_random_axis(g, x, rng))


def _cumulative_sum(g: GrowingProgram, step: Step, rng: Random) -> None:
    """The primitive as `cumsum` calls it, on (A, n, B), from either end."""
    x = g.pick(step.back)
    first, *rest = g.shape(x) or (1,)
    blocks = () if g.task_axis else (1,)
    x = g.reshape(x, (*blocks, first, math.prod(rest)))
    g.add("cumulative_sum", x, reverse=rng.random() < 0.5)


def _expand_dims(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add("expand_dims", x, axis=-rng.randint(1, len(g.shape(x)) + 1))


def _squeeze(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    axes = [k - len(g.shape(x)) for k, n in enumerate(g.shape(x)) if n == 1]
    if not axes:
        raise Rejected
    g.add("squeeze", x, axis=rng.choice(axes))


def _swap_axes(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add(step.op, x, _random_axis(g, x, rng), _random_axis(g, x, rng))


def _transpose(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    axes = range(-len(g.shape(x)), 0)
    g.add("transpose", x, (*(0 for _ in g.task_axis), *rng.sample(axes, len(axes))))


def _reshape(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    shape = g.shape(x)
    g.reshape(x, rng.choice([(math.prod(shape),), (1, *shape), (*shape, 1), shape[::-1]]))


def _broadcast_to(g: GrowingProgram, step: Step, rng: Random) -> None:
    """No size of the task axis may be written down: so not with one."""
    x = g.pick(step.back)
    if g.task_axis:
        raise Rejected
    sizes = tuple(rng.randint(1, 3) if n == 1 else n for n in g.shape(x))
    g.add("broadcast_to", x, (*rng.choice([(), (2,)]), *sizes))


def _slice(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    sides = g.shape(x)
    starts = [rng.randrange(n) for n in sides]
    slices = [
        slice(start, rng.randint(start + 1, n), rng.randint(1, 2))
        for start, n in zip(starts, sides)
    ]
    g.add("slice", x, slices=(*(slice(None) for _ in g.task_axis), *slices))


def _pad(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    widths = [(rng.randint(0, 1), rng.randint(0, 1)) for _ in g.shape(x)]
    g.add("pad", x, [*((0, 0) for _ in g.task_axis), *widths], value=rng.choice([0.0, 0.5]))


def _join(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add(step.op, [x, g.same_shape_as(x, step.other)], axis=_random_axis(g, x, rng))


# ---- indices ------------------------------------------------------------------------------------


def _take(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    axis = _random_axis(g, x, rng)
    places: Any
    if step.op == "take":
        places = [rng.randrange(g.shape(x)[axis]) for _ in range(rng.randint(1, 4))]
    else:
        sizes = list(g.shape(x))
        sizes[axis] = rng.randint(1, 3)
        places = g.new_input(tuple(sizes), below=g.shape(x)[axis])
    g.add(step.op, x, places, axis=axis)


def _scatter(g: GrowingProgram, step: Step, rng: Random) -> None:
    """The primitives as `take` and `take_along_axis` call them, on (A, m, B)."""
    x = g.pick(step.back)
    first, *rest = g.shape(x) or (1,)
    size = rng.randint(1, 3)
    blocks = () if g.task_axis else (1,)
    shape = (*blocks, first, math.prod(rest))
    places: Any
    if step.op == "scatter_add":
        places = [rng.randrange(size) for _ in range(first)]
    else:
        places = g.new_input(shape, below=size)
    axis = {"axis": 1} if step.op == "scatter_add" else {}  # the public function has one
    g.add(step.op, g.reshape(x, shape), places, size=size, **axis)


# ---- contractions and windows -------------------------------------------------------------------


def _matmul(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    if len(g.shape(x)) < (2 if g.task_axis else 1):
        raise Rejected
    *leading, n = g.shape(x)
    if len(leading) and rng.random() < 0.5:
        y = g.add("swapaxes", x, -1, -2)
    else:
        ones = [1 for _ in leading[1:]] if g.task_axis else []  # with tasks, as many axes as x
        y = g.new_input((*ones, n, rng.randint(1, 3)))
    g.add("matmul", x, y)


def _factor(g: GrowingProgram, step: Step, rng: Random) -> None:
    """Of matrices near to 3 times the identity, which have factors without an exchange of rows."""
    x = g.add("tanh", g.pick(step.back))
    size = math.prod(g.shape(x))
    n = 2 if size % 4 == 0 else 1
    entries = g.reshape(x, (size // (n * n), n, n))
    matrix = g.add("add", entries, [[3.0 if i == j else 0.0 for j in range(n)] for i in range(n)])
    if step.op == "triangular_solve":
        g.add(step.op, matrix, entries, transposed=rng.random() < 0.5)
    else:
        g.add(step.op, matrix)


def _window(image: Sequence[int], rng: Random) -> tuple[int, ...]:
    return tuple(min(n, rng.randint(1, 3)) for n in image)


def _convolve(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.image(g.pick(step.back))
    n, *image, channels = g.shape(x)
    kernel, out = _window(image, rng), rng.randint(1, 2)
    stride = rng.choice([(1, 1), (2, 2), (1, 2)])
    if step.op == "conv2d":
        padding = rng.choice(["same", "valid", ((0, 1), (1, 0))])
        g.add("conv2d", x, g.new_input((*kernel, channels, out)), stride=stride, padding=padding)
    elif step.op == "conv_weight":
        geometry = geometry_of(step.op, image, kernel, stride, "same")
        g.add("conv_weight", x, g.new_input((n, *geometry.result, out)), geometry=geometry)
    else:
        # An image whose convolution is `x`, perhaps with rows left over.
        before = [(m - 1) * s + k + rng.randrange(s) for m, k, s in zip(image, kernel, stride)]
        geometry = geometry_of(step.op, before, kernel, stride, "valid")
        g.add("conv_input", x, g.new_input((*kernel, out, channels)), geometry=geometry)


def _pool(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.image(g.pick(step.back))
    g.add(
        step.op,
        x,
        _window(g.shape(x)[1:3], rng),
        stride=rng.randint(1, 2),
        padding=rng.choice(["same", "valid"]),
    )


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
    **dict.fromkeys(["sum", "mean", "var", "logsumexp", "max", "min", "prod"], _reduction()),
    "norm": _reduction(low=POSITIVE),
    **dict.fromkeys(["softmax", "log_softmax", "flip", "cumsum", "cumprod"], _along_axis),
    "cumulative_sum": _cumulative_sum,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "swapaxes": _swap_axes,
    "moveaxis": _swap_axes,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "slice": _slice,
    "pad": _pad,
    "concatenate": _join,
    "stack": _join,
    **dict.fromkeys(["take", "take_along_axis"], _take),
    **dict.fromkeys(["scatter_add", "scatter_add_along"], _scatter),
    "matmul": _matmul,
    **dict.fromkeys(["cholesky", "lu", "triangular_solve"], _factor),
    **dict.fromkeys(["conv2d", "conv_input", "conv_weight"], _convolve),
    **dict.fromkeys(["max_pool2d", "avg_pool2d"], _pool),
}
