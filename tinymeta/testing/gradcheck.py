"""Gradients of any order against differences of values, along random directions.

For y = f(x), random normal v and u (never ones: a sum hides the errors of a softmax):
    <u, J v>  from vjp        against        d/dh <u, f(x + h v)>  from differences
The next order is the same check of the function (x, u) -> J^T u, with directions drawn anew.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.grad import vjp
from ..core.tensor import Tensor, asarray

STEP = 2e-3             # the differences are of fourth order: rounding and truncation meet near here
COARSEST = 1e-5         # a tolerance above this share of the derivative's scale decides nothing


class Check(NamedTuple):
    """One comparison: the derivative along a direction, twice, and how far apart they may be."""
    order: int
    analytic: float
    numeric: float
    tolerance: float

    @property
    def error(self) -> float:
        return abs(self.analytic - self.numeric)

    @property
    def passed(self) -> bool:
        return bool(self.error <= self.tolerance)                       # NaN compares false

    def __str__(self):
        return (f"order {self.order}: analytic {self.analytic:.12g}, numeric {self.numeric:.12g}, "
                f"error {self.error:.3g}, tolerance {self.tolerance:.3g}")


class Report(NamedTuple):
    """The checks made, all of them passed."""
    checks: list[Check]

    def __str__(self):
        return "\n".join(map(str, self.checks))


def check_grads(f: Callable, *args, order: int = 2, directions: int = 2, seed=0) -> Report:
    """Check the derivatives of `f` at `args` up to `order`, in float64.

    f takes trees of arrays and returns a tree of tensors; floating leaves are cast to float64 and
    differentiated, all others stay as they are. seed: a number or a numpy.random.Generator.
    Raises AssertionError with a report that names the order, both values and the worst entry;
    ValueError if order < 1 or if `f` has no floating input or output.
    """
    if order < 1:
        raise ValueError(f"check_grads: order must be at least 1, got {order}")
    rng = np.random.default_rng(seed)
    flat, rebuild = tree.flatten(args)
    flat = [np.asarray(asarray(x).numpy()) for x in flat]
    places = [k for k, x in enumerate(flat) if x.dtype.kind == "f"]

    def level(*xs):
        full = list(flat)
        for k, x in zip(places, xs):
            full[k] = x
        outputs = tree.leaves(tree.map(asarray, f(*rebuild(full))))
        return [y for y in outputs if y.dtype.kind == "f"]

    xs = [flat[k].astype(np.float64) for k in places]
    if not xs or not level(*xs):
        raise ValueError("check_grads: f has no floating input or no floating output, so there is "
                         "nothing to differentiate")
    checks = []
    for k in range(1, order + 1):
        cotangents = [rng.normal(size=y.shape) for y in level(*xs)]
        for _ in range(directions):
            v = [rng.normal(size=x.shape) for x in xs]
            checks.append(compare(level, xs, cotangents, v, k))
            if not checks[-1].passed:
                raise AssertionError(f"the derivative of order {k} is wrong along a random direction\n"
                                     f"{checks[-1]}\n{worst_entry(level, xs, cotangents, k)}")
        level, xs = pulled(level, len(xs)), xs + cotangents
    return Report(checks)


def pulled(level: Callable, count: int) -> Callable:
    """The function (x, u) -> J(x)^T u, whose derivatives are the next order's."""
    def gradient(*both):
        _, pull = vjp(level, *both[:count])
        return list(pull(list(both[count:])))
    return gradient


def compare(level, xs, cotangents, v, order) -> Check:
    """<u, J v> from the pullback and from fourth-order differences at two steps, whose distance tells the truncation."""
    _, pull = vjp(level, *xs)
    analytic = inner(pull([asarray(u) for u in cotangents]), v)

    def value(h):
        return inner(level(*(x + h * d for x, d in zip(xs, v))), cotangents)

    def slope(h):                                                       # error ~ h^4
        return (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)

    h = STEP * max([1.0, *(float(np.abs(x).max(initial=0)) for x in xs)])
    coarse, fine = slope(h), slope(h / 2)
    size = sum(float(np.abs(u * y.numpy()).sum()) for u, y in zip(cotangents, level(*xs)))
    rounding = 16 * np.finfo(np.float64).eps * size / h
    scale = max(abs(analytic), abs(fine), size, 1e-300)
    return Check(order, analytic, fine, min(abs(coarse - fine) + rounding, COARSEST * scale))


def inner(a, b) -> float:
    """The sum of products of two lists of arrays."""
    return float(sum(np.sum(np.asarray(x, np.float64) * np.asarray(y)) for x, y in zip(a, b)))


def worst_entry(level, xs, cotangents, order) -> str:
    """Where a single input's derivative is furthest from its difference."""
    worst = None
    for k, x in enumerate(xs):
        for index in list(np.ndindex(x.shape))[:1000]:
            v = [np.zeros(z.shape) for z in xs]
            v[k][index] = 1.0
            check = compare(level, xs, cotangents, v, order)
            if worst is None or not check.error <= worst[0].error:
                worst = check, k, index
    return f"worst entry: input {worst[1]}, index {worst[2]}; {worst[0]}"
