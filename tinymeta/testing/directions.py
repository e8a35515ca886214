"""Random directions to move a function's inputs in, and whether it moves along them at all."""

from collections.abc import Callable, Sequence

import numpy as np

from ..core.tensor import asarray
from .differences import EPS, ROUNDINGS


def random_directions(rng: np.random.Generator, xs: Sequence) -> list[np.ndarray]:
    """A random direction for each array; large numbers get long steps."""
    return [np.asarray(rng.normal(size=x.shape) * np.maximum(1, np.abs(x)), x.dtype) for x in xs]


def is_constant(function: Callable, xs: Sequence, vs: Sequence, eps: float = EPS) -> bool:
    """Whether a small step along `vs` changes the values by no more than rounding.

    eps: of the dtype in which it computes, if that is shorter than its inputs'.
    Costs two evaluations. A value that becomes NaN has changed.
    """
    step = [max(eps, np.finfo(x.dtype).eps) ** 0.2 for x in xs]
    steps = [np.asarray(s * v, x.dtype) for s, x, v in zip(step, xs, vs)]
    here = function(*map(asarray, xs))
    there = function(*(asarray(np.asarray(x + step)) for x, step in zip(xs, steps)))
    for a, b in zip(here, there):
        change = np.abs(b.numpy() - a.numpy()).sum()
        rounding = ROUNDINGS * np.finfo(a.dtype).eps * np.abs(a.numpy()).sum()
        if not change <= rounding:
            return False
    return True
