"""Simplifying: the same values from fewer lines.

`Shorter` makes lines. Asked twice for the same operation on the same lines it gives the same line
(common subexpressions), and before it makes one it looks for a shorter way to say it. The pass makes
the whole program anew with it, from the inputs to the outputs; what nothing needs is left behind
(dead code). Each line is made once and each rule looks at a few lines below it: the cost grows with
the number of lines. Never x * 0 = 0, as x may be infinite, nor x + 0 = x, as x may be -0.
"""

import math

import numpy as np

from ..core.primitive import registry
from .program import Builder, Line, Program, rebuilt

NARROW = 16  # columns that do not fill a register
COMPARED = 4096  # constants no larger than this are merged if they are equal


def simplify(program: Program) -> Program:
    shorter = Shorter()
    return rebuilt(program, lambda line, inputs: shorter(line.op, inputs, line.static, line))


class Shorter(Builder):
    """make(op, inputs, static, like): a line, perhaps one that is there already, or a shorter one."""

    def __init__(self):
        self.made = {}

    def __call__(self, op: str, inputs=(), static=None, like: Line | None = None) -> Line:
        static = static or {}
        key = self.key(op, inputs, static, like)
        if key not in self.made:  # asked before it is rewritten: else exponential
            short = REWRITES.get(op, nothing)(self, inputs, static, like)
            self.made[key] = super().__call__(op, inputs, static, like) if short is None else short
        return self.made[key]

    @staticmethod
    def key(op, inputs, static, like):
        if op == "constant":
            value = static["value"]
            content = value.tobytes() if value.size <= COMPARED else id(value)
            return op, value.shape, value.dtype, content
        return op, tuple(x.number for x in inputs), repr(static), 0 if like is None else like.region

    def number(self, value, dtype) -> Line:
        return self("constant", (), {"value": np.asarray(value, dtype)})


# ---- shorter ways -------------------------------------------------------------------------------


def nothing(make, inputs, static, like):
    return None


def reshape(make, inputs, static, like):
    (x,), shape = inputs, tuple(static["shape"])
    if x.shape == shape:
        return x
    if x.op == "reshape":
        return make("reshape", x.inputs, static, like)


def transpose(make, inputs, static, like):
    (x,), axes = inputs, static["axes"]
    if axes == tuple(range(x.ndim)):
        return x
    if x.op == "transpose":
        inner = x.static["axes"]
        return make("transpose", x.inputs, {"axes": tuple(inner[i] for i in axes)}, like)


def broadcast_to(make, inputs, static, like):
    (x,), shape = inputs, tuple(static["shape"])
    if x.shape == shape:
        return x
    if x.op == "broadcast_to" and aligned(x.inputs[0], shape):
        return make("broadcast_to", x.inputs, static, like)


def aligned(x: Line, shape: tuple) -> bool:
    return all(n in (1, m) for n, m in zip(x.shape[::-1], shape[::-1]))


def total(make, inputs, static, like):
    """A sum over nothing, over axes of size 1, or over mere repetitions."""
    (x,), axes = inputs, static["axes"]
    kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    if all(x.shape[i] == 1 for i in axes):
        return make("reshape", inputs, {"shape": kept}, like)
    if x.op == "broadcast_to" and x.dtype.kind == "f" and x.size:
        small = x.inputs[0]
        sizes = (1,) * (x.ndim - small.ndim) + small.shape
        if all(sizes[i] == 1 for i in axes):
            repeated = math.prod(x.shape[i] for i in axes)
            inner = tuple(n for i, n in enumerate(sizes) if i not in axes)
            once = make(
                "broadcast_to",
                (make("reshape", (small,), {"shape": inner}, like),),
                {"shape": kept},
                like,
            )
            return make("mul", (make.number(repeated, x.dtype), once), {}, like)


def is_number(x: Line, value: float) -> bool:
    """Is it a constant of this value everywhere? -0 is another number than 0."""
    x = x.inputs[0] if x.op == "broadcast_to" else x
    if x.op != "constant" or x.size != 1:
        return False
    found = x.static["value"].ravel()[0]
    return found == value and bool(np.signbit(found)) == bool(np.signbit(value))


def mul(make, inputs, static, like):
    short = mul_by_one(inputs)
    return repeated("mul", make, inputs, static, like) if short is None else short


def mul_by_one(inputs) -> Line | None:
    a, b = inputs
    return next(
        (y for x, y in ((a, b), (b, a)) if is_number(x, 1) and y.shape == shape_of(a, b)), None
    )


def product_or_zero(make, inputs, static, like):
    """What is multiplied by 1 is itself."""
    short = mul_by_one(inputs)
    return repeated("product_or_zero", make, inputs, static, like) if short is None else short


def add(make, inputs, static, like):
    """x + -0 is x; x + 0 is not, if x is -0, but for integers."""
    a, b = inputs
    nothing = -0.0 if a.dtype.kind == "f" else 0
    for x, y in ((a, b), (b, a)):
        if is_number(x, nothing) and y.shape == shape_of(a, b):
            return y
    return repeated("add", make, inputs, static, like)


def shape_of(*inputs):
    return max((x.shape for x in inputs), key=len)


def neg(make, inputs, static, like):
    (x,) = inputs
    return x.inputs[0] if x.op == "neg" else repeated("neg", make, inputs, static, like)


def astype(make, inputs, static, like):
    (x,) = inputs
    if x.dtype == static["dtype"]:
        return x
    return repeated("astype", make, inputs, static, like)


def repeated(op, make, inputs, static, like):
    """What is computed of repetitions alone is computed once, and repeated."""
    wide = [x for x in inputs if x.shape]
    if not wide or any(x.op != "broadcast_to" for x in wide):
        return None
    small = {x.inputs[0].shape for x in wide}
    if len(small) > 1:
        return None
    once = make(op, tuple(x.inputs[0] if x.shape else x for x in inputs), static, like)
    return make("broadcast_to", (once,), {"shape": wide[0].shape}, like)


def elementwise(op):
    return lambda make, inputs, static, like: repeated(op, make, inputs, static, like)


def matmul(make, inputs, static, like):
    """x y' = (y x')', where both are transposes, or where the product would be narrow."""
    x, y = inputs
    turn = {"axes": swapped(x.ndim)}
    turned = [x.op == "transpose" and x.static == turn for x in inputs]
    if all(turned) or turned[1] and y.shape[-1] < NARROW <= x.shape[-2]:
        product = make("matmul", (y.inputs[0], make("transpose", (x,), turn, like)), {}, like)
        return make("transpose", (product,), turn, like)


def swapped(ndim: int) -> tuple:
    return (*range(ndim - 2), ndim - 1, ndim - 2)


REWRITES = {name: elementwise(name) for name, p in registry.items() if p.family == "elementwise"}
REWRITES |= {
    "reshape": reshape,
    "transpose": transpose,
    "broadcast_to": broadcast_to,
    "sum": total,
    "mul": mul,
    "product_or_zero": product_or_zero,
    "add": add,
    "neg": neg,
    "astype": astype,
    "matmul": matmul,
}
