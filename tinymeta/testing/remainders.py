"""The remainders of a Taylor series over ever shorter steps, and how fast they shrink.

R(h) = |<u, f(x + hv) - f(x) - h J v - h^2/2 H(v, v)>| of right J and H shrinks as h^3, without the
last term as h^2: on doubly logarithmic paper, as a line of that slope. The slope is fitted to the
shortest steps that are above all rounding; the longer ones still feel the next term of the series.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..core.grad import vjp
from ..core.tensor import Tensor, asarray
from .differences import EPS, ROUNDINGS
from .point import Arrays

_FITTED = 5  # to how many remainders the slope is fitted
MARGIN = 0.25  # what the next term of the series and rounding may take off a slope
_THREE_DIGITS = 1e-3  # a mistake of this relative size must not be lost


class Remainders(NamedTuple):
    """Remainders over steps, the longest first; printed as a table."""

    order: int
    steps: np.ndarray
    remainders: np.ndarray
    rounding: np.ndarray  # a remainder below this is rounding alone
    changes: np.ndarray  # of the value, over each step

    @property
    def fitted(self) -> np.ndarray:
        """The places of the shortest steps before the first remainder that is rounding."""
        rounded = np.flatnonzero(self.remainders <= self.rounding)
        stop = rounded[0] if len(rounded) else len(self.steps)
        return np.arange(max(0, stop - _FITTED), stop)

    @property
    def slopes(self) -> np.ndarray:
        """From each fitted remainder to the next."""
        h = np.log(self.steps[self.fitted])
        r = np.log(self.remainders[self.fitted])
        return np.diff(r) / np.diff(h)

    @property
    def slope(self) -> float:
        """How fast the remainder shrinks: infinitely, if it is rounding all along.

        A median: the last one may be half rounding, the first may see too much of the next term.
        """
        if not len(self.fitted):
            return np.inf
        return float(np.median(self.slopes)) if len(self.slopes) else np.nan

    @property
    def conclusive(self) -> bool:
        """Whether a mistake would have been seen beside the remainder, or beside the rounding."""
        if not len(self.fitted):
            return bool((self.rounding <= _THREE_DIGITS * self.changes)[:1].any())
        last = self.fitted[-1]
        short = self.steps[last] <= _THREE_DIGITS
        small = self.remainders[last] <= _THREE_DIGITS * self.changes[last]
        return bool(short or small)

    @property
    def verdict(self) -> str:
        """ "right", "wrong" or "undecided"."""
        if self.slope >= self.order + 1 - MARGIN:
            return "right" if self.conclusive else "undecided"
        bent = not len(self.slopes) or np.ptp(self.slopes) > 2 * MARGIN
        return "undecided" if bent else "wrong"

    def __str__(self) -> str:
        lines = [f"{'step':>8}  {'remainder':>11}  {'rounding':>8}"]
        for k, (h, r, e) in enumerate(zip(self.steps, self.remainders, self.rounding)):
            mark = "  fitted" if k in self.fitted else ""
            lines.append(f"{h:8.1e}  {r:11.4e}  {e:8.1e}{mark}")
        lines.append(f"slope {self.slope:.3f}, should be {self.order + 1}")
        return "\n".join(lines)


def remainders_over(
    function: Callable, xs: Arrays, us: Arrays, vs: Arrays, order: int, steps: np.ndarray
) -> Remainders:
    """The remainders over `steps`, by the gradient of <u, f> and the pullback of that gradient."""

    def gradient(*xs: Tensor) -> tuple:
        return vjp(function, *xs)[1](tuple(us))

    gs, pull_gradient = vjp(gradient, *xs)
    here = function(*map(asarray, xs))
    changes = []
    for h in steps:
        there = function(*displaced(xs, vs, h))
        differences = [b.numpy() - a.numpy() for a, b in zip(here, there)]
        changes.append(_inner_product(differences, us))
    change = np.array(changes)
    left = change - steps * _inner_product(gs, vs)
    magnitude = (
        abs_inner_product(here, us) + abs_inner_product(xs, gs) + steps * abs_inner_product(gs, vs)
    )
    if order == 2:
        hessian_vs = pull_gradient(tuple(vs))
        left -= steps**2 / 2 * _inner_product(hessian_vs, vs)
        magnitude = magnitude + steps**2 / 2 * abs_inner_product(hessian_vs, vs)
    rounding = ROUNDINGS * EPS * magnitude
    return Remainders(order, steps, np.abs(left), rounding, np.abs(change))


def displaced(xs: Arrays, vs: Arrays, h: float) -> tuple[Tensor, ...]:
    """x + h v."""
    moved = [np.asarray(x + h * v) for x, v in zip(xs, vs)]
    return tuple(map(asarray, moved))


def _inner_product(ys: Iterable, us: Sequence) -> float:
    products = [np.asarray(y) * u for y, u in zip(ys, us)]
    return float(sum(map(np.sum, products)))


def abs_inner_product(ys: Iterable, us: Iterable) -> float:
    """The sum of the absolute terms: the magnitude of what is rounded."""
    products = [np.asarray(y) * np.asarray(u) for y, u in zip(ys, us)]
    return float(sum(np.abs(x).sum() for x in products))
