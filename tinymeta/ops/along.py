"""Along one axis: cumulative sums, products and maxima; sort, argsort, topk, median.

Two primitives, on x as (A, n, B), the axis in the middle. The adjoint of a cumulative sum is one
from the other end; it is linear in n, where a composition by shifts takes n log n. `argsort` only
chooses, and has no derivative: what is sorted is a `take_along` at its places, which has one. The
rest is composed: cumprod and cummax of log2(n) shifts, whose derivatives are right at 0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.checks import check_flag, check_whole, shown
from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from .arrange import slice_along
from .broadcast import with_ones
from .checks import Axes, as_axes, as_axis, size_of
from .elementwise import maximum, where
from .index import in_three, take_along_axis, taken_along
from .join import concatenate
from .more_elementwise import isnan
from .more_reduce import widened
from .movement import flip, moveaxis, reshape, transpose
from .promote import float16_by_float32, promote
from .reduce import sum as summed

cumulative_sum: Primitive  # declared first, as its rule names it
cumulative_sum = Primitive(
    "cumulative_sum",
    family="along",
    shape=lambda x, reverse: (x.shape, x.dtype),
    vjps=(lambda g, y, x, reverse: cumulative_sum(g, reverse=not reverse),),
)
argsort_p = Primitive(
    "argsort", family="along", shape=lambda x: (x.shape, np.dtype(np.int64)), vjps=(None,)
)


def _one_axis(name: str, x: Tensor, axis: int | None) -> tuple[Tensor, int]:
    """`x` and a non-negative axis; of None the flattened x."""
    if axis is None:
        return reshape(x, (x.size,)), 0
    return x, as_axis(name, axis, x.ndim)


_sorted_at = float16_by_float32("sort")(taken_along)


# ---- cumulative ---------------------------------------------------------------------------------


@float16_by_float32("cumsum")
def cumsum(x: Any, axis: int | None = None) -> Tensor:
    """The sums of the first 1, 2, .. elements along `axis`, or of the flattened x.

    Integers are added up in 64 bits, floats one after another in their dtype.
    """
    x, axis = _one_axis("cumsum", widened(x), axis)
    return reshape(cumulative_sum(in_three(x, axis), reverse=False), x.shape)


def cumprod(x: Any, axis: int | None = None) -> Tensor:
    """The products of the first 1, 2, .. elements along `axis`, or of the flattened x.

    Integers are multiplied in 64 bits. Its derivatives are right where an element is 0.
    """
    x, axis = _one_axis("cumprod", widened(x), axis)
    return _by_shifts(x, axis, lambda a, b: a * b)


def cummax(x: Any, axis: int | None = None) -> Tensor:
    """The largest of the first 1, 2, .. elements along `axis`, or of the flattened x.

    A NaN is the largest. The gradient goes to the first of those that tie, as `argmax` has it.
    """
    x, axis = _one_axis("cummax", asarray(x), axis)
    if not x.size:
        return x
    first = moveaxis(x, axis, 0)
    largest = _by_shifts(first, 0, maximum)
    before = largest[:-1]
    later = first[1:]
    is_new = later > before
    if x.dtype.kind == "f":
        is_new = is_new | (isnan(later) & ~isnan(before))
    count, *others = first.shape
    numbers = np.arange(1, count).reshape(-1, *[1] * len(others))
    new_places = where(is_new, asarray(numbers), 0)
    begin = asarray(np.zeros((1, *others), np.int64))
    places = _by_shifts(concatenate([begin, new_places]), 0, maximum)
    return moveaxis(take_along_axis(first, places, 0), 0, axis)


def _by_shifts(x: Tensor, axis: int, combine: Callable) -> Tensor:
    """y_k = x_0 .. x_k combined: what is 1, 2, 4, .. places before, log2(n) times.

    (Hillis & Steele, Data parallel algorithms, 1986.)
    """
    rows = moveaxis(x, axis, 0)
    shift = 1
    while shift < rows.shape[0]:
        combined = combine(rows[:-shift], rows[shift:])
        rows = concatenate([rows[:shift], combined])
        shift *= 2
    return moveaxis(rows, 0, axis)


# ---- in order -----------------------------------------------------------------------------------


def argsort(x: Any, axis: int | None = -1, *, descending: bool = False) -> Tensor:
    """The places of the elements along `axis` in increasing order, or of the flattened x: int64.

    Those that tie stay in their order. A NaN is the largest. descending: the largest first, those
    that tie in their order again. It has no derivative.
    """
    check_flag("argsort", descending=descending)
    x, axis = _one_axis("argsort", asarray(x), axis)
    ascending = flip(x, axis) if descending else x
    places = reshape(argsort_p(in_three(ascending, axis)), x.shape)
    if not descending:
        return places
    last = x.shape[axis] - 1
    return flip(last - places, axis)


def sort(x: Any, axis: int | None = -1, *, descending: bool = False) -> Tensor:
    """The elements along `axis` in increasing order, or those of the flattened x.

    descending: the largest first. A NaN is the largest. The gradient of each goes to where it was.
    """
    x, axis = _one_axis("sort", asarray(x), axis)
    places = argsort(x, axis, descending=descending)
    return _sorted_at(x, places, axis)


def topk(x: Any, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """(the k largest along `axis`, the largest first; their places, int64).

    Of those that tie, the first come first. Raises ValueError for more than there are.
    """
    x = asarray(x)
    axis = as_axis("topk", axis, x.ndim)
    check_whole("topk", 0, k=k)
    if k > x.shape[axis]:
        raise ValueError(f"topk: axis {axis} of {x.shape} has no {shown(k)} elements")
    places = slice_along(argsort(x, axis, descending=True), axis, 0, int(k))
    return _sorted_at(x, places, axis), places


def median(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The middle of the sorted elements over `axis`, the mean of two if their number is even.

    NaN if one is; of integers a float32. Raises ValueError for that of nothing.
    """
    (x,) = promote("median", (x,), floating=True)
    check_flag("median", keepdims=keepdims)
    axes = as_axes("median", axis, x.ndim)
    kept = [i for i in range(x.ndim) if i not in axes]
    kept_shape = [x.shape[i] for i in kept]
    count = size_of(x.shape[i] for i in axes)
    if count == 0:
        raise ValueError(f"median: axis {axis} of {x.shape} is empty and has no median")
    rows = reshape(transpose(x, (*kept, *axes)), (*kept_shape, count))
    ordered = sort(rows)
    begin = (count - 1) // 2
    middle = ordered[..., begin : count // 2 + 1]
    found = summed(middle, -1) / middle.shape[-1]
    last = ordered[..., -1]
    found = where(isnan(last), last, found)
    return reshape(found, with_ones(x.shape, axes)) if keepdims else found
