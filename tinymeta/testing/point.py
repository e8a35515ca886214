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
from .subject import random_directions

Arrays = list[np.ndarray]


class Point(NamedTuple):
    """`function` takes tensors like `xs` and returns a tuple of floating tensors."""

    function: Callable
    xs: Arrays
    names: list[str]  # of xs
    mode: str = ""  # how the derivatives before were taken, such as "rev-fwd"

    def outputs(self) -> tuple[Tensor, ...]:
        return self.function(*map(asarray, self.xs))

    def random_pair(self, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        """A random cotangent and direction: float64, of values that the dtypes here can hold."""
        us = [rng.normal(size=y.shape).astype(y.dtype) for y in self.outputs()]
        vs = random_directions(rng, self.xs)
        in_float64 = [np.asarray(u, np.float64) for u in us]
        return in_float64, [np.asarray(v, np.float64) for v in vs]

    def derivative(self, mode: str, order: int, us: Arrays, vs: Arrays) -> "Point":
        """The map (x, u) -> J(x)^T u at `us`, or (x, v) -> J(x) v at `vs`, as the next point."""
        n = len(self.xs)
        function = self.function

        def reverse(*both: Tensor) -> tuple:
            xs, cotangents = both[:n], both[n:]
            _, pull = vjp(function, *xs)
            return pull(cotangents)

        def forward(*both: Tensor) -> tuple:
            xs, tangents = both[:n], both[n:]
            _, pushed = jvp(function, xs, tangents)
            return pushed

        derivative: Callable
        if mode == "rev":
            derivative, what = reverse, "cotangent"
            new = cast_like(us, self.outputs())
        else:
            derivative, what = forward, "tangent"
            new = cast_like(vs, self.xs)
        names = [f"{what} {i} of order {order}" for i in range(len(new))]
        return Point(derivative, self.xs + new, self.names + names, self.mode_after(mode))

    def mode_after(self, mode: str) -> str:
        return f"{self.mode}-{mode}" if self.mode else mode

    def displaced(self, t: float, vs: Arrays) -> tuple[Tensor, ...]:
        """x + t v, as tensors."""
        return tuple(Tensor(np.asarray(x + t * v)) for x, v in zip(self.xs, vs))

    def perturbed(self, rng: np.random.Generator) -> "Point":
        """This point with each number moved by up to one rounding."""
        moved = []
        for x in self.xs:
            roundings = rng.uniform(-1, 1, x.shape)
            factor = 1 + np.finfo(x.dtype).eps * roundings
            moved.append(np.asarray(x * factor, x.dtype))
        return self._replace(xs=moved)

    # ---- by the engine --------------------------------------------------------------------------

    def pullback(self, us: Arrays) -> Arrays:
        """J^T u."""
        ys, pull = vjp(self.function, *self.xs)
        return [g.numpy() for g in pull(tuple(cast_like(us, ys)))]

    def derivative_terms(self, mode: str, us: Arrays, vs: Arrays) -> np.ndarray:
        """The terms of <J^T u, v> ("rev") or of <u, J v> ("fwd"), multiplied in float64."""
        if mode == "rev":
            factors = zip(self.pullback(us), vs)
        else:
            tangents = tuple(cast_like(vs, self.xs))
            _, pushed = jvp(self.function, tuple(self.xs), tangents)
            factors = zip([y.numpy() for y in pushed], us)
        terms = [np.asarray(a, np.float64) * b for a, b in factors]
        return np.concatenate([term.ravel() for term in terms])

    # ---- for differences ------------------------------------------------------------------------

    def value_terms(self, us: Arrays, vs: Arrays, gs: Arrays) -> tuple[Callable, float]:
        """(t -> the terms of <u, f(x + t v)>, the magnitude of the numbers rounded in it).

        Both y and x are rounded: x counts by its sensitivity, |x * J^T u|. `gs` is J^T u. The pair
        is what `slope` takes.
        """

        def terms(t: float) -> np.ndarray:
            ys = self.function(*self.displaced(t, vs))
            return np.concatenate([(u * y.numpy()).ravel() for u, y in zip(us, ys)])

        sensitivity = sum(float(np.abs(x * g).sum()) for x, g in zip(self.xs, gs))
        return terms, float(np.abs(terms(0.0)).sum()) + sensitivity


def cast_like(arrays: Sequence, like: Sequence[Any]) -> Arrays:
    """The arrays, each in the dtype of its counterpart in `like`."""
    return [np.asarray(a, y.dtype) for a, y in zip(arrays, like)]
