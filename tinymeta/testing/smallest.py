"""An input for which a check fails, made small: drawn ones by hypothesis, given ones here.

A failure at random numbers of sixteen digits says little; at zeros, ones and eighths one can follow
it by hand. Both ways are bounded in time: what is smallest when it is up is shown.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any, NamedTuple

from ..core import tree
from .kinks import Kink
from .refusals import Vacuous
from .report import Undecided


class Found(NamedTuple):
    """Samples for which a check fails."""

    samples: tuple
    error: AssertionError
    how: str  # they were found, as a heading

    @property
    def kind(self) -> str:
        """What is wrong, without numbers: a smaller input has to fail in the same way."""
        return re.sub(r"[-\d.]+(e[-+]\d+)?", "", str(self.error).splitlines()[0])


def smallest_drawn(
    check: Callable, samples: Sequence, examples: int, seconds: float, seed: int
) -> Any:
    """The last report of `check` on cases drawn, or the smallest `Found` for which it fails.

    samples: of which some are hypothesis strategies. Cases that say nothing (constant, at a kink)
    are passed over; raises `Vacuous` if none says anything.
    """
    import hypothesis
    from hypothesis import strategies as st

    parts = [x if isinstance(x, st.SearchStrategy) else st.just(x) for x in samples]
    reports: list = []
    failures: list[Found] = []
    deadline = [inf]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=[*hypothesis.HealthCheck],
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(st.tuples(*parts))
    def search(case: tuple) -> None:
        if time.monotonic() > deadline[0]:
            return  # as if it were right: so hypothesis finds nothing smaller, and ends
        try:
            reports.append(check(*case))
        except (Kink, Undecided, Vacuous):
            return
        except AssertionError as error:
            found = Found(case, error, "")
            if failures and found.kind != failures[0].kind:
                return
            failures.append(found)
            deadline[0] = min(deadline[0], time.monotonic() + seconds)
            raise

    if _has_failed(search, failures):
        tried = f"smallest input found ({len(reports)} cases were right, {len(failures)} were not)"
        return failures[-1]._replace(how=tried)
    if not reports:
        raise Vacuous("gradcheck: no case that was drawn says anything: draw others")
    return reports[-1]


def _has_failed(search: Callable, failures: list) -> bool:
    """Whether a search of hypothesis has met a failure; another error is raised."""
    try:
        search()
    except Exception:
        if not failures:
            raise
    return bool(failures)


def smallest_given(check: Callable, found: Found, seconds: float) -> Found:
    """`found`, with every array as small and as simple as it can be and the check still fails.

    One after another is halved along its axes, then becomes zeros, ones, or rounded to whole
    numbers, eighths, hundredths. Costs a check for each that is tried, until the time is up.
    """
    deadline = time.monotonic() + seconds
    leaves, rebuild = tree.flatten(found.samples)
    simplest, tried, kept = found, 0, 0

    def replaced(k: int, candidates: Iterator) -> bool:
        """Whether one of the candidates can stand in for leaf k; the first that can does."""
        nonlocal simplest, tried, kept
        for candidate in candidates:
            if time.monotonic() > deadline:
                break
            trial = rebuild([*leaves[:k], candidate, *leaves[k + 1 :]])
            tried += 1
            error = _error_of(check, trial)
            if error and found._replace(error=error).kind == found.kind:
                simplest, leaves[k] = Found(trial, error, ""), candidate
                kept += 1
                return True
        return False

    for k in range(len(leaves)):
        while replaced(k, _halves(leaves[k])):
            pass
    for k in range(len(leaves)):
        replaced(k, _simpler(leaves[k]))
    how = f"smallest input found ({kept} of {tried} simpler ones fail as well)"
    return simplest._replace(how=how)


def _error_of(check: Callable, samples: tuple) -> AssertionError | None:
    """What the check finds wrong there; no error of another kind makes a smaller input."""
    try:
        check(*samples)
    except AssertionError as error:
        return error
    except Exception:
        pass
    return None


def _is_floating(x: Any) -> bool:
    return str(getattr(x, "dtype", "")).rpartition(".")[2].startswith("float")


def _halves(x: Any) -> Iterator:
    """Both halves of the leaf along each axis, the longest first; nothing for what is no array."""
    if not _is_floating(x):
        return
    is_tracked = getattr(x, "requires_grad", False)
    x = x.detach() if is_tracked else x
    for axis in sorted(range(len(x.shape)), key=lambda axis: -x.shape[axis]):
        middle = x.shape[axis] // 2
        for half in (slice(middle), slice(middle, None)) if middle else ():
            index = (slice(None),) * axis
            y = x[index + (half,)]
            yield y.requires_grad_() if is_tracked else y


def _simpler(x: Any) -> Iterator:
    """The same leaf with simpler numbers, the simplest first; nothing for what is not floating."""
    if not _is_floating(x):
        return
    is_tracked = getattr(x, "requires_grad", False)
    x = x.detach() if is_tracked else x
    simpler = [0 * x, 0 * x + 1, *((x * parts).round() / parts for parts in (1, 8, 100))]
    for y in simpler:  # made of x by operators: so it is of x's framework
        if not bool((y == x).all()):
            yield y.requires_grad_() if is_tracked else y
