"""What a check of gradients has compared, and the verdict on each comparison."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .differences import COARSE, Slope, hidden_magnitude, slope

_SHORTER = 64  # a second look divides the step by this
_SHRINKS = 3  # so often; then rounding has all but five digits
_DIGITS = 1e-4  # a mistake of this relative size must be seen


class Undecided(AssertionError):
    """Differences say nothing of the derivative here: rounding hides it, or an edge is near."""


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
        """ "right", "wrong", "not finite", "at a kink" or "undecided"; a NaN is never right."""
        if not np.isfinite(self.analytic):
            return "not finite"
        if self.subgradient is not None:
            return "right" if self.subgradient else "wrong"
        if self.kinks:
            return "at a kink"
        if self._hidden_by_rounding or not self.numeric.reliable:
            return "undecided"
        return "right" if self.error <= self.tolerance else "wrong"

    @property
    def _hidden_by_rounding(self) -> bool:
        """Whether `analytic` is no rounding, and yet too small for the digits of a difference.

        Float32 that does not move at all may stand on a step that it has not left.
        """
        if self.numeric.coarsest == COARSE and self.numeric.size == 0 < self.size:
            return True
        own_rounding = self.numeric.rounding * self.numeric.step
        least = self.numeric.coarsest * self.size
        return own_rounding < self.size and self.numeric.tolerance > least

    @property
    def skipped(self) -> bool:
        """Whether there is no verdict on it, because of a kink."""
        return self.verdict == "at a kink"

    @property
    def says_nothing(self) -> bool:
        """Whether it is neither right nor wrong: in float32 higher orders often are not."""
        return self.verdict in ("at a kink", "undecided")

    def __str__(self) -> str:
        verdict = "" if self.verdict == "right" else f"  {self.verdict}"
        return (
            f"{self.order:5}  {self.mode:11}  {self.dtype:7}  {self.direction:9}  "
            f"{self.analytic:20.12g}  {self.numeric.value:20.12g}  {self.error:8.1e}  "
            f"{self.tolerance:9.1e}{verdict}"
        )


def with_shorter_step(row: Row, terms: Callable, magnitude: float) -> Row:
    """A row that is not right, with the slope over a shorter step if that makes it right.

    Where a second derivative jumps between the points compared, as that of huber or elu does, or
    the first does, as that of relu at 1e-7, the error of a difference exceeds its bound. With the
    step that error shrinks; a mistake does not: so a row passes only if the error that it had would
    be seen over the shorter step, too. Where large numbers cancel inside of the function, its
    rounding is that of these, and the slope is taken again knowing it.
    """
    if row.verdict not in ("wrong", "undecided") or row.subgradient is not None:
        return row
    hidden = hidden_magnitude(terms)
    if hidden > magnitude:
        return row._replace(numeric=slope(terms, hidden))
    for shrinks in range(1, _SHRINKS + 1):
        step = row.numeric.step / _SHORTER**shrinks
        again = row._replace(numeric=slope(terms, magnitude, step=step))
        seen = row.error if row.verdict == "wrong" else _DIGITS * row.size
        if again.verdict == "right" and 2 * again.tolerance < seen:
            return again
    return row


class Report(NamedTuple):
    """The comparisons, as rows in their order; printed as a table."""

    rows: tuple[Row, ...]
    note: str = ""  # what the reader should know of all of them

    @property
    def kinks(self) -> list[str]:
        """The names of what has a kink that some comparison met."""
        return sorted({name for row in self.rows for name in row.kinks})

    def __str__(self) -> str:
        header = (
            f"{'order':>5}  {'mode':11}  {'dtype':7}  {'direction':>9}  "
            f"{'analytic':>20}  {'numeric':>20}  {'error':>8}  {'tolerance':>9}"
        )
        return "\n".join([header, *map(str, self.rows), *filter(None, [self.note])])
