"""What holds for every derivative, with no difference quotient and so without truncation.

For J the Jacobian and H the Hessian of <u, f>: J'u is linear in u and Jv in v, <u, Jv> = <J'u, v>,
and <Ha, b> = <a, Hb>. J' is the pullback, J forward mode, H the pullback of the gradient.

The two sides of each are sums that differ by rounding alone. Each operation run rounds once: their
number times eps times the sum of the absolute terms is the tolerance. So a fault of a millionth
shows, which no difference sees, and in float32, too. What the identities do not see is a wrong rule
that is linear and has an adjoint, such as one scaled by 2: they know no value of f's slope, which
is why `check_grads` and `check_taylor` are there.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ..core.forward import jvp
from ..core.grad import vjp
from ..core.primitive import Primitive, run_eagerly
from ..core.scope import setting, state
from ..core.tensor import Tensor, asarray
from .consistency import check_consistency
from .differences import EPS
from .directions import is_constant, random_directions
from .layouts import same_bits
from .point import Arrays, Point
from .refusals import NoRule, rule_errors_as_failures, vacuous_error
from .report import Undecided
from .subject import examine

_FEWEST = 100  # roundings that are granted: a foreign function shows none of its own


class Identity(NamedTuple):
    """One identity: left and right should be equal but for the tolerance."""

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
        """Whether they are equal but for rounding; a NaN never is."""
        return self.error <= self.tolerance < np.inf

    def __str__(self) -> str:
        return (
            f"{self.what:40}  {self.left:20.12g}  {self.right:20.12g}  {self.error:8.1e}  "
            f"{self.tolerance:9.1e}{'' if self.holds else '  broken'}"
        )


class Identities(NamedTuple):
    """The identities checked, in rows in their order; printed as a table."""

    rows: tuple[Identity, ...]

    def __str__(self) -> str:
        header = f"{'identity':40}  {'left':>20}  {'right':>20}  {'error':>8}  {'tolerance':>9}"
        return "\n".join([header, *map(str, self.rows)])


def check_identities(f: Callable, *args: Any, seed: int | np.random.Generator = 0) -> Identities:
    """Check at `args` what holds for the derivatives of every function, in the leaves' own dtypes.

    J'0 = 0, J'(2u - w/2) = 2J'u - J'w/2, J(2v - b/2) = 2Jv - Jb/2, <u, Jv> = <J'u, v> (the dot
    product test: Griewank & Walther 2008, ch. 3), <Ha, b> = <a, Hb> for the Hessian H of <u, f>;
    gradients have the shape and dtype of their inputs, come out twice to the bit, and the inputs
    stay as they were; the pullback answers the same however it is asked (consistency.py).
    `f` takes and returns trees of tensors. seed: an int, or a `numpy.random.Generator`.

    Costs some 20 evaluations of f with their backward passes, whatever its size.

    Raises AssertionError with the table and the identity that is broken, or if `f` is random,
    writes into its arguments or has no derivative at all; ValueError if no floating leaf goes in or
    comes out, or, as `Vacuous`, if `f` is constant near `args`.
    """
    rng = np.random.default_rng(seed)
    rows: list[Identity] = []
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        subject = examine("check_identities", f, args, None)
        function, xs, name = subject.function, subject.inputs, subject.name
        ys = [y.numpy() for y in function(*map(asarray, xs))]
        u, w = _random_normal_like(rng, ys), _random_normal_like(rng, ys)
        v, b = random_directions(rng, xs), random_directions(rng, xs)
        if is_constant(function, xs, v):
            raise vacuous_error("check_identities", name)
        point = Point(function, xs, subject.names)
        for row in _identities(point, u, w, v, b):
            rows.append(row)
            if not row.holds:
                raise AssertionError(
                    f"check_identities: {name}: broken: {row.what}\n{Identities(tuple(rows))}"
                )
        check_consistency("check_identities", name, point, u, v, rng)
    if not any(row.size for row in rows):
        raise Undecided(
            f"check_identities: {name} moves and all its derivatives are zero: "
            "they are cut off, or flat at this point; no identity could be broken"
        )
    return Identities(tuple(rows))


def _identities(point: Point, u: Arrays, w: Arrays, v: Arrays, b: Arrays) -> Iterator[Identity]:
    """One identity after another, the simplest first."""
    function, xs = point.function, point.xs
    before = [x.copy() for x in xs]

    def gradient(*xs: Tensor) -> tuple:
        _, pull = vjp(function, *xs)
        return pull(tuple(u))

    def pullback(cotangent: Arrays) -> tuple:
        _, pull = vjp(function, *xs)
        return pull(tuple(cotangent))

    def pushforward(tangent: Arrays) -> tuple:
        _, tangents = jvp(function, tuple(map(asarray, xs)), tuple(tangent))
        return tangents

    def hessian_product(direction: Arrays) -> tuple:
        _, pull = vjp(gradient, *xs)
        return pull(tuple(direction))

    with rule_errors_as_failures("check_identities"):
        gs = [g.numpy().copy() for g in pullback(u)]
        again = [g.numpy().copy() for g in pullback(u)]
    yield _count_true(
        "gradients of their inputs' shape, dtype",
        (g.shape == x.shape and g.dtype == x.dtype for g, x in zip(gs, xs)),
    )
    yield _count_true("the same gradients twice, to the bit", map(same_bits, gs, again))

    def of_zero() -> tuple:
        zeros = [0 * y for y in u]
        found = _product_terms(pullback(zeros), v)
        return np.abs(found), np.zeros(1)

    def of_a_sum() -> tuple:
        mixed = [2 * p - q / 2 for p, q in zip(u, w)]  # powers of 2, which round nothing
        apart = [2 * _product_terms(pullback(u), v), -_product_terms(pullback(w), v) / 2]
        return _product_terms(pullback(mixed), v), np.concatenate(apart)

    def of_a_sum_of_tangents() -> tuple:
        mixed = [2 * p - q / 2 for p, q in zip(v, b)]
        apart = [2 * _product_terms(pushforward(v), u), -_product_terms(pushforward(b), u) / 2]
        return _product_terms(pushforward(mixed), u), np.concatenate(apart)

    def of_the_adjoint() -> tuple:
        return _product_terms(pushforward(v), u), _product_terms(pullback(u), v)

    def of_the_hessian() -> tuple:
        return _product_terms(hessian_product(v), b), _product_terms(hessian_product(b), v)

    yield _compare("J'0 = 0", xs, of_zero)
    yield _compare("J'(2u - w/2) = 2J'u - J'w/2, along v", xs, of_a_sum)
    # These ask for the pullback's own derivative.
    with suppress(NoRule), rule_errors_as_failures("check_identities"):
        yield _compare("<u, Jv> = <J'u, v>", xs, of_the_adjoint)
        yield _compare("<Ha, b> = <a, Hb>, H that of <u, f>", xs, of_the_hessian)
        yield _compare("J(2v - b/2) = 2Jv - Jb/2, along u", xs, of_a_sum_of_tangents)
    yield _count_true("inputs left as they were, to the bit", map(same_bits, xs, before))


def _compare(what: str, xs: Arrays, both_sides: Callable) -> Identity:
    """Two sums of terms, and how much of their difference rounding explains.

    both_sides() -> (terms of the left, terms of the right); its operations are counted.
    """
    outer = state.interpreter or run_eagerly
    count = 0

    def counting(primitive: Primitive, values: list, static: dict) -> Any:
        nonlocal count
        count += 1
        return outer(primitive, values, static)

    with setting(interpreter=counting):
        left, right = both_sides()
    eps = max(EPS, *(np.finfo(x.dtype).eps for x in xs))  # the two sides are summed in float64
    size = float(np.abs(left).sum() + np.abs(right).sum())
    tolerance = max(count, _FEWEST) * eps * size
    return Identity(what, _exact_sum(left), _exact_sum(right), tolerance, size)


def _count_true(what: str, parts: Iterable[bool]) -> Identity:
    """In how many parts it is true, and of how many."""
    parts = list(parts)
    return Identity(what, sum(parts), len(parts), 0.0)


def _product_terms(found: Iterable, directions: Iterable) -> np.ndarray:
    """The terms of an inner product, in float64, where products of float32 are exact."""
    products = [np.asarray(a, np.float64) * b for a, b in zip(found, directions)]
    return np.concatenate([product.ravel() for product in products])


def _exact_sum(terms: np.ndarray) -> float:
    """Their sum, rounded once."""
    return math.fsum(terms) if np.isfinite(terms).all() else float(terms.sum())


def _random_normal_like(rng: np.random.Generator, like: Sequence) -> Arrays:
    return [np.asarray(rng.normal(size=x.shape), x.dtype) for x in like]
