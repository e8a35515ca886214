"""A pullback has to give the same answer however it is asked.

A comparison asks right after the forward pass, for all outputs at once, with contiguous arrays. A
larger program asks late, when the function has been evaluated elsewhere since; for one output
alone; with cotangents that are views. A pullback that keeps what the last call left, waits for
another output's cotangent or reads memory instead of strides is right in the first case alone.
"""

from collections.abc import Iterator

import numpy as np

from ..core.grad import vjp
from .differences import EPS, ROUNDINGS, slope
from .foreign import LAYOUT
from .kinks import kinks_between
from .layouts import gappy
from .point import Arrays, Point, cast_like
from .refusals import rule_errors_as_failures
from .report import Row, with_shorter_step

_GROUPS = 8  # of outputs, each asked for alone
STALE = 1e-6  # of a slope: what was kept from another point is off by more
_SUM_ROUNDINGS = 100  # roundings that a sum of cotangents may carry


def check_consistency(
    check_name: str, name: str, point: Point, us: Arrays, vs: Arrays, rng: np.random.Generator
) -> None:
    """Raise AssertionError if J(x)^T u at `point` has two answers, in the point's own dtypes.

    Two answers may differ by what a perturbation of one rounding makes of them, and by the root of
    a rounding: these faults are gross. Costs 6 pullbacks, and one for each of up to 8 outputs.
    """
    us = cast_like(us, point.outputs())
    with rule_errors_as_failures(check_name):
        gs = point.pullback(us)
        perturbed_point = point.perturbed(rng)
        perturbed_us = point._replace(xs=us).perturbed(rng).xs
        perturbed_gs = perturbed_point.pullback(perturbed_us)
        eps = max(point.eps, *(np.finfo(x.dtype).eps for x in point.xs))
        tolerance = (
            ROUNDINGS * _distance(perturbed_gs, gs)
            + np.sqrt(eps) * _abs_sum(gs)
            + _SUM_ROUNDINGS * eps * _abs_sum(us)
        )
        if not np.isfinite(tolerance):  # at an edge of its domain there is nothing to compare
            return
        for how, found in _other_answers(point, us, vs, rng):
            error = _distance(found, gs)
            if not error <= tolerance:  # which no NaN is
                raise AssertionError(
                    f"{check_name}: the pullback of {name} gives another gradient {how}: "
                    f"{error:.1e} apart, where rounding explains {tolerance:.1e}"
                )


def _other_answers(
    point: Point, us: Arrays, vs: Arrays, rng: np.random.Generator
) -> Iterator[tuple[str, Arrays]]:
    """(how it was asked for, J(x)^T u), again and again."""
    if len(us) > 1:
        order = rng.permutation(len(us))
        of_groups = []
        for group in np.array_split(order, min(len(us), _GROUPS)):
            alone = [u if k in group else np.zeros_like(u) for k, u in enumerate(us)]
            of_groups.append(point.pullback(alone))
        yield (
            "when one output alone has a cotangent, the others zeros, summed over the outputs",
            [np.sum(gradients, axis=0) for gradients in zip(*of_groups)],
        )

    strided_us = [gappy(u) for u in us]
    yield from _answer_unless_refused(
        "of a cotangent that is not contiguous", "cotangents", point, strided_us
    )
    strided_point = point._replace(xs=[gappy(x) for x in point.xs])
    yield from _answer_unless_refused(
        "of arrays that are not contiguous", "arrays", strided_point, strided_us
    )

    _, pull = vjp(point.function, *point.xs)
    _, pull_elsewhere = vjp(point.function, *_second_point(point, vs))
    pull_elsewhere(tuple(us))
    yield (
        "when it is asked late, after another forward and backward pass at another point",
        [g.numpy() for g in pull(tuple(us))],
    )


def _answer_unless_refused(
    how: str, layout: str, point: Point, us: Arrays
) -> Iterator[tuple[str, Arrays]]:
    """The answer where foreign functions get strided arrays; to refuse them is no mistake.

    layout: which of them are strided, see `foreign.LAYOUT`.
    """
    token = LAYOUT.set(layout)
    try:
        found = point.pullback(us)
    except AssertionError:
        raise
    except Exception:
        return
    finally:
        LAYOUT.reset(token)
    yield how, found


def check_second_point(check_name: str, name: str, point: Point, us: Arrays, vs: Arrays) -> None:
    """Raise AssertionError if the pullback, right at `point`, is wrong at another point nearby.

    So is one that keeps what it computed at the first point. `point` is in float64. Costs one
    pullback and one slope (differences.py).
    """
    second = point._replace(xs=_second_point(point, vs))
    with rule_errors_as_failures(check_name):
        gs = second.pullback(us)
    along = second.value_terms(us, vs, gs)
    numeric = slope(*along)
    terms = np.concatenate([(g * v).ravel() for g, v in zip(gs, vs)])
    noise = (
        second.noise("rev", us, vs, terms, np.random.default_rng(0)) if second.eps > EPS else 0.0
    )
    row = Row(1, "rev", 1, float(terms.sum()), numeric, float(np.abs(terms).sum()), noise=noise)
    row = with_shorter_step(row, *along)
    if row.verdict != "wrong" or row.error <= STALE * numeric.size:
        return
    compared = [second.displaced(t, vs) for t in (0.0, -numeric.step, numeric.step)]
    if not kinks_between(second.function, compared, *along):
        raise AssertionError(
            f"{check_name}: the derivative of {name} is right at the point given and wrong at a "
            f"second one nearby: analytic {row.analytic:.12g}, numeric {numeric.value:.12g}, "
            f"tolerance {row.tolerance:.1e}; it keeps something of the first, or is right there by "
            "chance"
        )


def _second_point(point: Point, vs: Arrays) -> Arrays:
    """A point as far away as a difference's step is long."""
    step = point.eps**0.2
    return [np.asarray(x + step * v, x.dtype) for x, v in zip(point.xs, vs)]


def _distance(found: Arrays, expected: Arrays) -> float:
    return _abs_sum([np.float64(a) - b for a, b in zip(found, expected)])


def _abs_sum(arrays: list) -> float:
    return float(sum(np.abs(x, dtype=np.float64).sum() for x in arrays))
