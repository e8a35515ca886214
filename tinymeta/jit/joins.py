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

from typing import TYPE_CHECKING

import numpy as np

from .program import Equation

if TYPE_CHECKING:
    from .simplify import Simplifier


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
    contents = [_padded_along(x) for x in inputs]
    if None in contents:
        return None
    (axis, begin, end), (other_axis, other_begin, other_end) = contents  # type: ignore[misc]
    if axis != other_axis or (end != other_begin and other_end != begin):
        return None
    left, right = inputs if end == other_begin else reversed(inputs)
    parts = tuple(_plus_zero(simplifier, x.inputs[0], like) for x in (left, right))
    concatenated = simplifier.build("concatenate", parts, {"axis": axis}, like)
    size = inputs[0].shape[axis]
    around = min(begin, other_begin), size - max(end, other_end), 0
    if not any(around):
        return concatenated
    widths = tuple(around if k == axis else (0, 0, 0) for k in range(concatenated.ndim))
    return simplifier.build("pad", (concatenated,), {"widths": widths}, like)


def _padded_along(x: Equation) -> tuple[int, int, int] | None:
    """(axis, begin, end) of what is inside of a pad of one axis without gaps; None of all else."""
    if x.op != "pad":
        return None
    widths = x.static["widths"]
    axes = [axis for axis, width in enumerate(widths) if any(width)]
    if len(axes) != 1 or widths[axes[0]][2]:
        return None
    before, after, _ = widths[axes[0]]
    return axes[0], before, x.shape[axes[0]] - after


def _plus_zero(simplifier: "Simplifier", x: Equation, like: Equation | None) -> Equation:
    """x + 0, or x itself where no element of it is -0."""
    if _is_plus_zero(x) or x.op == "concatenate" and all(map(_is_plus_zero, x.inputs)):
        return x
    return simplifier.build("add", (x, simplifier.number(0, x.dtype)), {}, like)


def _is_plus_zero(x: Equation) -> bool:
    """Is it the sum of something and 0?"""
    if x.op != "add" or x.inputs[1].op != "constant":
        return False
    value = x.inputs[1].static["value"]
    return value.size == 1 and not value.any() and not bool(np.signbit(value).any())
