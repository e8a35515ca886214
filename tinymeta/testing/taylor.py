"""The Taylor test: is the remainder of the order it should be? A verdict that knows no epsilon.

For a direction v and a cotangent u, R(h) = |<u, f(x + hv) - f(x) - h J v - h^2/2 H(v, v)>| shrinks
as h^3, and as h^2 without the last term; any mistake in J or H makes it h or h^2. So its slope on
logarithmic paper is the verdict, where it is not rounding: the test of adjoint codes, such as in
Farrell, Ham, Funke, Rognes 2013 (dolfin-adjoint).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.grad import vjp
from ..core.tensor import asarray
from .consistency import consistent, right_elsewhere
from .differences import EPS, ROUNDINGS, sides
from .kinks import UNKNOWN, Kink, crossed
from .point import Point
from .report import Undecided
from .subject import blaming, directions, examined, still, vacuous

LADDER = 0.5 ** np.arange(1, 28)
RUNGS = 5  # how many are judged: the lowest that are not rounding
MARGIN = 0.25  # what the next term of the series and rounding may take off a slope
TOLD = 1e-3  # a mistake of this size must not be lost: three digits are told
ABRUPT = 8  # so many times its law makes of what is left a kink


class Remainders(NamedTuple):
    """Remainders over a ladder of steps, the longest first; printed as a table."""

    order: int
    steps: np.ndarray
    remainders: np.ndarray
    rounding: np.ndarray  # what is smaller than this is none
    changes: np.ndarray  # of the value, over each step

    @property
    def judged(self) -> np.ndarray:
        """The places of the lowest rungs above all rounding."""
        rounded = np.flatnonzero(self.remainders <= self.rounding)
        top = rounded[0] if len(rounded) else len(self.steps)
        return np.arange(max(0, top - RUNGS), top)

    @property
    def slopes(self) -> np.ndarray:
        """From each rung that is judged to the next."""
        h, r = np.log(self.steps[self.judged]), np.log(self.remainders[self.judged])
        return np.diff(r) / np.diff(h)

    @property
    def slope(self) -> float:
        """How fast the remainder shrinks: infinitely, if it is rounding all along.

        A median: the last rung may be half rounding, the first may see too much of the next term.
        """
        if not len(self.judged):
            return np.inf
        return float(np.median(self.slopes)) if len(self.slopes) else np.nan

    @property
    def tells(self) -> bool:
        """Would a mistake have been seen beside the remainder, or beside the rounding?"""
        if not len(self.judged):
            return bool((self.rounding <= TOLD * self.changes)[:1].any())
        low = self.judged[-1]
        return self.steps[low] <= TOLD or self.remainders[low] <= TOLD * self.changes[low]

    @property
    def verdict(self) -> str:
        """ "right", or what is the matter."""
        if self.slope >= self.order + 1 - MARGIN:
            return "right" if self.tells else "undecided"
        bent = not len(self.slopes) or np.ptp(self.slopes) > 2 * MARGIN
        return "undecided" if bent else "wrong"

    def __str__(self):
        rows = [
            f"{h:8.1e}  {r:11.4e}  {e:8.1e}{'  judged' if k in self.judged else ''}"
            for k, (h, r, e) in enumerate(zip(self.steps, self.remainders, self.rounding))
        ]
        return "\n".join(
            [
                f"{'step':>8}  {'remainder':>11}  {'rounding':>8}",
                *rows,
                f"slope {self.slope:.3f}, should be {self.order + 1}",
            ]
        )


def check_taylor(f: Callable, *args, order: int = 1, seed=0) -> Remainders:
    """Check the first (`order` 1) and second (2) derivative of `f` at `args` by their remainder.

    |<u, f(x + h v) - f(x) - h J v - h^2/2 H(v, v)>| has to shrink as h^3, and without its last term
    as h^2 (Farrell, Ham, Funke & Rognes 2013); the slope is told, and no error size.

    `f` takes and returns trees of tensors, floating leaves are checked in float64. Steps that leave
    the smooth piece of `f` or its domain are not taken: the branches of its operations tell, and
    where they tell none, values that leave their law from one step to the next. The pullback is
    asked in other ways, too (consistency.py). seed: an int, or a `numpy.random.Generator`.

    Raises AssertionError with the table if the slope is too small or cannot be told (as `Kink` or
    `Undecided`), if a gradient has another shape or dtype than its input or the pullback answers
    in two ways, or if `f` is random or writes into its arguments; ValueError if no floating leaf
    goes in or comes out, for any other order, or, as `Vacuous`, if `f` is constant near `args`.
    """
    if order not in (1, 2):
        raise ValueError(f"check_taylor: the order {order} must be 1 or 2")
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        function, xs, _, names, name = examined("check_taylor", f, args)
        us = [rng.normal(size=y.shape) for y in function(*map(asarray, xs))]
        vs, point = directions(rng, xs), Point(function, xs, names)
        if still(function, xs, vs):
            raise vacuous("check_taylor", name)
        steps, kinks = smooth_steps(function, xs, us, vs, order)
        with blaming("check_taylor"):
            report = remainders(function, xs, us, vs, order, steps)
        verdict = report.verdict
        if verdict == "right":
            consistent("check_taylor", name, point, us, vs, rng)
            right_elsewhere("check_taylor", name, point, us, vs)
            return report
        if verdict == "wrong" and kinked(point, us, vs, order):
            verdict, kinks = "undecided", kinks or [UNKNOWN]  # no step is short enough
    near = f" (kinks near: {', '.join(kinks)})" if kinks else ""
    says = (
        f"a derivative of {name} up to order {order} is wrong"
        if verdict == "wrong"
        else f"{name} cannot be decided: no steps are short and yet above rounding{near}"
    )
    kind = AssertionError if verdict == "wrong" else Kink if kinks else Undecided
    raise kind(f"check_taylor: {says}\n{report}")


# ---- which steps are short enough ---------------------------------------------------------------


def smooth_steps(function, xs, us, vs, order) -> tuple[np.ndarray, list[str]]:
    """The steps below which all is finite and on the piece of x; what the next one crosses."""
    here = tuple(map(asarray, xs))
    start = [y.numpy() for y in function(*here)]
    changes, kinks, k = [], [], len(LADDER)  # of the terms of <u, f>, the longest step first
    while k and not kinks:
        there = moved(xs, vs, LADDER[k - 1])
        kinks, ys = crossed(function, here, there), [y.numpy() for y in function(*there)]
        if kinks or not all(np.isfinite(y).all() for y in ys):
            break
        k -= 1
        changes.insert(0, np.concatenate([((b - a) * u).ravel() for a, b, u in zip(start, ys, us)]))
    bent = bend(changes, LADDER[k:], size(start, us), order)
    return (LADDER[k + bent :], [UNKNOWN]) if bent else (LADDER[k:], kinks)


def bend(changes: list, steps: np.ndarray, magnitude: float, order: int) -> int:
    """How many of the longest steps see a kink: 0, or all down to the last of an abrupt change.

    What no polynomial of this order explains of the values at h, h/2, .. and 0 shrinks as
    h^(order + 1) where the function is smooth. Beyond a kink it comes from one step to the next.
    One step more is left out, which may have been just behind the kink.
    """
    nodes = 0.5 ** np.arange(order + 1)
    weights = [1 / (t * np.prod([t - other for other in nodes if other != t])) for t in nodes]
    left = [
        np.abs(sum(w * c for w, c in zip(weights, changes[k:]))).sum()
        for k in range(len(changes) - order)
    ]
    felt = [ROUNDINGS * EPS * (magnitude + np.abs(c).sum() / h) for c, h in zip(changes, steps)]
    for k in reversed(range(len(left) - 1)):
        if left[k] > ABRUPT * 2 ** (order + 1) * max(left[k + 1], felt[k + 1]):
            return k + 2
    return 0


def kinked(point: Point, us, vs, order: int) -> bool:
    """Do the slopes on the two sides of the point differ: of the values or, for 2, the gradient?"""
    if sides(*point.along(us, vs, point.xs)).kinked:
        return True
    if order == 1:
        return False
    gradient = point.derivative("rev", 1, us, vs)
    still_us = [np.zeros_like(u) for u in us]
    return sides(*gradient.along(vs, [*vs, *still_us], gradient.xs)).kinked


# ---- what remains -------------------------------------------------------------------------------


def remainders(function, xs, us, vs, order, steps) -> Remainders:
    """By the gradient of <u, f>, and by the pullback of that gradient."""
    gs, curve = vjp(lambda *xs: vjp(function, *xs)[1](tuple(us)), *xs)
    here = function(*map(asarray, xs))
    there = (function(*moved(xs, vs, h)) for h in steps)
    changes = np.array(
        [inner([b.numpy() - a.numpy() for a, b in zip(here, ys)], us) for ys in there]
    )
    left = changes - steps * inner(gs, vs)
    felt = size(here, us) + size(xs, gs) + steps * size(gs, vs)
    if order == 2:
        curved = curve(tuple(vs))
        left -= steps**2 / 2 * inner(curved, vs)
        felt = felt + steps**2 / 2 * size(curved, vs)
    return Remainders(order, steps, np.abs(left), ROUNDINGS * EPS * felt, np.abs(changes))


def moved(xs, vs, h) -> tuple:
    return tuple(asarray(np.asarray(x + h * v)) for x, v in zip(xs, vs))


def inner(ys, us) -> float:
    return float(sum(np.sum(np.asarray(y) * u) for y, u in zip(ys, us)))


def size(ys, us) -> float:
    return float(sum(np.abs(np.asarray(y) * np.asarray(u)).sum() for y, u in zip(ys, us)))
