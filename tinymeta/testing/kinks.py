"""Where a function has kinks: on which smooth piece each operation stands, and what to do there.

An operation with kinks declares its `branch`; what a comparison or an argmax returns is a choice,
and so a branch. Two inputs with equal branches all along lie on one smooth piece of the function, so
a difference between them is a fair judge of a derivative. A function from elsewhere tells no
branches: there, a slope that differs on the two sides is the sign.
"""

from collections.abc import Callable

import numpy as np

from ..core.primitive import run_eagerly
from ..core.scope import setting, state
from .differences import sides

UNKNOWN = "a function that tells no branches"
POLICIES = ("skip", "raise", "one-sided")


class Kink(AssertionError):
    """A check has met a kink, where a difference is no judge of a derivative."""


class Skip:
    """A policy: comparisons at kinks are skipped, and counted over all checks that are given it.

    `Kink` is raised when more than the share `at_most` is skipped, not counting the first
    `spared`, so that a test cannot pass by skipping everything.
    """

    def __init__(self, at_most: float = 0.2, spared: int = 8):
        self.at_most, self.spared = at_most, spared
        self.skipped = self.compared = 0

    def count(self, report) -> None:
        self.skipped += sum(row.skipped for row in report.rows)
        self.compared += len(report.rows)

    @property
    def too_many(self) -> bool:
        """Were more skipped than may be?"""
        return self.skipped > self.at_most * self.compared + self.spared

    def __str__(self):
        beyond = f" and {self.spared}" if self.spared else ""
        return (
            f"{self.skipped} of {self.compared} comparisons lie at kinks and were skipped, "
            f"more than {self.at_most:.0%}{beyond}"
        )


def policy_of(check: str, kinks: "str | Skip") -> "str | Skip":
    """ "skip" counts over one check; raises ValueError for what is no policy."""
    if not isinstance(kinks, Skip) and kinks not in POLICIES:
        raise ValueError(
            f"{check}: kinks {kinks!r} must be one of {', '.join(POLICIES)}, or a Skip(at_most=...)"
        )
    return Skip(spared=0) if kinks == "skip" else kinks


def branches(f: Callable, *args) -> list[tuple[str, np.ndarray]]:
    """The branches met while `f(*args)` is computed, in order: (primitive's name, which piece)."""
    noted, inner = [], state.interpreter or run_eagerly

    def noting(primitive, values, static):
        value = inner(primitive, values, static)
        if primitive.branch is not None:
            noted.append((primitive.name, np.array(primitive.branch(*values, **static))))
        elif (
            np.asarray(value).dtype.kind != "f"
            and not callable(primitive.vjps)
            and not any(primitive.vjps)
        ):
            noted.append((primitive.name, np.array(value)))
        return value

    with setting(interpreter=noting):
        f(*args)
    return noted


def crossed(f: Callable, here: tuple, *others: tuple) -> list[str]:
    """The primitives that stand on one piece at `f(*here)`, and on another at one of the others."""
    first = branches(f, *here)
    return sorted(
        {
            name
            for there in others
            for (name, a), (_, b) in zip(first, branches(f, *there))
            if not np.array_equal(a, b)
        }
    )


def kinks_between(f: Callable, points: list[tuple], terms: Callable, magnitude: float) -> tuple:
    """What has a kink between the points, by name; `terms(t)` are the values along them."""
    return tuple(crossed(f, *points)) or (UNKNOWN,) * sides(terms, magnitude).kinked
