"""A function at a point, and <u, J v> there: by the engine, and the values to take differences of.

The function may itself be a derivative, of (x, u) or (x, v), where u is a cotangent and v a tangent
of the function before: to check that is to check the next order.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.grad import vjp
from ..core.tensor import Tensor, asarray
from ..ops.derivatives import jvp
from .subject import directions


class Point(NamedTuple):
    """`function` takes tensors like `xs` and returns a tuple of floating ones."""

    function: Callable
    xs: list[np.ndarray]
    names: list[str]  # of xs
    mode: str = ""  # how the derivatives before were taken

    def drawn(self, rng) -> tuple[list, list]:
        """A random cotangent and direction: float64, of values that the dtypes here can hold."""
        us = [rng.normal(size=y.shape).astype(y.dtype) for y in self.value()]
        vs = directions(rng, self.xs)
        return [np.asarray(u, np.float64) for u in us], [np.asarray(v, np.float64) for v in vs]

    def value(self) -> tuple[Tensor, ...]:
        return self.function(*map(asarray, self.xs))

    def derivative(self, mode: str, order: int, us, vs) -> "Point":
        """(x, u) -> J(x)^T u at `us`, or (x, v) -> J(x) v at `vs`."""
        n, function = len(self.xs), self.function

        def rev(*both):
            return vjp(function, *both[:n])[1](both[n:])

        def fwd(*both):
            return jvp(function, both[:n], both[n:])[1]

        what, new = (
            ("cotangent", alike(us, self.value()))
            if mode == "rev"
            else ("tangent", alike(vs, self.xs))
        )
        names = [f"{what} {i} of order {order}" for i in range(len(new))]
        return Point(
            rev if mode == "rev" else fwd, self.xs + new, self.names + names, self.after(mode)
        )

    def after(self, mode: str) -> str:
        return f"{self.mode}-{mode}" if self.mode else mode

    def moved(self, t: float, vs) -> tuple[Tensor, ...]:
        return tuple(Tensor(np.asarray(x + t * v)) for x, v in zip(self.xs, vs))

    # ---- by the engine --------------------------------------------------------------------------

    def pulled(self, us) -> list[np.ndarray]:
        """J^T u."""
        ys, pull = vjp(self.function, *self.xs)
        return [g.numpy() for g in pull(tuple(alike(us, ys)))]

    def terms(self, mode: str, us, vs) -> np.ndarray:
        """The terms of <J^T u, v> or of <u, J v>, multiplied in float64."""
        if mode == "rev":
            pairs = zip(self.pulled(us), vs)
        else:
            pushed = jvp(self.function, tuple(self.xs), tuple(alike(vs, self.xs)))[1]
            pairs = zip([y.numpy() for y in pushed], us)
        return np.concatenate([(np.asarray(a, np.float64) * b).ravel() for a, b in pairs])

    # ---- for differences ------------------------------------------------------------------------

    def along(self, us, vs, gs) -> tuple[Callable, float]:
        """t -> the terms of <u, f(x + t v)>, and the size of the numbers whose rounding they feel.

        That is y, and x where the slope feels it: `gs` is J^T u.
        """

        def terms(t):
            ys = self.function(*self.moved(t, vs))
            return np.concatenate([(u * y.numpy()).ravel() for u, y in zip(us, ys)])

        felt = sum(float(np.abs(x * g).sum()) for x, g in zip(self.xs, gs))
        return terms, float(np.abs(terms(0.0)).sum()) + felt

    def shaken(self, rng) -> "Point":
        """This point, each number moved by up to a rounding."""
        return self._replace(
            xs=[
                np.asarray(x * (1 + np.finfo(x.dtype).eps * rng.uniform(-1, 1, x.shape)), x.dtype)
                for x in self.xs
            ]
        )


def alike(arrays, like) -> list[np.ndarray]:
    """The arrays in the dtypes of others."""
    return [np.asarray(a, y.dtype) for a, y in zip(arrays, like)]
