"""Random directions to move a function's inputs in, and whether it moves along them at all."""

from collections.abc import Callable, Sequence

import numpy as np

from ..core.tensor import asarray
from .differences import EPS, ROUNDINGS


def random_directions(rng: np.random.Generator, xs: Sequence) -> list[np.ndarray]:
    """A random direction for each array; large numbers get long steps."""
    found = []
    for x in xs:
        length = np.maximum(1, np.abs(x))
        direction = rng.normal(size=x.shape) * length
        found.append(np.asarray(direction, x.dtype))
    return found


def is_constant(function: Callable, xs: Sequence, vs: Sequence, eps: float = EPS) -> bool:
    """Whether a small step along `vs` changes the values by no more than rounding.

    eps: of the dtype in which it computes, if that is shorter than its inputs'.
    Costs two evaluations. A value that becomes NaN has changed.
    """
    moved = []
    for x, v in zip(xs, vs):
        size = max(eps, np.finfo(x.dtype).eps) ** 0.2
        step = np.asarray(size * v, x.dtype)
        moved.append(np.asarray(x + step))
    here = function(*map(asarray, xs))
    there = function(*map(asarray, moved))
    for a, b in zip(here, there):
        before, after = a.numpy(), b.numpy()
        change = np.abs(after - before).sum()
        largest_rounding = ROUNDINGS * np.finfo(a.dtype).eps
        rounding = largest_rounding * np.abs(before).sum()
        if not change <= rounding:
            return False
    return True
