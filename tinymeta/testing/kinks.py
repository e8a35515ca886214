"""Where a function has kinks: on which smooth piece each operation is, and what a check does there.

An operation with kinks declares its `branch`; what a comparison or an argmax returns is a choice,
and so a branch. Two inputs with equal branches all along lie on one smooth piece of the function:
there a difference between them approximates the derivative. A function from elsewhere declares no
branches, so there the slopes on the two sides are compared. That finds a kink at the point alone,
and costs 10 to 42 evaluations; comparing branches costs one evaluation for each point.

A kink differs from a mistake: a mistake is in the gradient, and neither the branches nor the slopes
on the two sides, which are found from values of f alone, change with it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.primitive import Primitive, run_eagerly
from ..core.scope import setting, state
from .differences import one_sided_slopes

UNKNOWN = "a function that tells no branches"
_POLICIES = ("skip", "raise", "one-sided")


class Kink(AssertionError):
    """A check has met a kink, where a difference is no approximation of a derivative."""


class Skip:
    """A policy: comparisons at kinks are skipped, and counted over all checks that are given it.

    `Kink` is raised when more than the share `at_most` is skipped, not counting the first `grace`,
    so that a test cannot pass by skipping everything.
    """

    def __init__(self, at_most: float = 0.2, grace: int = 8, *, spared: int | None = None):
        self.at_most = at_most
        self.grace = grace if spared is None else spared  # the old name, for a release
        self.skipped = self.compared = 0

    def count(self, report: Any) -> None:
        """Add the rows of a `Report`."""
        self.skipped += sum(row.skipped for row in report.rows)
        self.compared += len(report.rows)

    @property
    def too_many(self) -> bool:
        """Whether more were skipped than may be."""
        return self.skipped > self.at_most * self.compared + self.grace

    def __str__(self) -> str:
        beyond = f" and {self.grace}" if self.grace else ""
        return (
            f"{self.skipped} of {self.compared} comparisons lie at kinks and were skipped, "
            f"more than {self.at_most:.0%}{beyond}"
        )


def parse_policy(check_name: str, kinks: str | Skip) -> str | Skip:
    """The policy that `kinks` names; "skip" is a new `Skip`, which counts over one check.

    Raises ValueError for what is no policy.
    """
    if not isinstance(kinks, Skip) and kinks not in _POLICIES:
        raise ValueError(
            f"{check_name}: kinks {kinks!r} must be one of {', '.join(_POLICIES)}, "
            "or a Skip(at_most=...)"
        )
    return Skip(grace=0) if kinks == "skip" else kinks


def count_skipped(check_name: str, name: str, report: Any, policy: Skip) -> None:
    """Count the rows of a `Report` on the function `name`; raise Kink if too many were skipped."""
    policy.count(report)
    if policy.too_many:
        raise Kink(
            f"{check_name}: {name}: {policy}; kinks between the points compared: "
            f"{', '.join(report.kinks)}; choose other inputs, or another policy for "
            f"kinks\n{report}"
        )


def branches(f: Callable, *args: Any) -> list[tuple[str, np.ndarray]]:
    """The branches met while `f(*args)` is computed, in order: (primitive's name, which piece)."""
    found: list[tuple[str, np.ndarray]] = []
    outer = state.interpreter or run_eagerly

    def record(primitive: Primitive, values: list, static: dict) -> Any:
        value = outer(primitive, values, static)
        if primitive.branch is not None:
            found.append((primitive.name, np.array(primitive.branch(*values, **static))))
        elif np.asarray(value).dtype.kind != "f" and not _has_rules(primitive):
            found.append((primitive.name, np.array(value)))
        return value

    with setting(interpreter=record):
        f(*args)
    return found


def _has_rules(primitive: Primitive) -> bool:
    return callable(primitive.vjps) or any(primitive.vjps)


def crossed_kinks(f: Callable, here: tuple, *others: tuple) -> list[str]:
    """The names of the primitives that are on one piece at `f(*here)`, on another at an other.

    Costs one evaluation of f for each point.
    """
    first = branches(f, *here)
    crossed = set()
    for there in others:
        for (name, a), (_, b) in zip(first, branches(f, *there)):
            if not np.array_equal(a, b):
                crossed.add(name)
    return sorted(crossed)


def kinks_between(f: Callable, points: list, terms: Callable, magnitude: float) -> tuple[str, ...]:
    """The names of what has a kink between the points.

    `terms(t)` are the values along the line through them, whose one-sided slopes decide where no
    operation declares a branch.
    """
    crossed = tuple(crossed_kinks(f, *points))
    if crossed:
        return crossed
    return (UNKNOWN,) if one_sided_slopes(terms, magnitude).kinked else ()
