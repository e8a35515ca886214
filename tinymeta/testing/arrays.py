"""Arrays that shrink well: few values, coarse, the simplest of them first.

Values are multiples of 1/8, so that they read well and gaps are known. Shapes come small, with
sizes 0 and 1.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

STEP = 1 / 8  # between two values
_NEAR = 1 / 16  # what is nearer to a kink than this is not drawn

ArrayStrategy: TypeAlias = st.SearchStrategy[np.ndarray]
Shape = int | tuple[int, ...]


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of min_dims to max_dims axes, of sizes min_side to max_side, 0 and 1 as well.

    They shrink to () or to the smallest allowed.
    """
    return hnp.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    )


def tensors(
    shape: Shape | st.SearchStrategy,
    *,
    low: float = -2.0,
    high: float = 2.0,
    away_from: float | Sequence = (),
    min_gap: float | None = None,
    dtype: Any = np.float64,
) -> ArrayStrategy:
    """Arrays of multiples of 1/8 between `low` and `high`; they shrink to the smallest numbers.

    shape: a shape, or a strategy of shapes. away_from: a kink or several, to which no element comes
    nearer than 1/16. min_gap: all elements differ by at least that, so that a maximum has no ties;
    then they are as many around 0 as there are elements, whatever `low` and `high` say.

    Raises ValueError if no value is allowed.
    """
    if isinstance(shape, st.SearchStrategy):
        rest: dict = dict(low=low, high=high, away_from=away_from, min_gap=min_gap, dtype=dtype)
        return shape.flatmap(lambda shape: tensors(shape, **rest))
    kinks = np.atleast_1d(away_from)
    if min_gap is not None:
        return _permuted_grid(shape, min_gap, kinks, dtype)
    grid = STEP * np.arange(np.ceil(low / STEP), np.floor(high / STEP) + 1)
    allowed = _away_from(grid, kinks)
    if not allowed:
        raise ValueError(
            f"tensors: no multiple of 1/8 between {low} and {high} is 1/16 away from "
            f"{kinks.tolist()}"
        )
    simplest = sorted(allowed, key=lambda v: (abs(v), v < 0))
    return hnp.arrays(dtype, shape, elements=st.sampled_from(simplest))


def _away_from(grid: np.ndarray, kinks: np.ndarray) -> list[float]:
    return [v for v in grid if all(abs(v - kink) >= _NEAR for kink in kinks)]


def _permuted_grid(shape: Shape, gap: float, kinks: np.ndarray, dtype: Any) -> ArrayStrategy:
    """Permutations of the multiples of `gap` around 0, as many as there are entries.

    Those near a kink are left out, so a few more are looked at. A permutation has no ties, and none
    has to be drawn and thrown away.
    """
    size = int(np.prod(shape))
    candidates = size + 8 * len(kinks)
    grid = gap * (np.arange(candidates + 1) - candidates // 2)
    nearest = sorted(sorted(_away_from(grid, kinks), key=abs)[:size])
    return st.permutations(nearest).map(lambda x: np.array(x, dtype).reshape(shape))


def off_kinks(shape: Shape) -> ArrayStrategy:
    """Arrays of a shape without an element near to 0."""
    return tensors(shape, away_from=0.0)


def positive(shape: Shape) -> ArrayStrategy:
    """Arrays of a shape, from 1/2 to 3."""
    return tensors(shape, low=0.5, high=3.0)


def distinct(shape: Shape) -> ArrayStrategy:
    """Arrays of a shape whose elements all differ by at least 1/8."""
    return tensors(shape, min_gap=STEP)


def broadcastable(
    count: int, *, max_dims: int = 3, min_side: int = 0, max_side: int = 3, **kind: Any
) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    """Tuples of `count` arrays whose shapes broadcast with each other; kind: as of `tensors`."""
    return hnp.mutually_broadcastable_shapes(
        num_shapes=count, max_dims=max_dims, min_side=min_side, max_side=max_side
    ).flatmap(lambda found: st.tuples(*(tensors(shape, **kind) for shape in found.input_shapes)))


def integers(shape: Shape, below: int) -> ArrayStrategy:
    """int64 arrays of a shape, from 0 to below - 1; they shrink to zeros."""
    return hnp.arrays(np.int64, shape, elements=st.integers(0, below - 1))


def bools(shape: Shape) -> ArrayStrategy:
    """Bool arrays of a shape; they shrink to False."""
    return hnp.arrays(bool, shape)
