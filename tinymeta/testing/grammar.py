"""For each operation, how a step of a random program applies it.

A rule takes what has grown so far, the step, and a generator for the small choices. Axes are
counted from the end and the size of the task axis is never written down, so that a program for T
tasks runs on any number of them.
"""

import math
from collections.abc import Callable

from ..ops.conv import geometry_of
from .growing import POSITIVE, Growing, Unfit

# ---- elementwise --------------------------------------------------------------------------------


def of_one(guard: Callable = lambda g, x: x):
    def rule(g, step, rng):
        g.put(step.op, guard(g, g.pick(step.back)))

    return rule


def of_two(first: Callable = lambda g, x: x, second: Callable = lambda g, y: y):
    def rule(g, step, rng):
        x = g.pick(step.back)
        y = g.beside(x, step.other)
        g.put(step.op, first(g, x), second(g, y))

    return rule


def at_kink(g, step, rng):
    """Of two values that do not tie."""
    x = g.pick(step.back)
    y = g.beside(x, step.other)
    g.put(step.op, g.off(x, y), y)


def masked(g, step, rng):
    """A comparison chooses, or counts as 0 and 1."""
    x = g.pick(step.back)
    y = g.alike(x, step.other)
    mask = g.put(rng.choice(["greater", "less_equal"]), g.off(x, y), y)
    if step.op == "where":
        g.put("where", mask, x, y)
    else:
        g.put("astype", mask, dtype="float64")


def clipped(g, step, rng):
    x = g.off(g.pick(step.back), 0.75)
    g.put("clip", x, min=rng.choice([None, -0.7]), max=0.75)


def raised(g, step, rng):
    x, exponent = g.pick(step.back), rng.choice([3, 4, -1, -2, 1.5, -0.5, 0.5])
    whole = isinstance(exponent, int) and exponent > 0
    g.put("power", g.bounded(x) if whole else g.positive(x), exponent)


# ---- axes ---------------------------------------------------------------------------------------


def one_axis(g, x, rng) -> int:
    if not g.shape(x):
        raise Unfit
    return -rng.randint(1, len(g.shape(x)))


def reduced(low: float = -math.inf):
    def rule(g, step, rng):
        x = g.pick(step.back)
        axis = one_axis(g, x, rng)
        if rng.random() < 0.3:
            axis = tuple(range(-len(g.shape(x)), 0))
        g.put(step.op, x, axis=axis, keepdims=rng.random() < 0.5, low=low)

    return rule


def along_axis(g, step, rng):
    x = g.pick(step.back)
    g.put(step.op, x, axis=one_axis(g, x, rng))


def expanded(g, step, rng):
    x = g.pick(step.back)
    g.put("expand_dims", x, axis=-rng.randint(1, len(g.shape(x)) + 1))


def squeezed(g, step, rng):
    x = g.pick(step.back)
    axes = [k - len(g.shape(x)) for k, n in enumerate(g.shape(x)) if n == 1]
    if not axes:
        raise Unfit
    g.put("squeeze", x, axis=rng.choice(axes))


def swapped(g, step, rng):
    x = g.pick(step.back)
    g.put(step.op, x, one_axis(g, x, rng), one_axis(g, x, rng))


def transposed(g, step, rng):
    x = g.pick(step.back)
    axes = range(-len(g.shape(x)), 0)
    g.put("transpose", x, (*(0 for _ in g.lead), *rng.sample(axes, len(axes))))


def reshaped(g, step, rng):
    x = g.pick(step.back)
    shape = g.shape(x)
    g.reshape(x, rng.choice([(math.prod(shape),), (1, *shape), (*shape, 1), shape[::-1]]))


def repeated(g, step, rng):
    """No size of the task axis may be written down: so not with one."""
    x = g.pick(step.back)
    if g.lead:
        raise Unfit
    sizes = tuple(rng.randint(1, 3) if n == 1 else n for n in g.shape(x))
    g.put("broadcast_to", x, (*rng.choice([(), (2,)]), *sizes))


def sliced(g, step, rng):
    x = g.pick(step.back)
    starts = [rng.randrange(n) for n in g.shape(x)]
    slices = [
        slice(start, rng.randint(start + 1, n), rng.randint(1, 2))
        for start, n in zip(starts, g.shape(x))
    ]
    g.put("slice", x, slices=(*(slice(None) for _ in g.lead), *slices))


def padded(g, step, rng):
    x = g.pick(step.back)
    widths = [(rng.randint(0, 1), rng.randint(0, 1)) for _ in g.shape(x)]
    g.put("pad", x, [*((0, 0) for _ in g.lead), *widths], value=rng.choice([0.0, 0.5]))


def joined(g, step, rng):
    x = g.pick(step.back)
    g.put(step.op, [x, g.alike(x, step.other)], axis=one_axis(g, x, rng))


# ---- indices ------------------------------------------------------------------------------------


def taken(g, step, rng):
    x = g.pick(step.back)
    axis = one_axis(g, x, rng)
    if step.op == "take":
        places = [rng.randrange(g.shape(x)[axis]) for _ in range(rng.randint(1, 4))]
    else:
        sizes = list(g.shape(x))
        sizes[axis] = rng.randint(1, 3)
        places = g.input(tuple(sizes), below=g.shape(x)[axis])
    g.put(step.op, x, places, axis=axis)


def scattered(g, step, rng):
    """The primitives as `take` and `take_along_axis` call them, on (A, m, B)."""
    x = g.pick(step.back)
    first, *rest = g.shape(x) or (1,)
    size = rng.randint(1, 3)
    blocks = () if g.lead else (1,)
    shape = (*blocks, first, math.prod(rest))
    places = (
        [rng.randrange(size) for _ in range(first)]
        if step.op == "scatter_add"
        else g.input(shape, below=size)
    )
    g.put(step.op, g.reshape(x, shape), places, size=size)


# ---- contractions and windows -------------------------------------------------------------------


def multiplied(g, step, rng):
    x = g.pick(step.back)
    if len(g.shape(x)) < (2 if g.lead else 1):
        raise Unfit
    *lead, n = g.shape(x)
    if len(lead) and rng.random() < 0.5:
        y = g.put("swapaxes", x, -1, -2)
    else:  # (with tasks, as many axes: leading ones broadcast)
        y = g.input((*(1 for _ in lead[1:] if g.lead), n, rng.randint(1, 3)))
    g.put("matmul", x, y)


def window(image, rng):
    return tuple(min(n, rng.randint(1, 3)) for n in image)


def convolved(g, step, rng):
    x = g.image(g.pick(step.back))
    n, *image, channels = g.shape(x)
    kernel, out = window(image, rng), rng.randint(1, 2)
    stride = rng.choice([(1, 1), (2, 2), (1, 2)])
    if step.op == "conv2d":
        padding = rng.choice(["same", "valid", ((0, 1), (1, 0))])
        g.put("conv2d", x, g.input((*kernel, channels, out)), stride=stride, padding=padding)
    elif step.op == "conv_weight":
        geometry = geometry_of(step.op, image, kernel, stride, "same")
        g.put("conv_weight", x, g.input((n, *geometry.result, out)), geometry=geometry)
    else:
        # An image whose convolution is `x`, perhaps with rows left over.
        before = [(m - 1) * s + k + rng.randrange(s) for m, k, s in zip(image, kernel, stride)]
        geometry = geometry_of(step.op, before, kernel, stride, "valid")
        g.put("conv_input", x, g.input((*kernel, out, channels)), geometry=geometry)


def pooled(g, step, rng):
    x = g.image(g.pick(step.back))
    g.put(
        step.op,
        x,
        window(g.shape(x)[1:3], rng),
        stride=rng.randint(1, 2),
        padding=rng.choice(["same", "valid"]),
    )


# ---- the table ----------------------------------------------------------------------------------

positive, bounded, off = Growing.positive, Growing.bounded, Growing.off

GRAMMAR: dict[str, Callable] = {
    **dict.fromkeys(["tanh", "sin", "cos", "sigmoid", "softplus", "square", "neg"], of_one()),
    **dict.fromkeys(["exp", "expm1"], of_one(bounded)),
    **dict.fromkeys(["log", "log1p", "sqrt", "rsqrt", "reciprocal_or_zero"], of_one(positive)),
    **dict.fromkeys(["relu", "abs", "sign"], of_one(off)),
    **dict.fromkeys(["mul", "add", "sub", "product_or_zero"], of_two()),
    "div": of_two(second=positive),
    "relu_gradient": of_two(second=off),
    "power": of_two(positive, bounded),
    "static_power": raised,
    **dict.fromkeys(["maximum", "minimum", "tie_weight"], at_kink),
    "clip": clipped,
    **dict.fromkeys(["where", "astype"], masked),
    **dict.fromkeys(["sum", "mean", "var", "logsumexp", "max", "min"], reduced()),
    "norm": reduced(low=POSITIVE),
    **dict.fromkeys(["softmax", "log_softmax", "flip"], along_axis),
    "expand_dims": expanded,
    "squeeze": squeezed,
    "swapaxes": swapped,
    "moveaxis": swapped,
    "transpose": transposed,
    "reshape": reshaped,
    "broadcast_to": repeated,
    "slice": sliced,
    "pad": padded,
    "concatenate": joined,
    "stack": joined,
    **dict.fromkeys(["take", "take_along_axis"], taken),
    **dict.fromkeys(["scatter_add", "scatter_add_along"], scattered),
    "matmul": multiplied,
    **dict.fromkeys(["conv2d", "conv_input", "conv_weight"], convolved),
    **dict.fromkeys(["max_pool2d", "avg_pool2d"], pooled),
}
