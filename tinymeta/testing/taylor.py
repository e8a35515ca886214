"""The Taylor test: is the remainder of the order it should be? A verdict that needs no tolerance.

For a direction v and a cotangent u, R(h) = |<u, f(x + hv) - f(x) - h J v - h^2/2 H(v, v)>| shrinks
as h^3, and as h^2 without the last term; any mistake in J or H makes it h or h^2. So its slope on
doubly logarithmic paper is the verdict: the test of adjoint codes, such as in Farrell, Ham, Funke,
Rognes 2013 (dolfin-adjoint).

The remainders are taken over steps h = 1/2, 1/4, .. (remainders.py). Only steps on the smooth piece
of x count (`_smooth_steps`). A difference quotient (gradcheck.py) sees smaller mistakes and
asks for fewer values; this test trusts no error bound.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import asarray
from .consistency import check_consistency, check_second_point
from .differences import EPS, ROUNDINGS, one_sided_slopes
from .directions import is_constant, random_directions
from .kinks import UNKNOWN, Kink, crossed_kinks
from .point import Arrays, Point
from .refusals import rule_errors_as_failures, vacuous_error
from .remainders import Remainders, abs_inner_product, displaced, remainders_over
from .report import Undecided
from .subject import examine

STEPS = 0.5 ** np.arange(1, 28)
_ABRUPT = 8  # a remainder so many times what its order explains has met a kink


def check_taylor(
    f: Callable, *args: Any, order: int = 1, seed: int | np.random.Generator = 0
) -> Remainders:
    """Check the first (`order` 1) and second (2) derivative of `f` at `args` by their remainder.

    |<u, f(x + h v) - f(x) - h J v - h^2/2 H(v, v)>| has to shrink as h^3, and without its last term
    as h^2 (Farrell, Ham, Funke & Rognes 2013); the slope is the verdict, and no error size.

    `f` takes and returns trees of tensors, floating leaves are checked in float64. Steps that leave
    the smooth piece of `f` or its domain are not taken: the branches of its operations show where
    it ends, and where there are none, values that leave their law from one step to the next. The
    pullback is asked in other ways, too (consistency.py). seed: an int, or a
    `numpy.random.Generator`.

    Costs up to 4 evaluations of f for each of 27 steps, one gradient and, for order 2, one
    Hessian-vector product.

    Raises AssertionError with the table if the slope is too small or not to be found (as `Kink` or
    `Undecided`), if a gradient has another shape or dtype than its input or the pullback answers
    in two ways, or if `f` is random or writes into its arguments; ValueError if no floating leaf
    goes in or comes out, for any other order, or, as `Vacuous`, if `f` is constant near `args`.
    """
    if order not in (1, 2):
        raise ValueError(f"check_taylor: the order {order} must be 1 or 2")
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        subject = examine("check_taylor", f, args)
        function, xs, name = subject.function, subject.inputs, subject.name
        us = [rng.normal(size=y.shape) for y in function(*map(asarray, xs))]
        vs = random_directions(rng, xs)
        point = Point(function, xs, subject.names)
        if is_constant(function, xs, vs):
            raise vacuous_error("check_taylor", name)
        steps, kinks = _smooth_steps(function, xs, us, vs, order)
        with rule_errors_as_failures("check_taylor"):
            report = remainders_over(function, xs, us, vs, order, steps)
        verdict = report.verdict
        if verdict == "right":
            check_consistency("check_taylor", name, point, us, vs, rng)
            check_second_point("check_taylor", name, point, us, vs)
            return report
        if verdict == "wrong" and _has_kink(point, us, vs, order):
            verdict, kinks = "undecided", kinks or [UNKNOWN]  # no step is short enough
    if verdict == "wrong":
        kind: type[AssertionError] = AssertionError
        what = f"a derivative of {name} up to order {order} is wrong"
    else:
        kind = Kink if kinks else Undecided
        near = f" (kinks near: {', '.join(kinks)})" if kinks else ""
        what = f"{name} cannot be decided: no steps are short and yet above rounding{near}"
    raise kind(f"check_taylor: {what}\n{report}")


# ---- which steps are short enough ---------------------------------------------------------------


def _smooth_steps(
    function: Callable, xs: Arrays, us: Arrays, vs: Arrays, order: int
) -> tuple[np.ndarray, list[str]]:
    """(the steps below which all is finite and on the piece of x, what the next longer crosses).

    From the shortest step up, so that all steps below a step taken have been looked at. Three
    evaluations for each, until one is refused.
    """
    here = tuple(map(asarray, xs))
    start = [y.numpy() for y in function(*here)]
    changes: list[np.ndarray] = []  # of the terms of <u, f>, the longest step first
    kinks: list[str] = []
    first = len(STEPS)
    while first and not kinks:
        there = displaced(xs, vs, STEPS[first - 1])
        kinks = crossed_kinks(function, here, there)
        ys = [y.numpy() for y in function(*there)]
        if kinks or not all(np.isfinite(y).all() for y in ys):
            break
        first -= 1
        terms = [((y - y0) * u).ravel() for y0, y, u in zip(start, ys, us)]
        changes.insert(0, np.concatenate(terms))
    magnitude = abs_inner_product(start, us)
    crossed = _count_steps_across_a_kink(changes, STEPS[first:], magnitude, order)
    if crossed:
        return STEPS[first + crossed :], [UNKNOWN]
    return STEPS[first:], kinks


def _count_steps_across_a_kink(
    changes: list, steps: np.ndarray, magnitude: float, order: int
) -> int:
    """How many of the longest steps see a kink that no branch declares; 0 for none.

    What no polynomial of this order explains of the values at h, h/2, .. and 0 shrinks as
    h^(order + 1) where the function is smooth. Beyond a kink it comes from one step to the next.
    One step more is left out, which may have been just behind the kink. No value is computed anew.
    """
    # A divided difference over these nodes and 0, which is 0 for every polynomial of this order.
    nodes = 0.5 ** np.arange(order + 1)
    weights = [1 / (t * np.prod([t - other for other in nodes if other != t])) for t in nodes]
    unexplained = [
        np.abs(sum(w * change for w, change in zip(weights, changes[k:]))).sum()
        for k in range(len(changes) - order)
    ]
    rounding = [
        ROUNDINGS * EPS * (magnitude + np.abs(change).sum() / h)
        for change, h in zip(changes, steps)
    ]
    for k in reversed(range(len(unexplained) - 1)):
        expected = 2 ** (order + 1) * max(unexplained[k + 1], rounding[k + 1])
        if unexplained[k] > _ABRUPT * expected:
            return k + 2
    return 0


def _has_kink(point: Point, us: Arrays, vs: Arrays, order: int) -> bool:
    """Whether the slopes on the two sides differ, of the values or, for order 2, the gradient."""
    if one_sided_slopes(*point.value_terms(us, vs, point.xs)).kinked:
        return True
    if order == 1:
        return False
    gradient = point.derivative("rev", 1, us, vs)
    no_change = [np.zeros_like(u) for u in us]
    along = gradient.value_terms(vs, [*vs, *no_change], gradient.xs)
    return one_sided_slopes(*along).kinked
