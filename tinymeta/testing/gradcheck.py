"""Is a gradient right? At every order, <u, J v> from the pullback against a difference of <u, f>.

v is a direction, u a cotangent, both random normal and fresh for every comparison. (Never ones: the
rows of a softmax sum to 1, so a backward pass that returns zeros would look right.) The next order
checks the pullback (x, u) -> J(x)^T u in the same way, as a function of x and of u.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.grad import vjp
from ..core.tensor import Tensor, asarray
from .differences import Slope, slope
from .kinks import crossed
from .subject import directions, examined, still, vacuous

ENTRIES = 100                   # how many entries a failure looks at, to name the worst


class Row(NamedTuple):
    """One comparison."""
    order: int
    direction: int
    analytic: float
    numeric: Slope
    size: float                 # the sum of the absolute terms of `analytic`

    @property
    def error(self) -> float:
        return abs(self.analytic - self.numeric.value)

    @property
    def verdict(self) -> str:
        """ "right", or what is the matter; a NaN is never right."""
        if not np.isfinite(self.analytic):
            return "not finite"
        # Above its own rounding, and yet too small for a difference to tell three digits of it?
        swallowed = self.numeric.rounding * self.numeric.step < self.size \
            and self.numeric.tolerance > 1e-3 * self.size
        if swallowed or not self.numeric.settled:
            return "undecided"
        return "right" if self.error <= self.numeric.tolerance else "wrong"

    def __str__(self):
        verdict = "" if self.verdict == "right" else f"  {self.verdict}"
        return (f"{self.order:5}  {self.direction:9}  {self.analytic:20.12g}  "
                f"{self.numeric.value:20.12g}  {self.error:8.1e}  "
                f"{self.numeric.tolerance:9.1e}{verdict}")


class Report(NamedTuple):
    """What was compared, in order; printed as a table."""
    rows: tuple[Row, ...]

    def __str__(self):
        return "\n".join([f"{'order':>5}  {'direction':>9}  {'analytic':>20}  {'numeric':>20}  "
                          f"{'error':>8}  {'tolerance':>9}", *map(str, self.rows)])


def check_grads(f: Callable, *args, order: int = 2, n_dirs: int = 2, seed=0) -> Report:
    """Compare the derivatives of `f` at `args`, from the first to the `order`-th, with differences.

    `f` takes and returns trees of tensors. Floating leaves are checked in float64 whatever they
    were, all others stay as they are. seed: an int, or a `numpy.random.Generator` to draw
    directions and cotangents from.

    Raises AssertionError with the table of comparisons, and the worst entry of the one that failed,
    or if `f` is random or writes into its arguments; ValueError if no floating leaf goes in or
    comes out, if nothing is asked for, or, as `Vacuous`, if `f` is constant near `args`.
    """
    if order < 1 or n_dirs < 1:
        raise ValueError(f"check_grads: order {order} and n_dirs {n_dirs} must be at least 1")
    rng = np.random.default_rng(seed)
    rows, moves = [], False
    with np.errstate(all="ignore"):                 # what is not finite fails, and says so itself
        level, xs, names, name = examined("check_grads", f, args)
        for k in range(1, order + 1):
            shapes = [y.shape for y in level(*map(asarray, xs))]
            for d in range(1, n_dirs + 1):
                us = [rng.normal(size=s) for s in shapes]
                vs = directions(rng, xs)
                gs = pulled(level, xs, us)
                parts = np.concatenate([(g * v).ravel() for g, v in zip(gs, vs)])
                rows.append(Row(k, d, float(parts.sum()), along(level, xs, vs, us, gs),
                                float(np.abs(parts).sum())))
                moves = moves or k == 1 and not still(level, xs, vs)
                if rows[-1].verdict != "right":
                    if k > 1 and not moves:         # the derivative of rounding is no derivative
                        raise vacuous("check_grads", name)
                    raise AssertionError("\n".join([
                        headline(name, rows[-1]), str(Report(tuple(rows))),
                        worst_entry(level, xs, us, gs, names, rng),
                        *kinks_met(level, xs, vs, rows[-1].numeric.step)]))
            level, names = pullback(level, len(xs)), names + [f"cotangent {i} of order {k}"
                                                              for i in range(len(us))]
            xs = xs + [rng.normal(size=s) for s in shapes]
    if not moves:
        raise vacuous("check_grads", name)
    return Report(tuple(rows))


# ---- what is differentiated, at each order ------------------------------------------------------

def pullback(function: Callable, n: int) -> Callable:
    """(x, u) -> J(x)^T u, whose derivative is the next order."""
    return lambda *both: vjp(function, *both[:n])[1](both[n:])


# ---- the two sides of a comparison --------------------------------------------------------------

def pulled(function, xs, us) -> list[np.ndarray]:
    """J^T u by the engine, which refuses a rule that changes a shape or dtype."""
    try:
        return [g.numpy() for g in vjp(function, *xs)[1](tuple(us))]
    except ValueError as error:
        raise AssertionError(f"check_grads: {error}") from error


def along(function, xs, vs, us, gs) -> Slope:
    """<u, J v> by differences; the rounding of y, and of x where the slope feels it, counts."""
    def terms(t):
        ys = function(*(Tensor(np.asarray(x + t * v)) for x, v in zip(xs, vs)))
        return np.concatenate([(u * y.numpy()).ravel() for u, y in zip(us, ys)])

    felt = sum(float(np.abs(x * g).sum()) for x, g in zip(xs, gs))
    return slope(terms, float(np.abs(terms(0.0)).sum()) + felt)


# ---- what a failure says ------------------------------------------------------------------------

def worst_entry(function, xs, us, gs, names, rng) -> str:
    """The entry of the gradient that is furthest off, of all or of some at random."""
    entries = [(i, index) for i, x in enumerate(xs) for index in np.ndindex(x.shape)]
    if len(entries) > ENTRIES:
        entries = [entries[k] for k in rng.choice(len(entries), ENTRIES, replace=False)]
    found = []
    for i, index in entries:
        vs = [np.zeros(x.shape) for x in xs]
        vs[i][index] = 1.0
        numeric = along(function, xs, vs, us, gs)
        error = abs(gs[i][index] - numeric.value)
        found.append((error if np.isfinite(error) else np.inf, i, index, numeric))
    error, i, index, numeric = max(found, key=lambda entry: entry[0])
    return (f"worst entry: {names[i]} at {index}: analytic {gs[i][index]:.12g}, "
            f"numeric {numeric.value:.12g}, error {error:.1e}, tolerance {numeric.tolerance:.1e}, "
            f"step {numeric.step:.1e}")


def kinks_met(function, xs, vs, step) -> list[str]:
    """A line that names what has a kink between the points compared, if anything has."""
    here, there = ([asarray(x + t * v) for x, v in zip(xs, vs)] for t in (-step, step))
    names = ", ".join(crossed(function, here, there))
    return [f"kinks between the points compared: {names}; choose other inputs"] if names else []


def headline(name: str, row: Row) -> str:
    why = ": a kink or an edge of the domain is near, or rounding hides it: choose other inputs"
    what = {"wrong": "is wrong", "not finite": "is not finite",
            "undecided": "cannot be decided by differences" + why}[row.verdict]
    return f"check_grads: the derivative of {name} of order {row.order} {what}"
