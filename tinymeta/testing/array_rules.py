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
    new_ndim = len(g.shape(x)) + 1
    g.add("expand_dims", x, axis=-rng.randint(1, new_ndim))


def squeeze(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    shape = g.shape(x)
    axes = [k - len(shape) for k, n in enumerate(shape) if n == 1]
    if not axes:
        raise Rejected
    g.add("squeeze", x, axis=rng.choice(axes))


def swap_axes(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    first = _random_axis(g, x, rng)
    g.add(step.op, x, first, _random_axis(g, x, rng))


def transpose(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    axes = range(-len(g.shape(x)), 0)
    of_tasks = [0 for _ in g.task_axis]
    order = rng.sample(axes, len(axes))
    g.add("transpose", x, (*of_tasks, *order))


def reshape(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    shape = g.shape(x)
    flat = (math.prod(shape),)
    g.reshape(x, rng.choice([flat, (1, *shape), (*shape, 1), shape[::-1]]))


def broadcast_to(g: GrowingProgram, step: Step, rng: Random) -> None:
    """No size of the task axis may be written down: so not with one."""
    x = g.pick(step.back)
    if g.task_axis:
        raise Rejected
    sizes = [rng.randint(1, 3) if n == 1 else n for n in g.shape(x)]
    new_axes = rng.choice([(), (2,)])
    g.add("broadcast_to", x, (*new_axes, *sizes))


def slice_(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    sides = g.shape(x)
    starts = [rng.randrange(n) for n in sides]
    slices = [slice(None) for _ in g.task_axis]
    for start, n in zip(starts, sides):
        stop = rng.randint(start + 1, n)
        slices.append(slice(start, stop, rng.randint(1, 2)))
    g.add("slice", x, slices=tuple(slices))


def pad(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    widths = [(0, 0) for _ in g.task_axis]
    for _ in g.shape(x):
        before = rng.randint(0, 1)
        widths.append((before, rng.randint(0, 1)))
    g.add("pad", x, widths, value=rng.choice([0.0, 0.5]))


def join(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    other = g.same_shape_as(x, step.other)
    g.add(step.op, [x, other], axis=_random_axis(g, x, rng))


# ---- indices ------------------------------------------------------------------------------------


def take(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.pick(step.back)
    axis = _random_axis(g, x, rng)
    size = g.shape(x)[axis]
    places: Any
    if step.op == "take":
        count = rng.randint(1, 4)
        places = [rng.randrange(size) for _ in range(count)]
    else:
        sizes = list(g.shape(x))
        sizes[axis] = rng.randint(1, 3)
        places = g.new_input(tuple(sizes), below=size)
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
    diagonal = [[3.0, 0.0], [0.0, 3.0]] if n == 2 else [[3.0]]
    matrix = g.add("add", entries, diagonal)
    if step.op == "triangular_solve":
        g.add(step.op, matrix, entries, transposed=rng.random() < 0.5)
    else:
        g.add(step.op, matrix)


def _window(image: Sequence[int], rng: Random) -> tuple[int, ...]:
    return tuple(min(n, rng.randint(1, 3)) for n in image)


def convolve(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.image(g.pick(step.back))
    n, *image, channels = g.shape(x)
    kernel = _window(image, rng)
    out = rng.randint(1, 2)
    stride = rng.choice([(1, 1), (2, 2), (1, 2)])
    if step.op == "conv2d":
        padding = rng.choice(["same", "valid", ((0, 1), (1, 0))])
        w = g.new_input((*kernel, channels, out))
        g.add("conv2d", x, w, stride=stride, padding=padding)
    elif step.op == "conv_weight":
        geometry = geometry_of(step.op, image, kernel, stride, "same")
        cotangent = g.new_input((n, *geometry.result, out))
        g.add("conv_weight", x, cotangent, geometry=geometry)
    else:
        # An image whose convolution is `x`, perhaps with rows left over.
        before = []
        for m, k, s in zip(image, kernel, stride):
            left_over = rng.randrange(s)
            before.append((m - 1) * s + k + left_over)
        geometry = geometry_of(step.op, before, kernel, stride, "valid")
        w = g.new_input((*kernel, out, channels))
        g.add("conv_input", x, w, geometry=geometry)


def pool(g: GrowingProgram, step: Step, rng: Random) -> None:
    x = g.image(g.pick(step.back))
    g.add(
        step.op,
        x,
        _window(g.shape(x)[1:3], rng),
        stride=rng.randint(1, 2),
        padding=rng.choice(["same", "valid"]),
    )
