"""More reductions, composed: prod, any, all, argmin; and numbers evenly spaced, linspace."""

from typing import Any

import numpy as np

from ..core.checks import as_dtype, check_flag, check_whole, is_array, is_number, shown
from ..core.tensor import Tensor, asarray
from . import reduce
from .broadcast import with_ones, without
from .checks import Axes, as_axes, as_shape
from .elementwise import equal, greater, not_equal
from .join import concatenate
from .movement import astype, reshape, transpose
from .promote import promote

_IN_64_BITS = {"b": np.int64, "i": np.int64, "u": np.uint64}


def widened(x: Any) -> Tensor:
    """`x` in what its sums are computed in: integers in 64 bits, bools counted."""
    x = asarray(x)
    dtype = _IN_64_BITS.get(x.dtype.kind, x.dtype)
    return astype(x, dtype)


def prod(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The product over `axis` (an int, a tuple, None for all), 1 over an empty one.

    By halves: the first half times the second, log2(n) times. So the derivatives are right at 0,
    where x1 x2 x3 / x1 would be 0 / 0. Integers are multiplied in 64 bits, as `sum` adds them.
    """
    x = widened(x)
    check_flag("prod", keepdims=keepdims)
    axes = as_axes("prod", axis, x.ndim)
    kept = without(x.shape, axes)
    shape = with_ones(x.shape, axes) if keepdims else kept
    if x.size == 0:
        return asarray(np.ones(shape, x.dtype))
    others = [i for i in range(x.ndim) if i not in axes]
    rows = reshape(transpose(x, (*axes, *others)), (-1, *kept))
    while rows.shape[0] > 1:
        half = rows.shape[0] // 2
        product = rows[:half] * rows[half : 2 * half]
        rest = rows[2 * half :]
        rows = concatenate([product, rest]) if rest.shape[0] else product
    return reshape(rows, shape)


def any(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether something over `axis` is not 0, a bool; of nothing, False. A NaN is not 0."""
    return greater(reduce.sum(not_equal(x, 0), axis, keepdims), 0)


def all(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether nothing over `axis` is 0, a bool; of nothing, True. A NaN is not 0."""
    return equal(reduce.sum(equal(x, 0), axis, keepdims), 0)


def argmin(x: Any, axis: int | None = None) -> Tensor:
    """Where the smallest value is along `axis` (or in the flattened tensor), a NaN if there is one.

    int64, of the first one; it has no derivative. ValueError over an empty axis.
    """
    return reduce.argmax(reduce.in_reverse_order(asarray(x)), axis)


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None
) -> Tensor:
    """`num` numbers evenly spaced from `start` to `stop`, which is the last, if `endpoint`: (num,).

    float32 by default, or the dtype of tensors: 0-d ones get their gradient. Raises ValueError for
    what is no number, or fewer than 0 of them.
    """
    check_whole("linspace", 0, num=num)
    check_flag("linspace", endpoint=endpoint)
    for x in (start, stop):
        is_scalar = is_array(x) and x.shape == ()
        if not is_scalar and not is_number(x):
            raise ValueError(f"linspace: start and stop are numbers or 0-d tensors, not {shown(x)}")
    a, b = promote("linspace", (start, stop), floating=True)
    as_shape("linspace", num)  # raises for more than the memory
    shares = np.linspace(0, 1, num, endpoint=bool(endpoint))
    share = asarray(shares.astype(a.dtype))
    rest = asarray((1 - shares).astype(a.dtype))
    numbers = a * rest + b * share
    return numbers if dtype is None else astype(numbers, as_dtype(dtype))
