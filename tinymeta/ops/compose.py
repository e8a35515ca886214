"""Functions composed of operations: they have no derivative rules of their own and need none."""

from typing import Any

import numpy as np

from ..core.checks import check_flag, check_real
from ..core.grad import stop_gradient
from ..core.tensor import Tensor, asarray
from . import reduce
from .broadcast import with_ones
from .checks import Axes, AxisTuple, Shape, as_axes, size_of
from .elementwise import abs, exp, log, sqrt, square, where
from .movement import squeeze
from .promote import cast

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def _as_float(x: Any) -> Tensor:
    """`x` as a floating tensor."""
    x = asarray(x)
    return x if x.dtype.kind == "f" else cast(x, _FLOAT32)


def _wide_enough(x: Any) -> tuple[Tensor, np.dtype]:
    """`x` in a dtype that can hold a sum of squares, and the dtype that the result is to have."""
    x = asarray(x)
    if x.dtype == np.float16:  # whose largest number is 65504
        return cast(x, _FLOAT32), x.dtype
    if x.dtype.kind != "f":  # float32 does not hold large integers exactly
        return cast(x, _FLOAT64), _FLOAT32
    return x, x.dtype


def _size_along(shape: Shape, axes: AxisTuple) -> int:
    """How many elements a reduction over `axes` makes one of."""
    return size_of(shape[i] for i in axes)


def _average(name: str, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    axes = as_axes(name, axis, x.ndim)
    count = _size_along(x.shape, axes)
    if count == 0:
        raise ValueError(f"{name}: axis {axis} of {x.shape} is empty and has no {name}")
    return reduce.sum(x, axis, keepdims) / count


def mean(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The average over `axis`, of integers a float32. Raises ValueError for the mean of nothing."""
    x, dtype = _wide_enough(x)
    return _average("mean", x, axis, keepdims).astype(dtype)


def _variance(name: str, x: Tensor, axis: Axes, keepdims: bool, correction: float) -> Tensor:
    """The sum of squared deviations over `axis`, divided by n - correction."""
    check_real(name, correction=correction)
    axes = as_axes(name, axis, x.ndim)
    deviation = x - _average(name, x, axis, keepdims=True)
    count = _size_along(x.shape, axes)
    if count <= correction:
        raise ValueError(
            f"{name}: of {count} numbers, with correction={correction}, there is no {name}: "
            "more numbers are needed than that"
        )
    return reduce.sum(square(deviation), axis, keepdims) / (count - correction)


def var(x: Any, axis: Axes = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The variance over `axis`, divided by n - correction: 0, NumPy's default, or 1, PyTorch's.

    Raises ValueError for that of no more numbers than `correction`.
    """
    x, dtype = _wide_enough(x)
    return _variance("var", x, axis, keepdims, correction).astype(dtype)


def std(x: Any, axis: Axes = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The standard deviation, the root of `var`; its gradient is 0 where all is equal.

    axis, correction: as in `var`, which says what it raises.
    """
    x, dtype = _wide_enough(x)
    return sqrt(_variance("std", x, axis, keepdims, correction)).astype(dtype)


def norm(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The Euclidean length over `axis`; its gradient at 0 is 0."""
    x, dtype = _wide_enough(x)
    axes = as_axes("norm", axis, x.ndim)
    sum_of_squares = reduce.sum(square(x), axes, keepdims)
    return sqrt(sum_of_squares).astype(dtype)


def _max_as_constant(x: Tensor, axes: AxisTuple) -> Tensor:
    """What to subtract before `exp`: the maximum over `axes`, which get size 1.

    A shift of all by the same needs no derivative. 0 over an empty axis, which has no maximum.
    """
    if _size_along(x.shape, axes) == 0:
        zeros = np.zeros(with_ones(x.shape, axes), x.dtype)
        return asarray(zeros)
    maximum = reduce.max(x, axes, keepdims=True)
    return stop_gradient(maximum)


def logsumexp(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, without overflow.

    -inf over an empty axis or where all is -inf, inf where something is inf; the gradient is NaN
    at the last two, where it does not exist.
    """
    x = _as_float(x)
    check_flag("logsumexp", keepdims=keepdims)
    axes = as_axes("logsumexp", axis, x.ndim)
    shift = _max_as_constant(x, axes)
    is_finite = abs(shift) < np.inf
    shift = where(is_finite, shift, 0.0)  # inf - inf is NaN
    exps = exp(x - shift)
    total = reduce.sum(exps, axes, keepdims=True)
    if _size_along(x.shape, axes) == 0:
        log_of_zero = np.full(total.shape, -np.inf, x.dtype)
        y = asarray(log_of_zero)
    else:
        y = log(total) + shift
    return y if keepdims else squeeze(y, axes)


def log_softmax(x: Any, axis: Axes = -1) -> Tensor:
    """x - logsumexp(x) over `axis`; -inf (a class that is masked) stays -inf, with gradient 0.

    The maximum is subtracted first: x - (log(sum) + max) would lose log(sum) beside a large max.
    NaN where all is -inf or something is inf, as in PyTorch and JAX.
    """
    x = _as_float(x)
    axes = as_axes("log_softmax", axis, x.ndim)
    if not x.size:
        return x
    x = x - _max_as_constant(x, axes)
    total = reduce.sum(exp(x), axes, keepdims=True)
    return x - log(total)


def softmax(x: Any, axis: Axes = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over `axis`; -inf and inf as in `log_softmax`."""
    x = _as_float(x)
    axes = as_axes("softmax", axis, x.ndim)
    exps = exp(x - _max_as_constant(x, axes))  # at most 1: no overflow
    total = reduce.sum(exps, axes, keepdims=True)
    return exps / total
