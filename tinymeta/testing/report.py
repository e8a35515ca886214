"""What a check of gradients has compared, and what follows from it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .differences import Slope, slope

CLOSER = 64  # a second look divides the step by this


class Undecided(AssertionError):
    """Differences cannot judge the derivative at this point: rounding hides it, or an edge is near."""


class Row(NamedTuple):
    """One comparison: <u, J v> by the engine (analytic), and by differences (numeric)."""

    order: int
    mode: str  # how the derivatives were taken, the last of them last
    direction: int
    analytic: float
    numeric: Slope
    size: float  # the sum of the absolute terms of `analytic`
    dtype: str = "float64"
    noise: float = 0.0  # what computing `analytic` in a shorter dtype may change
    kinks: tuple[str, ...] = ()  # what has one between the points compared
    subgradient: bool | None = None  # does it lie between the slopes on the two sides?

    @property
    def error(self) -> float:
        """How far the two are apart."""
        return abs(self.analytic - self.numeric.value)

    @property
    def tolerance(self) -> float:
        """How far they may be apart: by differences and by rounding."""
        return self.numeric.tolerance + self.noise

    @property
    def verdict(self) -> str:
        """ "right", or what is the matter; a NaN is never right."""
        if not np.isfinite(self.analytic):
            return "not finite"
        if self.subgradient is not None:
            return "right" if self.subgradient else "wrong"
        if self.kinks:
            return "at a kink"
        # Above its own rounding, and yet too small for a difference to tell three digits of it?
        swallowed = (
            self.numeric.rounding * self.numeric.step < self.size
            and self.numeric.tolerance > 1e-3 * self.size
        )
        if swallowed or not self.numeric.settled:
            return "undecided"
        return "right" if self.error <= self.tolerance else "wrong"

    @property
    def skipped(self) -> bool:
        """Was it not judged, because of a kink?"""
        return self.verdict == "at a kink"

    def __str__(self):
        verdict = "" if self.verdict == "right" else f"  {self.verdict}"
        return (
            f"{self.order:5}  {self.mode:11}  {self.dtype:7}  {self.direction:9}  "
            f"{self.analytic:20.12g}  {self.numeric.value:20.12g}  {self.error:8.1e}  "
            f"{self.tolerance:9.1e}{verdict}"
        )


def closer(row: Row, terms: Callable, magnitude: float) -> Row:
    """A row that looks wrong, with the slope of `terms` over a shorter step if that clears it.

    Where a second derivative jumps between the points compared, as that of huber or elu does, a
    difference errs by more than it tells. With the step that error shrinks; a mistake does not.
    """
    if row.verdict != "wrong" or row.subgradient is not None:
        return row
    again = row._replace(numeric=slope(terms, magnitude, step=row.numeric.step / CLOSER))
    return again if again.verdict == "right" and 2 * again.error < row.error else row


class Report(NamedTuple):
    """What was compared, in rows in their order; printed as a table."""

    rows: tuple[Row, ...]

    @property
    def kinks(self) -> list[str]:
        """What has a kink that some comparison met."""
        return sorted({name for row in self.rows for name in row.kinks})

    def __str__(self):
        return "\n".join(
            [
                f"{'order':>5}  {'mode':11}  {'dtype':7}  {'direction':>9}  "
                f"{'analytic':>20}  {'numeric':>20}  {'error':>8}  {'tolerance':>9}",
                *map(str, self.rows),
            ]
        )
