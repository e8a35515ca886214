"""What a gradient check says when it fails: of which kind, and which entry is the worst.

A comparison looks along a random direction, in which all entries have a part. That says whether one
is wrong for the price of one; which one it is takes a slope for each, and only a failure pays that.
"""

import numpy as np

from .differences import plain_difference, slope
from .kinks import Kink
from .point import Arrays, Point
from .report import Report, Row, Undecided

_ENTRIES = 100  # how many are looked at, to name the worst
_LOOKED_AT_CLOSELY = 4  # those that a plain difference finds furthest off

_FAILURES: dict[str, tuple[type[AssertionError], str]] = {
    "wrong": (AssertionError, "is wrong"),
    "not finite": (AssertionError, "is not finite"),
    "at a kink": (Kink, "is asked for at a kink"),
    "undecided": (
        Undecided,
        "cannot be decided by differences: an edge of the domain is near, or rounding hides it: "
        "choose other inputs",
    ),
}


def failure(name: str, report: Report, diagnosis: list[str]) -> AssertionError:
    """The exception for the last row."""
    row = report.rows[-1]
    kind, what = _FAILURES[row.verdict]
    headline = f"check_grads: the derivative of {name} of order {row.order} {what}"
    return kind("\n".join([headline, str(report), *diagnosis]))


def diagnosis(
    point: Point, row: Row, us: Arrays, vs: Arrays, rng: np.random.Generator
) -> list[str]:
    """Lines that name the entry of the gradient that is furthest off, and the kinks near.

    Costs two values for each entry, or for `_ENTRIES` random ones if there are more, and a slope
    for each of `_LOOKED_AT_CLOSELY`.
    """
    gs = point.pullback(us)
    entries = [(i, index) for i, x in enumerate(point.xs) for index in np.ndindex(x.shape)]
    if len(entries) > _ENTRIES:
        entries = [entries[k] for k in rng.choice(len(entries), _ENTRIES, replace=False)]

    def along(i: int, index: tuple) -> Arrays:
        unit = [np.zeros(x.shape) for x in point.xs]
        unit[i][index] = 1.0
        return unit

    def error_of(i: int, index: tuple, value: float) -> float:
        error = abs(gs[i][index] - value)
        return error if np.isfinite(error) else np.inf

    def plain_error(entry: tuple[int, tuple]) -> float:
        return error_of(*entry, plain_difference(point.terms_along(us, along(*entry))))

    worst_error = -np.inf
    for i, index in sorted(entries, key=plain_error, reverse=True)[:_LOOKED_AT_CLOSELY]:
        numeric = slope(*point.value_terms(us, along(i, index), gs))
        error = error_of(i, index, numeric.value)
        if error > worst_error:
            worst_error, worst = error, (i, index, numeric)
    i, index, numeric = worst
    lines = [
        f"worst entry: {point.names[i]} at {index}: analytic {gs[i][index]:.12g}, "
        f"numeric {numeric.value:.12g}, error {worst_error:.1e}, "
        f"tolerance {numeric.tolerance:.1e}, step {numeric.step:.1e}"
    ]
    if row.kinks:
        lines.append(
            f"kinks between the points compared: {', '.join(row.kinks)}; choose other "
            "inputs, or another policy for kinks"
        )
    return lines
