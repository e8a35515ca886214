"""Views as strides: a value that only rearranges another is read in place, not copied.

    v0 = input()                     # float64(4, 3)   StridedLayout(v0, 0, (3, 1))
    v1 = transpose(v0, axes=(1, 0))  # float64(3, 4)   StridedLayout(v0, 0, (1, 3))
    v2 = flip(v1, axes=(1,))         # float64(3, 4)   StridedLayout(v0, 9, (1, -3))

A view is a function of strides (core/strides.py): given the layout of its source, it has a layout
or none. Only a reshape can have none: of axes that are not evenly spaced. Then `with_legal_layouts`
(legalize.py) puts a copy in front of it.

Cost: O(length of the chain x axes) for each layout; no element is touched. Making each view an
array, as NumPy makes an object of it, would need Python at each step of a replay.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..core import strides as strides_of
from ..core.strides import dense
from .program import Equation

VIEWS = {"reshape", "transpose", "broadcast_to", "slice", "flip"}


class StridedLayout(NamedTuple):
    """Where a value's elements lie: in the memory of `base`, in elements.

    Element (i, j, ..) is at offset + i * strides[0] + j * strides[1] + ..
    """

    base: Equation
    offset: int
    strides: tuple[int, ...]


def source(eqn: Equation) -> tuple[Equation, tuple[Equation, ...]]:
    """(what a chain of views begins with, the views from the first to `eqn`)."""
    chain = []
    while eqn.op in VIEWS:
        chain.append(eqn)
        eqn = eqn.inputs[0]
    return eqn, tuple(reversed(chain))


def layout_of(
    base: Equation, chain: tuple[Equation, ...], shape: tuple[int, ...]
) -> StridedLayout | None:
    """The layout of the last view of a chain on a dense `base`, in a space of this shape.

    None if strides cannot describe it. A value of one element broadcasts: all strides are 0.
    """
    still = (0,) * len(shape)
    if base.size == 1:
        return StridedLayout(base, 0, still)
    offset, strides = 0, dense(base.shape)
    for view in chain:
        found = through(view, offset, strides)
        if found is None:
            return None
        offset, strides = found
    return StridedLayout(base, offset, strides if len(strides) == len(shape) else still)


def memory_layout(x: Equation) -> StridedLayout:
    """The layout of a value in memory, in a program that `with_legal_layouts` has made."""
    base, chain = source(x)
    layout = layout_of(base, chain, x.shape)
    assert layout is not None, f"{x} has no strided layout"
    return layout


def byte_of(x: Equation, address: Callable[[Equation], int]) -> int:
    """The byte where the first element of a value lies, a view or not.

    address(eqn): that of a materialized value.
    """
    layout = memory_layout(x)
    return address(layout.base) + layout.offset * x.dtype.itemsize


def through(
    view: Equation, offset: int, strides: tuple[int, ...]
) -> tuple[int, tuple[int, ...]] | None:
    """(offset, strides) of a view, from those of its source; None if there are none."""
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
    reshaped = strides_of.reshaped(shape, strides, view.shape)
    return None if reshaped is None else (offset, reshaped)


def changes_unit_axes_only(view: Equation) -> bool:
    """Is it a reshape that adds or drops axes of size 1 and nothing else?"""
    if view.op != "reshape":
        return False
    before = [n for n in view.inputs[0].shape if n != 1]
    after = [n for n in view.shape if n != 1]
    return before == after
