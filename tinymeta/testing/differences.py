"""The derivative of a function of one variable from its values alone, with a bound on its error.

A checker that compares with a difference must know how wrong the difference is: with a fixed step
and a fixed tolerance, a steep function fails and a wrong gradient of a flat one passes. Two errors
are known here for each estimate:

truncation  Central differences D(h), D(h/2), D(h/4) have an error of c h^2 + O(h^4). Extrapolation
            (4 D(h/2) - D(h)) / 3 cancels the leading term (Richardson 1911). Two extrapolations, of
            which the second has a 16th of the error of the first, are apart by nearly all the error
            of the first: their distance bounds the error of the second.
rounding    Each value carries a few roundings of its size, which the quotient divides by h.

The step starts where the two balance for a function of scale 1. Where truncation still dominates (a
steep function, an edge of its domain), the step shrinks. A complex step has no rounding to balance,
but needs functions of complex numbers; a longer table of extrapolations needs more evaluations for
digits that the tolerance does not use.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

EPS = np.finfo(np.float64).eps
_STEP_POWER = 0.2  # eps to this power balances a truncation of h^4 with a rounding of eps / h
_SMALLER = 8  # each retry divides the step by this
TRIES = 5
COARSE = 5e-3  # what a difference of float32 may be off by, of its size
_CLOSE_POWER = 7 / 13  # 2^-28 in float64: slope and curvature explain nothing of a third difference
_NEIGHBOURS = 7
_JITTERS = 1 / 4  # of a third difference, which adds eight roundings, some of them alike
ROUNDINGS = 32  # how many roundings of the size of its result a value may carry


def first_points(eps: float = EPS) -> list[float]:
    """0 and the points of a central difference over the longest step."""
    h = eps**_STEP_POWER
    return [0.0, *_central(h)]


def _central(h: float) -> list[float]:
    return [h, h / 2, h / 4, -h, -h / 2, -h / 4]


class Slope(NamedTuple):
    """An estimate of d/dt of a sum of terms at t = 0."""

    terms: np.ndarray  # the slope of each term
    truncation: float
    rounding: float
    step: float
    coarsest: float = 1e-3  # the error, of its size, with which it says anything

    @property
    def value(self) -> float:
        return float(self.terms.sum())

    @property
    def size(self) -> float:
        """The sum of the terms' absolute slopes: the scale of `value`."""
        return float(np.abs(self.terms).sum())

    @property
    def tolerance(self) -> float:
        """A bound on the error of `value`."""
        return self.truncation + self.rounding

    @property
    def reliable(self) -> bool:
        """Whether `value` is exact enough, or is known to be below the rounding and so zero."""
        too_coarse = self.coarsest * self.size < self.tolerance
        above_rounding = self.rounding < max(self.size, self.truncation)
        return bool(np.isfinite(self.tolerance) and not (too_coarse and above_rounding))


def at_all(terms: Callable, ts: Sequence[float]) -> list[np.ndarray]:
    """`terms(t)` for each t: in one evaluation where `terms` can, by a method of this name."""
    together = getattr(terms, "at_all", None)
    return together(ts) if together else [terms(t) for t in ts]


def slope(terms: Callable, magnitude: float, side: int = 0, step: float | None = None) -> Slope:
    """The slope at 0 of `terms(t).sum()`, for `terms(t)` a float64 vector.

    magnitude: the size of the numbers whose rounding errors reach `terms(0).sum()`.
    side: 0 for a central difference; 1 or -1 for a one-sided one, which takes no value on the other
    side and is less exact, its error having odd powers of h as well.
    step: the longest.

    Returns the best of at most `TRIES` tries; each costs 6 evaluations of `terms` (one-sided: 3,
    and one at 0). Terms that are computed in a shorter dtype say so by an attribute `eps`.
    """
    eps = getattr(terms, "eps", EPS)
    at_zero = terms(0.0) if side else None

    def quotients(h: float) -> tuple[list[np.ndarray], float]:
        """(those of h, h/2 and h/4, the size of the value at h)."""
        steps = [h, h / 2, h / 4]
        if side:
            values = at_all(terms, [side * s for s in steps])
            found = [(y - at_zero) / (side * s) for y, s in zip(values, steps)]
        else:
            values = at_all(terms, _central(h))
            found = [(y - x) / (2 * s) for y, x, s in zip(values, values[3:], steps)]
        return found, float(np.abs(values[0]).sum())

    ratio = 2 if side else 4  # halving the step divides the leading error by this

    def extrapolated(longer: np.ndarray, shorter: np.ndarray) -> np.ndarray:
        return (ratio * shorter - longer) / (ratio - 1)

    h = eps**_STEP_POWER if step is None else step
    best = None
    for _ in range(TRIES):
        (first, second, third), beside = quotients(h)
        coarse = extrapolated(first, second)
        fine = extrapolated(second, third)
        # At a zero of f the values beside it are what is rounded: so they count, too. In a shorter
        # dtype the magnitude is measured, and has them (`hidden_magnitude`).
        rounded = magnitude + (beside if eps == EPS else 0.0)
        size = float(np.abs(fine).sum())
        found = Slope(
            terms=fine,
            truncation=float(np.abs(fine - coarse).sum()),
            rounding=ROUNDINGS * eps * (rounded / (h / 4) + size),
            step=h,
            coarsest=1e-3 if eps == EPS else COARSE,
        )
        if best is None or not best.tolerance <= found.tolerance:  # so a NaN is always replaced
            best = found
        if found.truncation <= max(found.rounding, 1e-7 * found.size):
            break
        h /= _SMALLER
    assert best is not None
    return best


def hidden_magnitude(terms: Callable) -> float:
    """The size of the numbers whose rounding makes `terms(t).sum()` jitter, as `slope` takes it.

    Where large numbers cancel inside of a function, its value carries their rounding, and does not
    show their size: it jitters between inputs that are all but equal. Costs 7 evaluations; what is
    worth a thousandth of the value is no rounding.
    """
    eps = getattr(terms, "eps", EPS)
    found = at_all(terms, [k * eps**_CLOSE_POWER for k in range(_NEIGHBOURS)])
    values = [float(terms.sum()) for terms in found]
    jitter = float(np.abs(np.diff(values, 3)).max())
    if eps > EPS:  # as nearly as it can be told, for there are few digits to spare
        return _JITTERS / 4 * max(jitter / eps, abs(values[0]))
    return _JITTERS * jitter / eps if jitter < 1e-3 * abs(values[0]) else 0.0


def plain_difference(terms: Callable) -> float:
    """The slope at 0 of `terms(t).sum()` by two values, with no bound on its error."""
    h = getattr(terms, "eps", EPS) ** _STEP_POWER / 4
    after, before = at_all(terms, [h, -h])
    return float((after.sum() - before.sum()) / (2 * h))


class OneSidedSlopes(NamedTuple):
    """The slopes of the same terms to the left and to the right of 0."""

    left: Slope
    right: Slope

    @property
    def tolerance(self) -> float:
        return self.left.tolerance + self.right.tolerance

    @property
    def kinked(self) -> bool:
        """Whether the two slopes differ, or a term jumps.

        A slope that is not finite means an edge of the domain, and no kink.
        """
        if not np.isfinite(self.tolerance):
            return False
        difference = float(np.abs(self.left.terms - self.right.terms).sum())
        slopes_differ = difference > 4 * self.tolerance + 1e-6 * self.right.size
        return slopes_differ or self.jumps

    @property
    def jumps(self) -> bool:
        """Whether a term is discontinuous: its quotients grow without bound as the step shrinks."""
        return any(
            side.truncation > 0.1 * side.size and side.truncation > side.rounding for side in self
        )

    def contain(self, value: float) -> bool:
        """Whether `value` is the slope of a subgradient: between the two, term by term."""
        pair = np.stack([self.left.terms, self.right.terms])
        lowest = pair.min(0).sum() - self.tolerance
        highest = pair.max(0).sum() + self.tolerance
        return bool(lowest <= value <= highest)


def one_sided_slopes(terms: Callable, magnitude: float) -> OneSidedSlopes:
    """The slopes of `terms(t).sum()` on the two sides of 0; arguments as of `slope`.

    Where they differ, f has a kink: a mistake in a gradient is none in f, so f looks the same.
    """
    return OneSidedSlopes(slope(terms, magnitude, -1), slope(terms, magnitude, 1))
