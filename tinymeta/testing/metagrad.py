"""Is a meta-gradient right? The whole inner loop, differentiated by differences.

    F(theta) = mean over tasks of L_i(adapt_i(theta); query)            (Finn et al. 2017, eq. 1)
    exact  J' grad L_i(theta'_i)     first order  grad L_i(theta'_i)     J = d adapt / d theta

Only values of F are asked for, so whoever computed the gradient may know nothing of this engine.
What most often comes out instead of it is the gradient of some other function of theta; each of
those is differentiated along the same directions, and the one that fits gives the fault a name.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core import tree
from .differences import slope
from .kinks import Kink, crossed
from .report import Report, Row, Undecided
from .subject import Vacuous

FIRST_ORDER = (
    "this is the first-order MAML gradient: the second-derivative term is lost "
    "(look for a stop_gradient or a missing create_graph)"
)
PLAIN = "this is the plain gradient at theta, not adapted"
SUPPORT = "this is the gradient of the support loss after adapting: the query set is not used"
FACTORS = {
    "mean": "the sum where the mean was expected (a factor T)",
    "sum": "the mean where the sum was expected (a factor 1/T)",
}
NEGATIVE = "with its sign flipped"
ZERO = "it is zero (nothing of theta reaches the loss, or the rules return nothing)"
COARSE = "it is right to four digits: was it computed in float32?"


class MetaReport(NamedTuple):
    """The comparisons in rows, and the cosine to the numeric gradient within their directions."""

    rows: tuple[Row, ...]
    cosine: float
    norm_ratio: float  # of what meta_grad returned, to the numeric one

    def __str__(self):
        return (
            f"{Report(self.rows)}\nin these directions: cosine {self.cosine:.6f}, "
            f"norm ratio {self.norm_ratio:.6g}"
        )


def check_meta_grad(
    meta_grad: Callable,
    loss: Callable,
    adapt: Callable,
    params,
    tasks,
    *,
    seed=0,
    n_dirs: int = 4,
    over_tasks: str = "mean",
) -> MetaReport:
    """Compare the gradient that `meta_grad` returns with differences of the adapted query loss.

    That is, of F(theta) = mean_i L_i(adapt_i(theta); query) (Finn et al. 2017, eq. 1), along
    `n_dirs` orthogonal random directions; no step in `adapt` makes it the plain gradient.

    meta_grad(params, tasks) -> a tree like params, or (metrics, tree).
    loss(params (T, ...), batch) -> (T,) and adapt(params (T, ...), support) -> params (T, ...):
    every task has its own copy. All three are given NumPy arrays, floats in float64, and return
    tensors or arrays, computed in float64.
    tasks: (support, query), task axis first. over_tasks: "mean" or "sum" of the tasks' losses.

    Raises AssertionError with the table of comparisons, the leaf that is most off, and the name of
    the fault where it is a known one; ValueError if there is nothing to check, or, as `Vacuous`, if
    neither the losses move nor the gradient says so.
    """
    if n_dirs < 1 or over_tasks not in FACTORS:
        raise ValueError(
            f"check_meta_grad: n_dirs {n_dirs} must be at least 1, "
            f"over_tasks {over_tasks!r} 'mean' or 'sum'"
        )
    theta = tree.map(lambda x: np.array(x, np.float64), params)
    support, query = tasks = tree.map(in_float64, tasks)
    if not sum(x.size for x in tree.leaves(theta)):
        raise ValueError("check_meta_grad: there are no parameters to differentiate")
    count = len(tree.leaves(support)[0])
    weight = 1 / count if over_tasks == "mean" else 1.0
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        exact, others = objectives(loss, adapt, theta, support, query, count)
        g = gradient_of(meta_grad(tree.map(np.copy, theta), tasks), theta)
        vs = directions(theta, n_dirs, np.random.default_rng(seed))
        rows = tuple(compare(exact, weight, theta, g, v, d) for d, v in enumerate(vs, 1))
        report = MetaReport(rows, *angle_and_ratio(rows))
        bad = next((row for row in rows if row.verdict != "right"), None)
        if all(row.numeric.size <= row.numeric.tolerance and row.size == 0 for row in rows):
            raise Vacuous(
                "check_meta_grad: the query losses do not move with the parameters, so "
                "the check could not fail: choose parameters where they move"
            )
        if bad is None:
            return report
        fault = (
            named({"": exact, **others}, weight, count, FACTORS[over_tasks], theta, g, vs)
            if bad.verdict == "wrong"
            else ""
        )
        kinks = kinks_met(exact, theta, vs[bad.direction - 1], bad.numeric.step)
        kind = Undecided if bad.verdict == "undecided" else AssertionError
        raise (Kink if kinks and not fault else kind)(
            "\n".join(
                [
                    headline(bad) + fault,
                    str(report),
                    worst_leaf(exact, weight, theta, g, vs[0]),
                    *kinks,
                ]
            )
        )


def in_float64(x):
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


# ---- what a gradient may be the gradient of -----------------------------------------------------


def objectives(loss, adapt, theta, support, query, count):
    """F, and by the fault's name what is differentiated by mistake: trees theta -> (T,)."""

    def copies(theta):
        return tree.map(lambda x: np.repeat(x[None], count, axis=0), theta)

    def first_order(moved):
        """adapt(theta) - theta is a constant, so d adapt / d theta is the identity."""
        start = copies(theta)
        change = tree.map(lambda a, x: np.asarray(a) - x, adapt(start, support), start)
        return loss(tree.map(np.add, copies(moved), change), query)

    def exact(moved):
        losses = loss(adapt(copies(moved), support), query)
        shape = np.asarray(losses).shape
        if shape != (count,):
            raise AssertionError(
                f"check_meta_grad: the loss must be (T,), one for each task, here "
                f"({count},), and is {shape}: reduce over the examples alone"
            )
        return losses

    return exact, {
        FIRST_ORDER: first_order,
        PLAIN: lambda moved: loss(copies(moved), query),
        SUPPORT: lambda moved: loss(adapt(copies(moved), support), support),
    }


def named(known, weight, count, factor, theta, g, vs) -> str:
    """The name of the function and factor whose gradient `g` is, if it is one of the known."""
    if not any(np.any(x) for x in tree.leaves(g)):
        return ": " + ZERO
    other = weight * count if weight != 1 else weight / count
    for scale, remark in [(weight, ""), (other, factor), (-weight, NEGATIVE)]:
        for name, objective in known.items():
            if all(compare(objective, scale, theta, g, v).verdict == "right" for v in vs):
                return ": " + ", ".join(part for part in (name, remark) if part)
    exact = [compare(known[""], weight, theta, g, v) for v in vs]
    return f": {COARSE}" if all(row.error < 1e-4 * row.numeric.size for row in exact) else ""


# ---- the two sides of a comparison --------------------------------------------------------------


def gradient_of(result, theta):
    """The tree of arrays in what meta_grad returned: the gradient, or (metrics, gradient)."""
    if tree.paths(result) != tree.paths(theta) and isinstance(result, tuple) and len(result) == 2:
        result = result[1]
    if tree.paths(result) != tree.paths(theta):
        raise AssertionError(
            f"check_meta_grad: the gradient has the leaves {tree.paths(result)}, "
            f"the parameters {tree.paths(theta)}"
        )
    g = [np.asarray(x, np.float64) for x in tree.leaves(result)]
    for path, x, own in zip(tree.paths(theta), tree.leaves(theta), g):
        if own.shape != x.shape:
            raise AssertionError(
                f"check_meta_grad: the gradient of {path or 'the parameters'} has "
                f"the shape {own.shape}, the parameter {x.shape}: "
                "are the tasks' gradients summed?"
            )
    return tree.flatten(theta)[1](g)


def directions(theta, n: int, rng) -> list:
    """Orthogonal ones, so that a cosine can be told; n, or as many as there are parameters."""
    flat, rebuild = tree.flatten(theta)
    size = sum(x.size for x in flat)
    basis = np.linalg.qr(rng.normal(size=(size, min(n, size))))[0].T * np.sqrt(size)
    cuts = np.cumsum([x.size for x in flat])[:-1]
    return [
        rebuild([part.reshape(x.shape) for part, x in zip(np.split(row, cuts), flat)])
        for row in basis
    ]


def compare(objective, weight, theta, g, v, number: int = 1) -> Row:
    """<g, v> against the slope of `weight * objective.sum()` along v."""

    def terms(t):
        losses = objective(tree.map(lambda x, d: x + t * d, theta, v))
        return weight * np.asarray(losses, np.float64).ravel()

    products = tree.map(np.multiply, g, v)
    parts = np.concatenate([x.ravel() for x in tree.leaves(products)])
    felt = sum(float(np.abs(x).sum()) for x in tree.leaves(tree.map(np.multiply, g, theta)))
    numeric = slope(terms, float(np.abs(terms(0.0)).sum()) + felt)
    return Row(1, "rev", number, float(parts.sum()), numeric, float(np.abs(parts).sum()))


def angle_and_ratio(rows) -> tuple[float, float]:
    """Equal gradients have cosine 1 and ratio 1; two zeros count as equal."""
    ours = np.array([row.analytic for row in rows])
    numeric = np.array([row.numeric.value for row in rows])
    a, b = np.linalg.norm(ours), np.linalg.norm(numeric)
    return (1.0, 1.0) if a == b == 0 else (float(ours @ numeric / (a * b)), float(a / b))


# ---- what a failure says ------------------------------------------------------------------------


def headline(row: Row) -> str:
    why = ": a kink or an edge of the domain is near, or rounding hides it: choose other inputs"
    return (
        "check_meta_grad: the meta-gradient "
        + {
            "wrong": "is wrong",
            "not finite": "is not finite",
            "undecided": "cannot be decided by differences" + why,
        }[row.verdict]
    )


def worst_leaf(objective, weight, theta, g, v) -> str:
    """The leaf along whose own part of the direction the two sides are furthest apart."""
    flat, rebuild = tree.flatten(v)
    found = []
    for k, path in enumerate(tree.paths(v)):
        alone = rebuild([x if i == k else np.zeros_like(x) for i, x in enumerate(flat)])
        row = compare(objective, weight, theta, g, alone)
        found.append((row.error if np.isfinite(row.error) else np.inf, path, row))
    _, path, row = max(found, key=lambda entry: entry[0])
    return (
        f"most off: {path or 'the parameters'}: analytic {row.analytic:.12g}, "
        f"numeric {row.numeric.value:.12g} along direction 1"
    )


def kinks_met(objective, theta, v, step) -> list[str]:
    """A line that names what has a kink between the points compared, if anything has."""
    here, there = (tree.map(lambda x, d: x + t * d, theta, v) for t in (-step, step))
    names = ", ".join(crossed(objective, (here,), (there,)))
    return [f"kinks between the points compared: {names}; choose other inputs"] if names else []
