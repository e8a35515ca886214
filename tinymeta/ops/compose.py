"""Functions composed of operations: they have no derivative rules of their own and need none."""

import numpy as np

from ..core.checks import flag
from ..core.grad import stop_gradient
from ..core.tensor import Tensor, asarray
from . import elementwise, movement, reduce
from .checks import as_axes, size_of
from .promote import cast


def floats(x) -> Tensor:
    """`x` as a floating tensor."""
    x = asarray(x)
    return x if x.dtype.kind == "f" else cast(x, np.dtype(np.float32))


def widened(x) -> tuple[Tensor, np.dtype]:
    """`x` with room for a sum of squares, and the dtype that the result is to have."""
    x = asarray(x)
    if x.dtype == np.float16:  # whose largest number is 65504
        return cast(x, np.dtype(np.float32)), x.dtype
    if x.dtype.kind != "f":  # which float32 does not hold, if they are large
        return cast(x, np.dtype(np.float64)), np.dtype(np.float32)
    return x, x.dtype


def average(name: str, x, axis, keepdims: bool) -> Tensor:
    count = size_of([x.shape[i] for i in as_axes(name, axis, x.ndim)])
    if count == 0:
        raise ValueError(f"{name}: axis {axis} of {x.shape} is empty and has no {name}")
    return reduce.sum(x, axis, keepdims) / count


def mean(x, axis=None, keepdims: bool = False) -> Tensor:
    """The average over `axis`, of integers a float32. Raises ValueError for the mean of nothing."""
    x, dtype = widened(x)
    return average("mean", x, axis, keepdims).astype(dtype)


def var(x, axis=None, keepdims: bool = False) -> Tensor:
    """The variance over `axis`, divided by n (not n - 1). Raises ValueError for that of nothing."""
    x, dtype = widened(x)
    apart = x - average("var", x, axis, keepdims=True)
    return average("var", elementwise.square(apart), axis, keepdims).astype(dtype)


def norm(x, axis=None, keepdims: bool = False) -> Tensor:
    """The Euclidean length over `axis`; its gradient at 0 is 0."""
    x, dtype = widened(x)
    squares = reduce.sum(elementwise.square(x), as_axes("norm", axis, x.ndim), keepdims)
    return elementwise.sqrt(squares).astype(dtype)


def largest(x, axes) -> Tensor:
    """What to subtract before `exp`: the maximum over `axes`, kept, as a constant.

    As a shift it needs no derivative. 0 over an empty axis, whose maximum does not exist.
    """
    if size_of([x.shape[i] for i in axes]) == 0:
        return asarray(np.zeros([1 if i in axes else n for i, n in enumerate(x.shape)], x.dtype))
    return stop_gradient(reduce.max(x, axes, keepdims=True))


def logsumexp(x, axis=None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, without overflow.

    -inf over an empty axis or where all is -inf, inf where something is inf; the gradient is NaN
    at the last two, where it does not exist.
    """
    x = floats(x)
    flag("logsumexp", keepdims=keepdims)
    axes = as_axes("logsumexp", axis, x.ndim)
    shift = largest(x, axes)
    shift = elementwise.where(elementwise.abs(shift) < np.inf, shift, 0.0)  # inf - inf is NaN
    total = reduce.sum(elementwise.exp(x - shift), axes, keepdims=True)
    if size_of([x.shape[i] for i in axes]) == 0:
        y = asarray(np.full(total.shape, -np.inf, x.dtype))
    else:
        y = elementwise.log(total) + shift
    return y if keepdims else movement.squeeze(y, axes)


def log_softmax(x, axis: int = -1) -> Tensor:
    """x - logsumexp(x) over `axis`; -inf (a class that is masked) stays -inf, with gradient 0.

    The maximum is subtracted first: x - (log(sum) + max) would lose log(sum) beside a large max.
    NaN where all is -inf or something is inf, as in PyTorch and JAX.
    """
    x = floats(x)
    axes = as_axes("log_softmax", axis, x.ndim)
    if not x.size:
        return x
    x = x - largest(x, axes)
    return x - elementwise.log(reduce.sum(elementwise.exp(x), axes, keepdims=True))


def softmax(x, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over `axis`; -inf and inf as in `log_softmax`."""
    x = floats(x)
    axes = as_axes("softmax", axis, x.ndim)
    powers = elementwise.exp(x - largest(x, axes))
    return powers / reduce.sum(powers, axes, keepdims=True)
