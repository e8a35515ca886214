"""A function at a point, and <u, J v> there: by the engine, and as values to take differences of.

Letters, each a list like the inputs or the outputs: us cotangents, vs tangents, gs gradients J^T u.
The function may itself be a derivative, of (x, u) or (x, v), where u is a cotangent and v a tangent
of the function before. To check it is to check the next order: one comparison serves every order.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.forward import jvp
from ..core.grad import vjp
from ..core.tensor import Tensor, asarray
from .differences import EPS, ROUNDINGS, first_points, hidden_magnitude
from .directions import random_directions
from .subject import Arrays

_UNSEEN = 3e-3  # of a slope: what kinks within the long steps of float32 may change unnoticed
_SAMPLES = 3  # perturbed points: they show how much rounding changes a float32 result


class Point(NamedTuple):
    """`function` takes tensors like `xs` and returns a tuple of floating tensors."""

    function: Callable
    xs: Arrays
    names: list[str]  # of xs
    mode: str = ""  # how the derivatives before were taken, such as "rev-fwd"
    known: Arrays | None = None  # of what it returns shapes and dtypes, where they are known
    eps: float = EPS  # of the dtype in which it computes, where that is not its inputs'
    stacked: Callable | None = None  # the function at many points at once: a first axis on all

    def outputs(self) -> Sequence:
        """Arrays in the shapes and dtypes of what the function returns."""
        if self.known is not None:
            return self.known
        return self.function(*map(asarray, self.xs))

    def random_pair(self, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        """A random cotangent and direction: float64, of values that the dtypes here can hold."""
        us = [rng.normal(size=y.shape).astype(y.dtype) for y in self.outputs()]
        vs = random_directions(rng, self.xs)
        return _in_float64(us), _in_float64(vs)

    def derivative(self, mode: str, order: int, us: Arrays, vs: Arrays) -> "Point":
        """The map (x, u) -> J(x)^T u at `us`, or (x, v) -> J(x) v at `vs`, as the next point."""
        n = len(self.xs)

        def reverse(function: Callable) -> Callable:
            def pulled(*both: Any) -> Any:
                _, pull = vjp(function, *both[:n])
                return pull(both[n:])

            return pulled

        def forward(function: Callable) -> Callable:
            def pushed(*both: Any) -> Any:
                _, tangents = jvp(function, both[:n], both[n:])
                return tangents

            return pushed

        known: Arrays | None
        if mode == "rev":
            derivative, what = reverse, "cotangent"
            new, known = cast_like(us, self.outputs()), self.xs
        else:
            derivative, what = forward, "tangent"
            new, known = cast_like(vs, self.xs), self.known
        return self._replace(
            function=derivative(self.function),
            xs=self.xs + new,
            names=self.names + [f"{what} {i} of order {order}" for i in range(len(new))],
            mode=self.mode_after(mode),
            known=known,
            stacked=derivative(self.stacked) if self.stacked else None,
        )

    def aligned(self, us: Arrays, vs: Arrays) -> Arrays:
        """The directions with the signs of J^T u: along them no terms of the slope cancel.

        So it is as far above its rounding as it can be, which in float32 is not far.
        """
        found = []
        for g, v in zip(self.pullback(us), vs):
            with_sign_of_g = np.abs(v) * np.sign(g)
            found.append(np.where(g, with_sign_of_g, v))
        return found

    def mode_after(self, mode: str) -> str:
        return f"{self.mode}-{mode}" if self.mode else mode

    def displaced(self, t: float, vs: Arrays) -> tuple[Tensor, ...]:
        """x + t v, as tensors."""
        moved = [np.asarray(x + t * v) for x, v in zip(self.xs, vs)]
        return tuple(map(Tensor, moved))

    def perturbed(self, rng: np.random.Generator) -> "Point":
        """This point with each number moved by up to one rounding."""
        moved = []
        for x in self.xs:
            eps = max(self.eps, np.finfo(x.dtype).eps)
            factor = 1 + eps * rng.uniform(-1, 1, x.shape)
            moved.append(np.asarray(x * factor, x.dtype))
        return self._replace(xs=moved)

    # ---- by the engine --------------------------------------------------------------------------

    def pullback(self, us: Arrays) -> Arrays:
        """J^T u."""
        ys, pull = vjp(self.function, *self.xs)
        return [g.numpy() for g in pull(tuple(cast_like(us, ys)))]

    def derivative_terms(
        self, mode: str, us: Arrays, vs: Arrays, gs: Arrays | None = None
    ) -> np.ndarray:
        """The terms of <J^T u, v> ("rev") or of <u, J v> ("fwd"), multiplied in float64.

        gs: J^T u, if it is known.
        """
        if mode == "rev":
            derivative = self.pullback(us) if gs is None else gs
            along = vs
        else:
            tangents = tuple(cast_like(vs, self.xs))
            _, pushed = jvp(self.function, tuple(self.xs), tangents)
            derivative = [y.numpy() for y in pushed]
            along = us
        terms = [a * b for a, b in zip(_in_float64(derivative), along)]
        return np.concatenate([term.ravel() for term in terms])

    def noise(
        self, mode: str, us: Arrays, vs: Arrays, terms: np.ndarray, rng: np.random.Generator
    ) -> float:
        """What rounding in the dtype in which it computes may change of the sum of these terms.

        terms: as `derivative_terms` returned them. Costs three derivatives at perturbed points.
        """
        eps = max(self.eps, *(np.finfo(x.dtype).eps for x in self.xs))
        changes = []
        for _ in range(_SAMPLES):
            perturbed = self.perturbed(rng).derivative_terms(mode, us, vs)
            changes.append(abs(terms.sum() - perturbed.sum()))
        change = max(changes)
        size = float(np.abs(terms).sum())
        kinks_and_such = _UNSEEN * size if self.eps > EPS else 0.0
        return float(ROUNDINGS * (eps * size + change)) + kinks_and_such

    # ---- for differences ------------------------------------------------------------------------

    def terms_along(self, us: Arrays, vs: Arrays) -> Callable:
        """t -> the terms of <u, f(x + t v)>."""
        return _Terms(self, us, vs)

    def value_terms(self, us: Arrays, vs: Arrays, gs: Arrays) -> tuple[Callable, float]:
        """(t -> the terms of <u, f(x + t v)>, the magnitude of the numbers rounded in it).

        Both y and x are rounded: x counts by its sensitivity, |x * J^T u|. `gs` is J^T u. The pair
        is what `slope` takes.
        """
        terms = self.terms_along(us, vs)
        if self.eps > EPS:
            return terms, hidden_magnitude(terms)
        products = [np.abs(x * g).sum() for x, g in zip(self.xs, gs)]
        sensitivity = sum(map(float, products))
        size = float(np.abs(terms(0.0)).sum())
        return terms, size + sensitivity


class _Terms:
    """t -> the terms of <u, f(x + t v)>."""

    def __init__(self, point: Point, us: Arrays, vs: Arrays):
        self.point, self.us, self.vs = point, us, vs
        self.eps = point.eps
        self.known: dict[float, np.ndarray] = {}  # what the first evaluation of all points gave

    def __call__(self, t: float) -> np.ndarray:
        if t == 0.0 and self.point.stacked:
            ts = first_points(self.eps)
            self.known = dict(zip(ts, self.at_all(ts)))
            return self.known[t]
        ys = self.point.function(*self.point.displaced(t, self.vs))
        products = [u * y.numpy() for u, y in zip(self.us, ys)]
        return np.concatenate([product.ravel() for product in products])

    def at_all(self, ts: Sequence[float]) -> list[np.ndarray]:
        """The terms at each of the ts, in one evaluation if the function is stacked."""
        point = self.point
        if all(t in self.known for t in ts):
            return [self.known[t] for t in ts]
        if point.stacked is None:
            return [self(t) for t in ts]
        xs = []
        for x, v in zip(point.xs, self.vs):
            points = [x + t * v for t in ts]
            xs.append(Tensor(np.stack(points)))
        ys = point.stacked(*xs)
        products = [u * y.numpy() for u, y in zip(self.us, ys)]
        rows = [product.reshape(len(ts), -1) for product in products]
        return list(np.concatenate(rows, axis=1))


def _in_float64(arrays: Sequence) -> Arrays:
    return [np.asarray(a, np.float64) for a in arrays]


def cast_like(arrays: Sequence, like: Sequence[Any]) -> Arrays:
    """The arrays, each in the dtype of its counterpart in `like`."""
    return [np.asarray(a, y.dtype) for a, y in zip(arrays, like)]
