"""A derivative from values alone, with a bound on its own error.

Central differences at h, h/2 and h/4 are extrapolated twice (Richardson), which leaves an error of
order h^4. How far the two extrapolations are apart bounds the truncation; eps |y| / h bounds the
rounding. Where truncation dominates (a steep function, an edge of its domain), h shrinks.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

EPS = np.finfo(np.float64).eps
FIRST_STEP = EPS ** 0.2         # balances a truncation of h^4 with a rounding of eps / h
SMALLER = 8                     # each retry divides the step by this
TRIES = 5
ROUNDINGS = 32                  # how many roundings of the size of its result a value may carry


class Slope(NamedTuple):
    """An estimate of d/dt of a sum of terms at t = 0."""
    value: float
    size: float                 # the sum of the terms' absolute slopes: the scale of `value`
    truncation: float
    rounding: float
    step: float

    @property
    def tolerance(self) -> float:
        return self.truncation + self.rounding

    @property
    def settled(self) -> bool:
        """Can three digits be told? A slope below the rounding counts: it is told to be zero."""
        blurred = 1e-3 * self.size < self.tolerance
        return np.isfinite(self.tolerance) and not (blurred and self.rounding < self.size) \
            and not (blurred and self.rounding < self.truncation)


def slope(terms: Callable, magnitude: float) -> Slope:
    """The slope at 0 of `terms(t).sum()`, for `terms(t)` a float64 vector.

    magnitude: how large the numbers are whose rounding is felt in `terms(0).sum()`.
    """
    best, h = None, FIRST_STEP
    for _ in range(TRIES):
        rough, better, best_of = ((terms(t) - terms(-t)) / (2 * t) for t in (h, h / 2, h / 4))
        coarse, fine = (4 * better - rough) / 3, (4 * best_of - better) / 3
        size = float(np.abs(fine).sum())
        met = magnitude + float(np.abs(terms(h)).sum())      # at a zero of f, what is met beside it
        found = Slope(float(fine.sum()), size, float(np.abs(fine - coarse).sum()),
                      ROUNDINGS * EPS * (met / (h / 4) + size), h)
        if best is None or not best.tolerance <= found.tolerance:        # a NaN never stays
            best = found
        if found.truncation <= max(found.rounding, 1e-7 * found.size):
            break
        h /= SMALLER
    return best
