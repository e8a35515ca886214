"""What holds for every derivative, with no difference quotient and so without truncation.

For J the Jacobian and H the Hessian of <u, f>: J'u is linear in u, <u, Jv> = <J'u, v>, and
<Ha, b> = <a, Hb>. J is the pullback of the pullback (Townsend 2017), H that of the gradient.
The two sides of each are sums that differ by rounding alone. Each operation run rounds once: their
number times eps times the sum of the absolute terms is the tolerance.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ..core.grad import vjp
from ..core.primitive import run_eagerly
from ..core.scope import setting, state
from ..core.tensor import asarray
from ..ops.derivatives import jvp
from .consistency import consistent
from .differences import EPS
from .point import Point
from .report import Undecided
from .subject import NoRule, blaming, directions, examined, same_bits, still, vacuous

FEWEST = 100  # roundings that are granted: a foreign function shows none of its own


class Identity(NamedTuple):
    """One identity, looked at: left and right should be equal but for the tolerance."""

    what: str
    left: float
    right: float
    tolerance: float
    size: float = 0.0  # the sum of the absolute terms on both sides

    @property
    def error(self) -> float:
        """How far the two sides are apart."""
        return abs(self.left - self.right)

    @property
    def holds(self) -> bool:
        """Are they equal but for rounding? A NaN never is."""
        return self.error <= self.tolerance < np.inf  # which no NaN is

    def __str__(self):
        return (
            f"{self.what:40}  {self.left:20.12g}  {self.right:20.12g}  {self.error:8.1e}  "
            f"{self.tolerance:9.1e}{'' if self.holds else '  broken'}"
        )


class Identities(NamedTuple):
    """What was looked at, in rows in their order; printed as a table."""

    rows: tuple[Identity, ...]

    def __str__(self):
        return "\n".join(
            [
                f"{'identity':40}  {'left':>20}  {'right':>20}  {'error':>8}  {'tolerance':>9}",
                *map(str, self.rows),
            ]
        )


def check_identities(f: Callable, *args, seed=0) -> Identities:
    """Check at `args` what holds for the derivatives of every function, in the leaves' own dtypes.

    J'0 = 0, J'(2u - w/2) = 2J'u - J'w/2, <u, Jv> = <J'u, v> (the dot product test: Griewank &
    Walther 2008, ch. 3), <Ha, b> = <a, Hb> for the Hessian H of <u, f>; gradients have the shape
    and dtype of their inputs, come out twice to the bit, and the inputs stay as they were; the
    pullback answers the same however it is asked (consistency.py).
    `f` takes and returns trees of tensors. seed: an int, or a `numpy.random.Generator`.

    Raises AssertionError with the table and the identity that is broken, or if `f` is random,
    writes into its arguments or has no derivative at all; ValueError if no floating leaf goes in or
    comes out, or, as `Vacuous`, if `f` is constant near `args`.
    """
    rng, rows = np.random.default_rng(seed), []
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        function, xs, _, names, name = examined("check_identities", f, args, None)
        ys = [y.numpy() for y in function(*map(asarray, xs))]
        u, w, v, b = normal(rng, ys), normal(rng, ys), directions(rng, xs), directions(rng, xs)
        if still(function, xs, v):
            raise vacuous("check_identities", name)
        point = Point(function, xs, names)
        for row in looked_at(point, u, w, v, b):
            rows.append(row)
            if not row.holds:
                raise AssertionError(
                    f"check_identities: {name}: broken: {row.what}\n{Identities(tuple(rows))}"
                )
        consistent("check_identities", name, point, u, v, rng)
    if not any(row.size for row in rows):
        raise Undecided(
            f"check_identities: {name} moves and all its derivatives are zero: "
            "they are cut off, or flat at this point; no identity could be broken"
        )
    return Identities(tuple(rows))


def looked_at(point, u, w, v, b):
    """The identities, one after another, the simplest first."""
    function, xs = point.function, point.xs
    before = [x.copy() for x in xs]
    with blaming("check_identities"):
        gs, again = ([g.numpy().copy() for g in vjp(function, *xs)[1](tuple(u))] for _ in range(2))
    yield counted(
        "gradients of their inputs' shape, dtype",
        (g.shape == x.shape and g.dtype == x.dtype for g, x in zip(gs, xs)),
    )
    yield counted("the same gradients twice, to the bit", map(same_bits, gs, again))

    def gradient(*xs):
        return vjp(function, *xs)[1](tuple(u))

    def pulled(cotangent):
        return vjp(function, *xs)[1](tuple(cotangent))

    def pushed(tangent):
        return jvp(function, tuple(map(asarray, xs)), tuple(tangent))[1]

    def curved(direction):
        return vjp(gradient, *xs)[1](tuple(direction))

    yield compared(
        "J'0 = 0", xs, lambda: (np.abs(products(pulled([0 * y for y in u]), v)), np.zeros(1))
    )
    # Powers of 2, which round nothing.
    mixed = [2 * p - q / 2 for p, q in zip(u, w)]
    yield compared(
        "J'(2u - w/2) = 2J'u - J'w/2, along v",
        xs,
        lambda: (
            products(pulled(mixed), v),
            np.concatenate([2 * products(pulled(u), v), -products(pulled(w), v) / 2]),
        ),
    )
    with suppress(NoRule):  # these ask for the pullback's own derivative
        yield compared(
            "<u, Jv> = <J'u, v>", xs, lambda: (products(pushed(v), u), products(pulled(u), v))
        )
        yield compared(
            "<Ha, b> = <a, Hb>, H that of <u, f>",
            xs,
            lambda: (products(curved(v), b), products(curved(b), v)),
        )
    yield counted("inputs left as they were, to the bit", map(same_bits, xs, before))


def compared(what: str, xs: list, sides: Callable) -> Identity:
    """Two sums of terms, and how much of their difference rounding explains."""
    runs, inner = [], state.interpreter or run_eagerly

    def counting(primitive, values, static):
        runs.append(primitive)
        return inner(primitive, values, static)

    with setting(interpreter=counting):
        left, right = sides()
    eps = max(EPS, *(np.finfo(x.dtype).eps for x in xs))  # the two sides are summed in float64
    size = float(np.abs(left).sum() + np.abs(right).sum())
    rounded = max(len(runs), FEWEST) * eps * size
    return Identity(what, total(left), total(right), rounded, size)


def counted(what: str, parts) -> Identity:
    """In how many parts it holds, of how many."""
    parts = list(parts)
    return Identity(what, sum(parts), len(parts), 0.0)


def products(found, directions) -> np.ndarray:
    """The terms of an inner product, in float64, where those of float32 are exact."""
    pairs = zip(found, directions)
    return np.concatenate([(np.asarray(a, np.float64) * b).ravel() for a, b in pairs])


def total(terms: np.ndarray) -> float:
    """Their sum, rounded once."""
    return math.fsum(terms) if np.isfinite(terms).all() else float(terms.sum())


def normal(rng, like: list) -> list[np.ndarray]:
    return [np.asarray(rng.normal(size=x.shape), x.dtype) for x in like]
