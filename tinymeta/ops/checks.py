"""Axes and shapes as callers write them, checked and normalized.

`name` is the operation, for the error.
"""

import math
import operator
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.checks import is_array, is_whole, shown

Shape = tuple[int, ...]
ShapeDtype = tuple[Shape, np.dtype]  # of a result: what a shape rule returns
Axes = int | tuple[int, ...] | None  # as callers write them; None: all
AxisTuple = tuple[int, ...]  # as `as_axes` returns them: increasing, non-negative
_MOST = 2**59  # elements: no machine has as much memory


def _memory() -> int:
    """Bytes of this machine's memory, or of the largest where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # it is no POSIX system
        return _MOST


_MEMORY = _memory()


def size_of(shape: Iterable[int]) -> int:
    """How many elements a shape has."""
    return math.prod(shape)


def as_axis(name: str, axis: int, ndim: int) -> int:
    """A non-negative axis.

    Raises ValueError naming the operation, the axis and the number of axes.
    """
    if type(axis) is int and -ndim <= axis < ndim:  # nearly always
        return axis % ndim
    if not is_whole(axis) or not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {shown(axis)} is out of range for a tensor of {ndim} axes")
    return operator.index(axis) % ndim


def as_axes(name: str, axis: Any, ndim: int) -> AxisTuple:
    """Distinct non-negative axes in increasing order; None means all of them.

    Raises ValueError for an axis that is not there, or named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    is_several = isinstance(axis, (tuple, list))
    given = axis if is_several else (axis,)
    axes = sorted(as_axis(name, a, ndim) for a in given)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: axis {shown(axis)} names an axis twice")
    return tuple(axes)


def as_sizes(name: str, shape: Any) -> Shape:
    """A number, or a tuple, list or array of them, as a tuple of ints; they may be negative.

    Raises TypeError for anything else.
    """
    if type(shape) is tuple:  # nearly always, of ints
        for n in shape:
            if type(n) is not int:
                break
        else:
            return shape
    if is_whole(shape):
        return (operator.index(shape),)
    is_vector = is_array(shape) and len(shape.shape) == 1
    is_listed = is_vector or isinstance(shape, (tuple, list))
    if not is_listed or not all(map(is_whole, shape)):
        raise TypeError(f"{name}: whole numbers are needed, such as (2, 3), not {shown(shape)}")
    return tuple([operator.index(n) for n in shape])


def as_shape(name: str, shape: Any, own_memory: bool = True) -> Shape:
    """A shape as a tuple of ints.

    own_memory: whether the array has memory of its own, a byte or more for each element, which this
    machine must have; a view has not.

    Raises TypeError for what is no shape, ValueError for a negative size, or too large ones.
    """
    sizes = as_sizes(name, shape)
    if min(sizes, default=0) < 0:
        raise ValueError(f"{name}: the shape {sizes} has a negative size")
    if max(size_of(sizes), *sizes, 0) > _MOST:
        raise ValueError(f"{name}: the shape {shown(sizes)} is larger than any memory")
    if own_memory and size_of(sizes) > _MEMORY:
        raise ValueError(
            f"{name}: the shape {shown(sizes)} does not fit this machine's memory of "
            f"{_MEMORY / 1e9:.0f} GB: choose a smaller one"
        )
    return sizes


def is_pair(value: Any, least: int = 0) -> bool:
    """Is it two whole numbers, neither below `least`?"""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    return all(is_whole(n) and n >= least for n in value)
