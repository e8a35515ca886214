"""Tensors from nothing: constants, float32 unless asked otherwise."""

import numpy as np

from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from . import movement
from .checks import as_shape
from .elementwise import equal


def full(shape, value, dtype=None) -> Tensor:
    """A tensor of one value. Raises ValueError for a negative size, as do the others here."""
    dtype = dtype or (np.float32 if isinstance(value, float) else np.asarray(value).dtype)
    return asarray(np.full(as_shape("full", shape), np.asarray(value), dtype))


def zeros(shape, dtype=np.float32) -> Tensor:
    return asarray(np.zeros(as_shape("zeros", shape), dtype))


def ones(shape, dtype=np.float32) -> Tensor:
    return asarray(np.ones(as_shape("ones", shape), dtype))


def arange(*bounds, dtype=None) -> Tensor:
    """arange(stop), arange(start, stop) or arange(start, stop, step).

    int64 of integers, else float32.
    """
    if dtype is None and any(isinstance(b, float) for b in bounds):
        dtype = np.float32
    return asarray(np.arange(*bounds, dtype=dtype))


def eye(n: int, m: int | None = None, dtype=np.float32) -> Tensor:
    return asarray(np.eye(*as_shape("eye", (n, n if m is None else m)), dtype=dtype))


def zeros_like(x) -> Tensor:
    x = asarray(x)
    return zeros(x.shape, x.dtype)


def ones_like(x) -> Tensor:
    x = asarray(x)
    return ones(x.shape, x.dtype)


def one_hot(labels, classes: int, dtype=np.float32) -> Tensor:
    """(..,) integers -> (.., classes), 1 at the label.

    Raises ValueError for labels that are not integers from 0 to classes - 1; compiled, labels that
    the program is given are looked at before each run, and those made on the way, or on a GPU,
    where nobody looks at them, get a row of zeros.
    """
    labels = asarray(labels)
    wanted = f"one_hot: labels must be integers from 0 to {classes - 1}, got {labels.dtype}"

    def inside(values):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"{wanted} from {values.min()} to {values.max()}")

    if labels.dtype.kind not in "iu":
        raise ValueError(wanted)
    require(labels, inside)
    hits = equal(movement.expand_dims(labels, -1), np.arange(classes))
    return movement.astype(hits, dtype)
