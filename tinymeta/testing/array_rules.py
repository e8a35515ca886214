"""How a step of a random program changes axes, picks places, multiplies matrices, moves windows.

Each function is a rule: it takes the program that grows, the step, and a generator for the small
choices (which axis, which places). Axes are counted from the end and the size of the task axis is
never written down, so that a program for T tasks runs on any number of them. Which operations have
which rule is in grammar.py, with the rules of elementwise ones.
"""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from ..ops.conv import geometry_of
from .growing import GrowingProgram, Rejected, Step

Rule = Callable[[GrowingProgram, Step, Random], None]


# ---- axes ---------------------------------------------------------------------------------------


def _random_axis(g: GrowingProgram, x: str, rng: Random) -> int:
    if not g.shape(x):
        raise Rejected
    return -rng.randint(1, len(g.shape(x)))


def reduction(low: float = -math.inf) -> Rule:
    def rule(g: GrowingProgram, step: Step, rng: Random) -> None:
        x = g.pick(step.back)
        axis: int | tuple[int, ...] = _random_axis(g, x, rng)
        if rng.random() < 0.3:
            axis = tuple(range(-len(g.shape(x)), 0))
        g.add(step.op, x, axis=axis, keepdims=rng.random() < 0.5, low=low)

    return rule


def along_axis(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add(step.op, x, axis=_random_axis(g, x, rng))


def cumulative_sum(g: GrowingProgram, step: Step, rng: Random) -> None:
    """The primitive as `cumsum` calls it, on (A, n, B), from either end."""
    x = g.pick(step.back)
    first, *rest = g.shape(x) or (1,)
    blocks = () if g.task_axis else (1,)
    x = g.reshape(x, (*blocks, first, math.prod(rest)))
    g.add("cumulative_sum", x, reverse=rng.random() < 0.5)


def expand_dims(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add("expand_dims", x, axis=-rng.randint(1, len(g.shape(x)) + 1))


def squeeze(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    axes = [k - len(g.shape(x)) for k, n in enumerate(g.shape(x)) if n == 1]
    if not axes:
        raise Rejected
    g.add("squeeze", x, axis=rng.choice(axes))


def swap_axes(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add(step.op, x, _random_axis(g, x, rng), _random_axis(g, x, rng))


def transpose(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    axes = range(-len(g.shape(x)), 0)
    g.add("transpose", x, (*(0 for _ in g.task_axis), *rng.sample(axes, len(axes))))


def reshape(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    shape = g.shape(x)
    g.reshape(x, rng.choice([(math.prod(shape),), (1, *shape), (*shape, 1), shape[::-1]]))


def broadcast_to(g: GrowingProgram, step: Step, rng: Random) -> None:
    """No size of the task axis may be written down: so not with one."""
    x = g.pick(step.back)
    if g.task_axis:
        raise Rejected
    sizes = tuple(rng.randint(1, 3) if n == 1 else n for n in g.shape(x))
    g.add("broadcast_to", x, (*rng.choice([(), (2,)]), *sizes))


def slice_(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    sides = g.shape(x)
    starts = [rng.randrange(n) for n in sides]
    slices = [
        slice(start, rng.randint(start + 1, n), rng.randint(1, 2))
        for start, n in zip(starts, sides)
    ]
    g.add("slice", x, slices=(*(slice(None) for _ in g.task_axis), *slices))


def pad(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    widths = [(rng.randint(0, 1), rng.randint(0, 1)) for _ in g.shape(x)]
    g.add("pad", x, [*((0, 0) for _ in g.task_axis), *widths], value=rng.choice([0.0, 0.5]))


def join(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    g.add(step.op, [x, g.same_shape_as(x, step.other)], axis=_random_axis(g, x, rng))


# ---- indices ------------------------------------------------------------------------------------


def take(g: GrowingProgram, step: Step, rng: Random) -> None:
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


def scatter(g: GrowingProgram, step: Step, rng: Random) -> None:
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


def matmul(g: GrowingProgram, step: Step, rng: Random) -> None:
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


def factor(g: GrowingProgram, step: Step, rng: Random) -> None:
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


def convolve(g: GrowingProgram, step: Step, rng: Random) -> None:
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


def pool(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.image(g.pick(step.back))
    g.add(
        step.op,
        x,
        _window(g.shape(x)[1:3], rng),
        stride=rng.randint(1, 2),
        padding=rng.choice(["same", "valid"]),
    )
