"""Functions composed of operations: they have no derivative rules of their own and need none."""

from typing import Any

import numpy as np

from ..core.checks import check_flag
from ..core.grad import stop_gradient
from ..core.tensor import Tensor, asarray
from . import reduce
from .broadcast import with_ones
from .checks import Axes, as_axes, size_of
from .elementwise import abs, exp, log, sqrt, square, where
from .movement import squeeze
from .promote import cast


def _as_float(x: Any) -> Tensor:
    """`x` as a floating tensor."""
    x = asarray(x)
    return x if x.dtype.kind == "f" else cast(x, np.dtype(np.float32))


def _wide_enough(x: Any) -> tuple[Tensor, np.dtype]:
    """`x` in a dtype that can hold a sum of squares, and the dtype that the result is to have."""
    x = asarray(x)
    if x.dtype == np.float16:  # whose largest number is 65504
        return cast(x, np.dtype(np.float32)), x.dtype
    if x.dtype.kind != "f":  # float32 does not hold large integers exactly
        return cast(x, np.dtype(np.float64)), np.dtype(np.float32)
    return x, x.dtype


def _average(name: str, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    count = size_of([x.shape[i] for i in as_axes(name, axis, x.ndim)])
    if count == 0:
        raise ValueError(f"{name}: axis {axis} of {x.shape} is empty and has no {name}")
    return reduce.sum(x, axis, keepdims) / count


def mean(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The average over `axis`, of integers a float32. Raises ValueError for the mean of nothing."""
    x, dtype = _wide_enough(x)
    return _average("mean", x, axis, keepdims).astype(dtype)


def var(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The variance over `axis`, divided by n (not n - 1). Raises ValueError for that of nothing."""
    x, dtype = _wide_enough(x)
    deviation = x - _average("var", x, axis, keepdims=True)
    return _average("var", square(deviation), axis, keepdims).astype(dtype)


def norm(x: Any, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The Euclidean length over `axis`; its gradient at 0 is 0."""
    x, dtype = _wide_enough(x)
    axes = as_axes("norm", axis, x.ndim)
    sum_of_squares = reduce.sum(square(x), axes, keepdims)
    return sqrt(sum_of_squares).astype(dtype)


def _is_empty(x: Tensor, axes: tuple[int, ...]) -> bool:
    return size_of([x.shape[i] for i in axes]) == 0


def _max_as_constant(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """What to subtract before `exp`: the maximum over `axes`, which get size 1.

    A shift of all by the same needs no derivative. 0 over an empty axis, which has no maximum.
    """
    if _is_empty(x, axes):
        return asarray(np.zeros(with_ones(x.shape, axes), x.dtype))
    return stop_gradient(reduce.max(x, axes, keepdims=True))


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
    total = reduce.sum(exp(x - shift), axes, keepdims=True)
    if _is_empty(x, axes):
        y = asarray(np.full(total.shape, -np.inf, x.dtype))
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
    exps = exp(x - _max_as_constant(x, axes))
    return exps / reduce.sum(exps, axes, keepdims=True)
