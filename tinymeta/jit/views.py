"""Views as strides: a value that only rearranges another is walked over, not copied.

A view is a function of strides (core/strides.py): given how its source lies in memory, how does it
lie itself?
"""

from typing import NamedTuple

from ..core import strides as strides_of
from ..core.strides import dense
from .program import Line

VIEWS = {"reshape", "transpose", "broadcast_to", "slice", "flip"}


class Walk(NamedTuple):
    """Where a value's elements lie in the memory of a stored one."""

    base: Line
    offset: int
    strides: tuple[int, ...]


def source(line: Line) -> tuple[Line, tuple[Line, ...]]:
    """What a chain of views begins with, and the views, the first of them first."""
    chain = []
    while line.op in VIEWS:
        chain.append(line)
        line = line.inputs[0]
    return line, tuple(reversed(chain))


def walk(base: Line, chain: tuple[Line, ...], shape: tuple) -> Walk | None:
    """How the last of the views of `base` lies, in a space of this shape; None if it cannot.

    A 0-d value rides along: it is repeated everywhere.
    """
    if base.size == 1:
        return Walk(base, 0, (0,) * len(shape))
    at = (0, dense(base.shape))
    for view in chain:
        at = through(view, *at)
        if at is None:
            return None
    return Walk(base, at[0], at[1] if len(at[1]) == len(shape) else (0,) * len(shape))


def through(view: Line, offset: int, strides: tuple) -> tuple | None:
    """Offset and strides of a view, from those of its source."""
    shape, static = view.inputs[0].shape, view.static
    if view.op == "transpose":
        return offset, tuple(strides[i] for i in static["axes"])
    if view.op == "broadcast_to":
        return offset, strides_of.broadcast(shape, strides, view.shape)
    if view.op == "flip":
        moved, strides = strides_of.flipped(shape, strides, static["axes"])
        return offset + moved, strides
    if view.op == "slice":
        moved, _, strides = strides_of.sliced(shape, strides, static["slices"])
        return offset + moved, strides
    strides = strides_of.reshaped(shape, strides, view.shape)
    return None if strides is None else (offset, strides)


def unit(view: Line) -> bool:
    """A reshape that adds or drops axes of size 1 and nothing else."""
    drop = [tuple(n for n in shape if n != 1) for shape in (view.shape, view.inputs[0].shape)]
    return view.op == "reshape" and drop[0] == drop[1]
