"""Joining: two rules of the simplifier, for concatenate and for sums of pads.

The gradient of a value that was cut into slices is a sum of pads, one for each slice:

    v4 = pad(v0, (0, 3))      v0 0 0 0         v6 = add(v0, 0)
    v5 = pad(v1, (1, 2))      0 v1 v1 0   ->   v7 = add(v1, 0)
    v6 = add(v4, v5)          v0 v1 v1 0       v8 = concatenate(v6, v7), then pad(v8, (0, 1))

Each pad and each sum writes the whole; joined, each element is written once. An LSTM's four gates
are such slices. Invariant: the same bits, hence the + 0, which makes 0 of -0, as a pad's zeros do
in the sum. It is computed in the loop that makes the slice's gradient. Cost: O(parts) for each
rule, as what it builds is in simplest form.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .program import Equation

if TYPE_CHECKING:
    from .simplify import Simplifier


class Padded(NamedTuple):
    """A value with zeros before and after it along one axis; begin: where it begins there."""

    content: Equation
    axis: int
    begin: int

    @property
    def end(self) -> int:
        """One more than its last place along the axis."""
        return self.begin + self.content.shape[self.axis]


def concatenate_rule(
    simplifier: "Simplifier", inputs: tuple, static: dict, like: Equation | None
) -> Equation | None:
    """One part is the whole; parts that are joined along the same axis are parts of this."""
    if len(inputs) == 1:
        return inputs[0]
    parts: list[Equation] = []
    for x in inputs:
        is_join = x.op == "concatenate" and x.static == static
        parts.extend(x.inputs if is_join else (x,))
    if len(parts) == len(inputs):
        return None
    return simplifier.build("concatenate", tuple(parts), static, like)


def sum_of_pads(
    simplifier: "Simplifier", inputs: tuple, static: dict, like: Equation | None
) -> Equation | None:
    """Two pads of one axis whose contents lie side by side: the pad of a concatenate."""
    first, second = map(as_padded, inputs)
    if first is None or second is None or first.axis != second.axis:
        return None
    if second.end == first.begin:
        first, second = second, first
    if first.end != second.begin:
        return None
    axis = first.axis
    parts = tuple(_plus_zero(simplifier, x.content, like) for x in (first, second))
    concatenated = simplifier.build("concatenate", parts, {"axis": axis}, like)
    around = first.begin, inputs[0].shape[axis] - second.end, 0
    if not any(around):
        return concatenated
    widths = tuple(around if k == axis else (0, 0, 0) for k in range(concatenated.ndim))
    return simplifier.build("pad", (concatenated,), {"widths": widths}, like)


def as_padded(x: Equation) -> Padded | None:
    """A value that is padded along one axis, not between its elements; None for all others."""
    if x.op != "pad":
        return None
    widths = x.static["widths"]
    axes = [axis for axis, width in enumerate(widths) if any(width)]
    if len(axes) != 1:
        return None
    (axis,) = axes
    before, _, gap = widths[axis]
    return None if gap else Padded(x.inputs[0], axis, before)


def _plus_zero(simplifier: "Simplifier", x: Equation, like: Equation | None) -> Equation:
    """x + 0, or x itself where no element of it is -0."""
    if _is_plus_zero(x) or x.op == "concatenate" and all(map(_is_plus_zero, x.inputs)):
        return x
    return simplifier.build("add", (x, simplifier.number(0, x.dtype, like)), {}, like)


def _is_plus_zero(x: Equation) -> bool:
    """Is it the sum of something and 0?"""
    if x.op != "add" or x.inputs[1].op != "constant":
        return False
    value = x.inputs[1].static["value"]
    return value.size == 1 and not value.any() and not bool(np.signbit(value).any())
