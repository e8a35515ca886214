"""A derivative from values alone, with a bound on its own error.

Differences at h, h/2 and h/4 are extrapolated (Richardson 1911), which cancels the leading term of
their error. How far the two extrapolations are apart bounds the truncation; eps |y| / h bounds the
rounding. Where truncation dominates (a steep function, an edge of its domain), h shrinks.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

EPS = np.finfo(np.float64).eps
FIRST_STEP = EPS**0.2  # balances a truncation of h^4 with a rounding of eps / h
SMALLER = 8  # each retry divides the step by this
TRIES = 5
ROUNDINGS = 32  # how many roundings of the size of its result a value may carry


class Slope(NamedTuple):
    """An estimate of d/dt of a sum of terms at t = 0."""

    terms: np.ndarray  # the slope of each
    truncation: float
    rounding: float
    step: float

    @property
    def value(self) -> float:
        return float(self.terms.sum())

    @property
    def size(self) -> float:
        """The sum of the terms' absolute slopes: the scale of `value`."""
        return float(np.abs(self.terms).sum())

    @property
    def tolerance(self) -> float:
        return self.truncation + self.rounding

    @property
    def settled(self) -> bool:
        """Can three digits be told? A slope below the rounding counts: it is told to be zero."""
        blurred = 1e-3 * self.size < self.tolerance
        return (
            np.isfinite(self.tolerance)
            and not (blurred and self.rounding < self.size)
            and not (blurred and self.rounding < self.truncation)
        )


def slope(terms: Callable, magnitude: float, side: int = 0, step: float = FIRST_STEP) -> Slope:
    """The slope at 0 of `terms(t).sum()`, for `terms(t)` a float64 vector.

    magnitude: how large the numbers are whose rounding is felt in `terms(0).sum()`.
    side: 0 takes values on both sides; 1 and -1 on one alone, and at 0, which loses some digits.
    step: the longest.
    """
    here = terms(0.0) if side else None
    cancelled = 2 if side else 4  # a central difference has an even error alone

    def quotient(h):
        return (terms(side * h) - here) / (side * h) if side else (terms(h) - terms(-h)) / (2 * h)

    best, h = None, step
    for _ in range(TRIES):
        rough, better, best_of = (quotient(t) for t in (h, h / 2, h / 4))
        coarse, fine = (
            (cancelled * b - a) / (cancelled - 1) for a, b in ((rough, better), (better, best_of))
        )
        size = float(np.abs(fine).sum())
        met = magnitude + float(np.abs(terms(h)).sum())  # at a zero of f, what is met beside it
        found = Slope(
            fine, float(np.abs(fine - coarse).sum()), ROUNDINGS * EPS * (met / (h / 4) + size), h
        )
        if best is None or not best.tolerance <= found.tolerance:  # a NaN never stays
            best = found
        if found.truncation <= max(found.rounding, 1e-7 * found.size):
            break
        h /= SMALLER
    return best


class Sides(NamedTuple):
    """The slopes of the same terms to the left and to the right of 0."""

    left: Slope
    right: Slope

    @property
    def kinked(self) -> bool:
        """Do they differ, or does a term jump? What is not finite is an edge, and no kink."""
        if not np.isfinite(self.left.tolerance + self.right.tolerance):
            return False
        apart = float(np.abs(self.left.terms - self.right.terms).sum())
        blur = self.left.tolerance + self.right.tolerance
        return bool(apart > 4 * blur + 1e-6 * self.right.size) or self.jumps

    @property
    def jumps(self) -> bool:
        """A quotient that grows as the step shrinks is of a jump."""
        return any(
            side.truncation > 0.1 * side.size and side.truncation > side.rounding for side in self
        )

    def span(self, value: float) -> bool:
        """Is `value` the slope of a subgradient: between the two, term by term?"""
        pair = np.stack([self.left.terms, self.right.terms])
        blur = self.left.tolerance + self.right.tolerance
        return bool(pair.min(0).sum() - blur <= value <= pair.max(0).sum() + blur)


def sides(terms: Callable, magnitude: float) -> Sides:
    return Sides(slope(terms, magnitude, -1), slope(terms, magnitude, 1))
