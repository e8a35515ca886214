"""Axes and shapes as callers write them, checked and made plain."""

import math

import numpy as np


def size_of(shape) -> int:
    """How many elements a shape has."""
    return math.prod(shape)


def as_axis(name: str, axis: int, ndim: int) -> int:
    """A non-negative axis.

    Raises ValueError naming the operation, the axis and the number of axes.
    """
    if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {axis} is out of range for a tensor of {ndim} axes")
    return int(axis) % ndim


def as_axes(name: str, axis, ndim: int) -> tuple:
    """Distinct non-negative axes in increasing order; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = sorted(as_axis(name, a, ndim) for a in axes)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return tuple(axes)


def as_shape(name: str, shape) -> tuple:
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: the shape {shape} has a negative size")
    return shape
