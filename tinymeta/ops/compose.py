"""Functions composed of operations: they have no derivative rules of their own and need none."""

import numpy as np

from ..core.grad import stop_gradient
from ..core.tensor import Tensor, asarray
from . import elementwise, movement, reduce
from .checks import as_axes, size_of
from .promote import cast


def floats(x) -> Tensor:
    """`x` as a floating tensor."""
    x = asarray(x)
    return x if x.dtype.kind == "f" else cast(x, np.dtype(np.float32))


def mean(x, axis=None, keepdims: bool = False) -> Tensor:
    """The average over `axis`. Raises ValueError for the mean of nothing."""
    x = floats(x)
    if x.dtype == np.float16:                       # whose largest number is 65504
        return mean(cast(x, np.dtype(np.float32)), axis, keepdims).astype(x.dtype)
    count = size_of([x.shape[i] for i in as_axes("mean", axis, x.ndim)])
    if count == 0:
        raise ValueError(f"mean: axis {axis} of {x.shape} is empty and has no mean")
    return reduce.sum(x, axis, keepdims) / count


def var(x, axis=None, keepdims: bool = False) -> Tensor:
    """The variance over `axis`, divided by n (not n - 1)."""
    x = floats(x)
    if x.dtype == np.float16:
        return var(cast(x, np.dtype(np.float32)), axis, keepdims).astype(x.dtype)
    return mean(elementwise.square(x - mean(x, axis, keepdims=True)), axis, keepdims)


def norm(x, axis=None, keepdims: bool = False) -> Tensor:
    """The Euclidean length over `axis`; its gradient at 0 is 0."""
    return elementwise.sqrt(reduce.sum(elementwise.square(floats(x)), axis, keepdims))


def logsumexp(x, axis=None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, shifted by the maximum: as a shift it needs no derivative."""
    x = floats(x)
    shift = stop_gradient(reduce.max(x, axis, keepdims=True))
    y = elementwise.log(reduce.sum(elementwise.exp(x - shift), axis, keepdims=True)) + shift
    return y if keepdims else movement.squeeze(y, as_axes("logsumexp", axis, x.ndim))


def log_softmax(x, axis: int = -1) -> Tensor:
    return floats(x) - logsumexp(x, axis, keepdims=True)


def softmax(x, axis: int = -1) -> Tensor:
    return elementwise.exp(log_softmax(x, axis))
