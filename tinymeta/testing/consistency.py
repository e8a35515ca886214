"""The pullback, asked in other ways, has to answer the same.

A comparison asks right after the forward pass, for all outputs at once, with arrays in order. A
larger program asks late, when the function has been at other points since; for one output alone;
with cotangents that are views. A pullback that keeps what the last call left, waits for another
output's cotangent or reads memory instead of strides is right in the first case alone.
"""

from collections.abc import Iterator

import numpy as np

from ..core.grad import vjp
from .differences import EPS, ROUNDINGS, slope
from .foreign import LOOSE
from .kinks import kinks_between
from .layouts import gappy
from .point import Point, alike
from .report import Row, closer
from .subject import blaming

GROUPS = 8  # of outputs, each asked for alone
ELSEWHERE = EPS**0.2  # how far away the other point is, as long as a difference's step
FELT = 1e-6  # of a slope: what was kept from another point is off by more
MANY = 100  # roundings that a sum of cotangents may carry


def consistent(check: str, name: str, point: Point, us, vs, rng) -> None:
    """Raise AssertionError if J(x)^T u at `point` has two answers, in the point's own dtypes.

    Gross faults: two answers may differ by the root of a rounding, and by what roundings move.
    """
    us = alike(us, point.value())
    with blaming(check):
        gs = point.pulled(us)
        shaken = point.shaken(rng).pulled(point._replace(xs=us).shaken(rng).xs)
        eps = max(np.finfo(x.dtype).eps for x in point.xs)
        blur = ROUNDINGS * apart(shaken, gs) + np.sqrt(eps) * total(gs) + MANY * eps * total(us)
        if not np.isfinite(blur):  # at an edge of its domain nothing can be told
            return
        for how, found in answers(point, us, vs, rng):
            error = apart(found, gs)
            if not error <= blur:  # which no NaN is
                raise AssertionError(
                    f"{check}: the pullback of {name} gives another gradient {how}: {error:.1e} "
                    f"apart, where rounding explains {blur:.1e}"
                )


def answers(point: Point, us, vs, rng) -> Iterator[tuple[str, list]]:
    """J(x)^T u again, and how it was asked for."""
    if len(us) > 1:
        shares = []
        for group in np.array_split(rng.permutation(len(us)), min(len(us), GROUPS)):
            some = [u if k in group else np.zeros_like(u) for k, u in enumerate(us)]
            shares.append(point.pulled(some))
        yield (
            "when one output alone has a cotangent, the others zeros, summed over the outputs",
            [np.sum(parts, axis=0) for parts in zip(*shares)],
        )
    loose = [gappy(u) for u in us]
    yield from unless_refused("of a cotangent that is not contiguous", "cotangents", point, loose)
    loose_point = point._replace(xs=[gappy(x) for x in point.xs])
    yield from unless_refused("of arrays that are not contiguous", "arrays", loose_point, loose)
    pull = vjp(point.function, *point.xs)[1]
    vjp(point.function, *elsewhere(point, vs))[1](tuple(us))
    yield (
        "when it is asked late, after another forward and backward pass at another point",
        [g.numpy() for g in pull(tuple(us))],
    )


def unless_refused(how: str, what: str, point: Point, us) -> Iterator[tuple[str, list]]:
    """The answer where foreign functions get arrays with strides; who refuses them errs not."""
    token = LOOSE.set(what)
    try:
        found = point.pulled(us)
    except AssertionError:
        raise
    except Exception:
        return
    finally:
        LOOSE.reset(token)
    yield how, found


def right_elsewhere(check: str, name: str, point: Point, us, vs) -> None:
    """Raise AssertionError if the pullback, right at `point`, is wrong at another point nearby.

    So is one that keeps what it knew of the first point. `point` is in float64.
    """
    there = point._replace(xs=elsewhere(point, vs))
    with blaming(check):
        gs = there.pulled(us)
    along, parts = there.along(us, vs, gs), [(g * v).ravel() for g, v in zip(gs, vs)]
    numeric, parts = slope(*along), np.concatenate(parts)
    row = closer(Row(1, "rev", 1, float(parts.sum()), numeric, float(np.abs(parts).sum())), *along)
    between = [there.moved(t, vs) for t in (0.0, -numeric.step, numeric.step)]
    wrong = row.verdict == "wrong" and row.error > FELT * numeric.size
    if wrong and not kinks_between(there.function, between, *along):
        raise AssertionError(
            f"{check}: the derivative of {name} is right at the point given and wrong at a second "
            f"one nearby: analytic {row.analytic:.12g}, numeric {numeric.value:.12g}, tolerance "
            f"{row.tolerance:.1e}; it keeps something of the first, or is right there by chance"
        )


def elsewhere(point: Point, vs) -> list[np.ndarray]:
    return [np.asarray(x + ELSEWHERE * v, x.dtype) for x, v in zip(point.xs, vs)]


def apart(found: list, expected: list) -> float:
    return total([np.float64(a) - b for a, b in zip(found, expected)])


def total(arrays: list) -> float:
    return float(sum(np.abs(x, dtype=np.float64).sum() for x in arrays))
