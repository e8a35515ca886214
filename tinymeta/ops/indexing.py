"""Basic indexing, as in x[2:5, None, ..., -1]: a slice, a flip and a reshape, one after another.

Integers, slices, None and `...` become one slice with a positive step for each axis of x, then a
flip of the axes that ran downwards, then a reshape to the result's shape, which drops the axes of
integers and adds those of None. Index arrays are another operation: see index_arrays.py.
"""

from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .checks import Shape
from .movement import end_of_steps, flip_p, reshape, slice_p

_BASIC_PARTS = (int, np.integer, slice, type(None), type(Ellipsis))


def getitem(x: Tensor, index: Any) -> Tensor:
    """Basic indexing with integers, slices, None and `...`.

    Raises TypeError for other parts, IndexError for an integer out of range or too many parts.
    """
    parts = index if isinstance(index, tuple) else (index,)
    slices: list[slice] = []  # one for each axis of x, all upwards
    flips: list[int] = []  # the axes whose slice was downwards
    shape: list[int] = []  # of the result
    for part in _full_index(x, parts):
        axis = len(slices)
        if part is None:
            shape.append(1)
        elif isinstance(part, slice):
            upward, length, is_flipped = _upward(part, x.shape[axis])
            slices.append(upward)
            shape.append(length)
            if is_flipped:
                flips.append(axis)
        else:
            slices.append(_at_position(part, axis, x.shape))
    whole = [slice(0, n, 1) for n in x.shape]
    if slices != whole:
        x = slice_p(x, slices=tuple(slices))
    if flips:
        x = flip_p(x, axes=tuple(flips))
    return reshape(x, tuple(shape))


def _full_index(x: Tensor, index: tuple) -> tuple:
    """The index with a part for each axis of x: whole slices for `...`, or at the end."""
    for part in index:
        # Python's bools are integers, too, but NumPy takes them for a mask.
        is_mask = isinstance(part, (bool, np.bool_))
        if is_mask or not isinstance(part, _BASIC_PARTS):
            raise TypeError(
                "a tensor is indexed with integers, slices, None, ..., integer arrays and masks, "
                f"not {type(part).__name__}"
            )
    new_axes = index.count(None)
    dots = index.count(Ellipsis)
    named = len(index) - new_axes - dots
    if named > x.ndim or dots > 1:
        raise IndexError(f"the index {index} has too many parts for a tensor of shape {x.shape}")
    place = index.index(Ellipsis) if dots else len(index)
    not_named = [slice(None)] * (x.ndim - named)
    return (*index[:place], *not_named, *index[place + 1 :])


def _upward(part: slice, n: int) -> tuple[slice, int, bool]:
    """(slice with numbers and a positive step, its length, whether it is then to be flipped)."""
    chosen = range(*part.indices(n))
    length = len(chosen)
    start = chosen.start
    is_downward = chosen.step < 0
    if is_downward:
        start = chosen[-1] if length else 0  # the same places, the last one first
    step = abs(chosen.step)
    stop = end_of_steps(start, step, length)
    return slice(start, stop, step), length, is_downward


def _at_position(i: int, axis: int, shape: Shape) -> slice:
    """The slice of the one element `i`, negative from the end; IndexError if it is not there."""
    n = shape[axis]
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range for axis {axis} of size {n} (shape {shape})")
    position = int(i) % n
    return slice(position, position + 1, 1)
