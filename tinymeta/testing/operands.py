"""How the arguments of each kind of primitive are drawn, with and without a task axis.

Each strategy draws Cases on which derivatives are defined: positive where there is a logarithm,
away from kinks and ties. Which primitive gets which is a table, in cases.py; products, factors and
windows are in contraction_operands.py.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from .arrays import bools, integers, positive, shapes, tensors


class Case(NamedTuple):
    """Arguments of a primitive: arrays by position, static metadata by keyword."""

    inputs: tuple
    static: dict


# ---- elementwise --------------------------------------------------------------------------------


def above_minus_one(shape: Any) -> st.SearchStrategy:
    return tensors(shape, low=-0.75, high=3.0)


def above_one(shape: Any) -> st.SearchStrategy:
    return tensors(shape, low=1.25, high=3.0)


def inside_one(shape: Any) -> st.SearchStrategy:
    return tensors(shape, low=-0.75, high=0.75)


@st.composite
def same_shape(draw: st.DrawFn, *kinds: Callable) -> Case:
    """Arrays of one shape, each of its kind."""
    shape = draw(shapes())
    return Case(tuple(draw(kind(shape)) for kind in kinds), {})


@st.composite
def with_ties(draw: st.DrawFn) -> Case:
    """Two arrays of one shape that are equal in some places: for comparisons."""
    shape = draw(shapes())
    a, b = draw(tensors(shape)), draw(tensors(shape))
    return Case((a, np.where(draw(bools(shape)), a, b)), {})


def edges(shape: Any) -> st.SearchStrategy:
    """Arrays in which infinities of both signs, NaN and numbers are alike often."""
    values = st.sampled_from([0.0, np.inf, 1.5, np.nan, -2.0, -np.inf])
    return hnp.arrays(np.float64, shape, elements=values)


@st.composite
def without_ties(draw: st.DrawFn) -> Case:
    """Two arrays of one shape that differ everywhere by at least 1/16."""
    shape = draw(shapes())
    a = draw(tensors(shape))
    b = draw(tensors(shape)) + 1 / 16
    return Case((a, np.asarray(b)), {})


@st.composite
def between_jumps(draw: st.DrawFn) -> Case:
    """A dividend and a divisor, of both signs, whose quotient is 1/4 away from whole numbers."""
    shape = draw(shapes())
    sign = np.where(draw(bools(shape)), -1.0, 1.0)
    divisor = sign * draw(positive(shape))
    whole = draw(integers(shape, 5)) - 2
    quotient = whole + draw(tensors(shape, low=0.25, high=0.75))
    return Case((np.asarray(quotient * divisor), np.asarray(divisor)), {})


@st.composite
def constant_powers(draw: st.DrawFn) -> Case:
    exponent = draw(st.sampled_from([3, 4, -1, -2, 1.5, -0.5]))
    is_natural = isinstance(exponent, int) and exponent > 0
    kind = tensors if is_natural else positive
    x = draw(kind(draw(shapes())))
    return Case((x,), {"exponent": exponent})


# ---- movement, reductions, indices ---------------------------------------------------------------


@st.composite
def reshapes(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    flat = (math.prod(shape),)
    targets = [flat, (1, *shape), (*shape, 1), shape[::-1]]
    target = draw(st.sampled_from(targets))
    return Case((draw(tensors(shape)),), {"shape": target})


@st.composite
def transposes(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    x = draw(tensors(shape))
    axes = draw(st.permutations(range(len(shape))))
    return Case((x,), {"axes": tuple(axes)})


@st.composite
def broadcasts(draw: st.DrawFn) -> Case:
    target = draw(shapes())
    new = len(target) - draw(st.integers(0, len(target)))
    shape = tuple(draw(st.sampled_from([1, n])) for n in target[new:])
    return Case((draw(tensors(shape)),), {"shape": target})


@st.composite
def some_axes(
    draw: st.DrawFn,
    kind: Callable = tensors,
    min_side: int = 0,
    max_dims: int = 3,
    one: bool = False,
) -> Case:
    """An array and a set of its axes; one: exactly one axis."""
    least = int(one)
    shape = draw(shapes(min_dims=least, max_dims=max_dims, min_side=min_side))
    axes: st.SearchStrategy = st.just(())
    if shape:
        every = st.sampled_from(range(len(shape)))
        axes = st.sets(every, min_size=least, max_size=1 if one else None)
    return Case((draw(kind(shape)),), {"axes": tuple(sorted(draw(axes)))})


@st.composite
def slices(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    of_axes = []
    for n in shape:
        ends = draw(st.integers(0, n)), draw(st.integers(0, n))
        step = draw(st.integers(1, 3))
        of_axes.append(slice(min(ends), max(ends), step))
    return Case((draw(tensors(shape)),), {"slices": tuple(of_axes)})


@st.composite
def pads(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    small = st.integers(0, 2)
    width = st.tuples(small, small, small)
    x = draw(tensors(shape))
    return Case((x,), {"widths": tuple(draw(width) for _ in shape)})


@st.composite
def casts(draw: st.DrawFn) -> Case:
    x = draw(tensors(draw(shapes())))
    return Case((x,), {"dtype": np.dtype(np.float64)})


@st.composite
def concatenations(draw: st.DrawFn) -> Case:
    shape = list(draw(shapes(min_dims=1)))
    axis = draw(st.integers(0, len(shape) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        shape[axis] = draw(st.integers(0, 3))
        parts.append(draw(tensors(tuple(shape))))
    return Case(tuple(parts), {"axis": axis})


@st.composite
def columns(draw: st.DrawFn, kind: Callable, reverse: bool = False) -> Case:
    """An array (A, n, B), whose middle axis is gone along; reverse: perhaps from the other end."""
    x = draw(kind(draw(shapes(min_dims=3, max_side=5))))
    return Case((x,), {"reverse": draw(st.booleans())} if reverse else {})


@st.composite
def gathers(draw: st.DrawFn, along: bool, adjoint: bool) -> Case:
    """take and take_along on (A, n, B), and their adjoints on (A, m, B)."""
    sides = st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 4), st.integers(0, 2))
    a, n, m, b = draw(sides)
    index = draw(integers((a, m, b) if along else (m,), n))
    x = draw(tensors((a, m if adjoint else n, b)))
    return Case((x, index), {"size": n} if adjoint else {})


@st.composite
def perhaps_with_nan(draw: st.DrawFn, cases: st.SearchStrategy) -> Case:
    """One element of the first input may be NaN: for what has a value there, and no derivative."""
    case = draw(cases)
    x = case.inputs[0]
    if x.size and draw(st.booleans()):
        place = draw(st.integers(0, x.size - 1))
        x.flat[place] = np.nan
    return case
