"""Shorter forms of operations, for simplify.py: a rule for each, in the table at the end.

    rule(simplifier, inputs, static, like)      a shorter form of the operation, or None

Inputs are in simplest form, and what a rule builds goes through the Simplifier, so that a rule
looks at a few equations below it and none has to be applied twice.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..core.primitive import registry
from .cuts import slice_rule
from .joins import concatenate_rule, sum_of_pads
from .program import Equation
from .transposed_products import is_matrix_transpose

if TYPE_CHECKING:
    from .simplify import Simplifier

_NARROW = 16  # columns that do not fill a register
_Maybe = Equation | None
_Rule = Callable[["Simplifier", tuple, dict, _Maybe], _Maybe]


def _reshape(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """A reshape to the same shape is nothing; of two the second counts."""
    (x,), shape = inputs, tuple(static["shape"])
    if x.shape == shape:
        return x
    if x.op == "reshape":
        return simplifier.build("reshape", x.inputs, static, like)
    return None


def _transpose(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """Axes in order are nothing; two transposes are one."""
    (x,), axes = inputs, static["axes"]
    if axes == tuple(range(x.ndim)):
        return x
    if x.op == "transpose":
        inner = x.static["axes"]
        composed = tuple(inner[i] for i in axes)
        return simplifier.build("transpose", x.inputs, {"axes": composed}, like)
    return None


def _broadcast_to(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """A broadcast to the same shape is nothing; of two the second counts."""
    (x,), shape = inputs, tuple(static["shape"])
    if x.shape == shape:
        return x
    if x.op == "broadcast_to" and _broadcasts_to(x.inputs[0], shape):
        return simplifier.build("broadcast_to", x.inputs, static, like)
    return None


def _broadcasts_to(x: Equation, shape: tuple) -> bool:
    """Does NumPy broadcast x to this shape?"""
    return all(n in (1, m) for n, m in zip(x.shape[::-1], shape[::-1]))


def _sum(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """A sum over axes of size 1 is a reshape; a sum over repetitions is a product."""
    (x,), axes = inputs, static["axes"]
    kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    if all(x.shape[i] == 1 for i in axes):
        return simplifier.build("reshape", inputs, {"shape": kept}, like)
    if x.op != "broadcast_to" or x.dtype.kind != "f" or not x.size:
        return None
    small = x.inputs[0]
    sizes = (1,) * (x.ndim - small.ndim) + small.shape
    if any(sizes[i] != 1 for i in axes):
        return None
    repetitions = math.prod(x.shape[i] for i in axes)
    inner = tuple(n for i, n in enumerate(sizes) if i not in axes)
    one_of_them = simplifier.build("reshape", (small,), {"shape": inner}, like)
    one_of_them = simplifier.build("broadcast_to", (one_of_them,), {"shape": kept}, like)
    factor = simplifier.number(repetitions, x.dtype, like)
    return simplifier.build("mul", (factor, one_of_them), {}, like)


def _is_constant(x: Equation, value: float) -> bool:
    """Is it a constant of this value everywhere? -0 and 0 differ."""
    x = x.inputs[0] if x.op == "broadcast_to" else x
    if x.op != "constant" or x.size != 1:
        return False
    found = x.static["value"].ravel()[0]
    return found == value and bool(np.signbit(found)) == bool(np.signbit(value))


def _without_neutral(inputs: tuple, neutral: float) -> Equation | None:
    """The other operand, if one is the constant `neutral` and the other has the result's shape."""
    a, b = inputs
    shape = max((a.shape, b.shape), key=len)
    for x, y in ((a, b), (b, a)):
        if _is_constant(x, neutral) and y.shape == shape:
            return y
    return None


def _mul(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """x * 1 is x."""
    shorter = _without_neutral(inputs, 1)
    if shorter is not None:
        return shorter
    return _before_broadcast("mul", simplifier, inputs, static, like)


def _product_or_zero(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """x * 1 is x."""
    shorter = _without_neutral(inputs, 1)
    if shorter is not None:
        return shorter
    return _before_broadcast("product_or_zero", simplifier, inputs, static, like)


def _add(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """x + -0 is x. x + 0 is x for integers only: -0 + 0 is 0. Pads side by side are joined."""
    shorter = _without_neutral(inputs, -0.0 if inputs[0].dtype.kind == "f" else 0)
    if shorter is None:
        shorter = sum_of_pads(simplifier, inputs, static, like)
    if shorter is not None:
        return shorter
    return _before_broadcast("add", simplifier, inputs, static, like)


def _neg(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """-(-x) is x."""
    (x,) = inputs
    if x.op == "neg":
        return x.inputs[0]
    return _before_broadcast("neg", simplifier, inputs, static, like)


def _astype(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """A cast to the dtype that it has is nothing."""
    (x,) = inputs
    if x.dtype == static["dtype"]:
        return x
    return _before_broadcast("astype", simplifier, inputs, static, like)


def _before_broadcast(
    op: str, simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe
) -> _Maybe:
    """f(broadcast x) is broadcast f(x), if all operands but numbers are broadcasts of one shape."""
    arrays = [x for x in inputs if x.shape]
    if not arrays or any(x.op != "broadcast_to" for x in arrays):
        return None
    small_shapes = {x.inputs[0].shape for x in arrays}
    if len(small_shapes) > 1:
        return None
    small = tuple(x.inputs[0] if x.shape else x for x in inputs)
    computed = simplifier.build(op, small, static, like)
    return simplifier.build("broadcast_to", (computed,), {"shape": arrays[0].shape}, like)


def _elementwise_rule(op: str) -> _Rule:
    """The rule of an elementwise operation that has no other."""
    return lambda simplifier, *rest: _before_broadcast(op, simplifier, *rest)


def _matmul(simplifier: "Simplifier", inputs: tuple, static: dict, like: _Maybe) -> _Maybe:
    """A column by a row is elementwise, which loops compute with all that is around it.

    x y^T is (y x^T)^T, if x is a transpose, too, or if the product has few columns.
    """
    x, y = inputs
    if x.shape[-1] == 1 and x.dtype.kind == "f":
        shape = {"shape": (*x.shape[:-1], y.shape[-1])}
        repeated = [simplifier.build("broadcast_to", (operand,), shape, like) for operand in inputs]
        return simplifier.build("mul", tuple(repeated), {}, like)
    narrow = y.shape[-1] < _NARROW <= x.shape[-2]
    if not is_matrix_transpose(y) or not (is_matrix_transpose(x) or narrow):
        return None
    swap = y.static
    x_t = simplifier.build("transpose", (x,), swap, like)
    product = simplifier.build("matmul", (y.inputs[0], x_t), {}, like)
    return simplifier.build("transpose", (product,), swap, like)


REWRITES: dict[str, _Rule] = {
    name: _elementwise_rule(name) for name, p in registry.items() if p.family == "elementwise"
}
REWRITES |= {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "sum": _sum,
    "mul": _mul,
    "product_or_zero": _product_or_zero,
    "add": _add,
    "neg": _neg,
    "astype": _astype,
    "matmul": _matmul,
    "slice": slice_rule,
    "concatenate": concatenate_rule,
}
