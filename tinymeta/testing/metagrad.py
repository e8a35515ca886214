"""The check of a meta-gradient: the whole inner loop, differentiated by differences.

    F(theta) = mean over tasks of L_i(adapt_i(theta); query)            (Finn et al. 2017, eq. 1)

Only values of F are asked for, so whoever computed the gradient may know nothing of this engine.
A gradient that is wrong is most often that of another function of theta: metafaults.py finds which,
as a number that is off says that there is a fault, and not which.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import check_function, check_one_of, check_whole, shown
from .foreign import as_numpy
from .frameworks import on_arrays_of
from .kinks import Kink, crossed_kinks
from .metafaults import FACTORS, name_of_fault, objectives
from .metaslopes import compare, cosine_and_ratio, gradient_in, orthogonal_directions
from .refusals import Vacuous
from .report import Report, Row, Undecided


class MetaReport(NamedTuple):
    """The comparisons in rows, and the cosine to the numeric gradient within their directions."""

    rows: tuple[Row, ...]
    cosine: float
    norm_ratio: float  # of what meta_grad returned, to the numeric one

    def __str__(self) -> str:
        return (
            f"{Report(self.rows)}\nin these directions: cosine {self.cosine:.6f}, "
            f"norm ratio {self.norm_ratio:.6g}"
        )


def check_meta_grad(
    meta_grad: Callable,
    loss: Callable,
    adapt: Callable,
    params: Any,
    tasks: Any,
    *,
    seed: int | np.random.Generator = 0,
    n_dirs: int = 4,
    over_tasks: str = "mean",
    per_task: bool = False,
) -> MetaReport:
    """Compare the gradient that `meta_grad` returns with differences of the adapted query loss.

    That is, of F(theta) = mean_i L_i(adapt_i(theta); query) (Finn et al. 2017, eq. 1), along
    `n_dirs` orthogonal random directions; no step in `adapt` makes it the plain gradient.

    meta_grad(params, tasks) -> a tree like params, or (metrics, tree).
    loss(params (T, ...), batch) -> (T,) and adapt(params (T, ...), support) -> params (T, ...):
    every task has its own copy; with `per_task` they are of one task and have no T, and the loss is
    a number. All three are given arrays of the framework of `params`, of NumPy for tensors of ours,
    floats in float64, and return arrays or tensors, computed in float64.
    params: a tree of arrays; a PyTorch module stands for the dict of its named parameters.
    tasks: (support, query), task axis first. over_tasks: "mean" or "sum" of the tasks' losses.

    Costs at least 8 evaluations of F for each direction, of which each adapts to all tasks; a
    failure as many again for each fault that it tries to name.

    Raises AssertionError with the table of comparisons, the leaf that is most off, and the name of
    the fault where it is a known one; ValueError if there is nothing to check, or, as `Vacuous`, if
    neither the losses move nor the gradient says so.
    """
    (n_dirs,) = check_whole("check_meta_grad", n_dirs=n_dirs)
    check_one_of("check_meta_grad", (*FACTORS,), over_tasks=over_tasks)
    check_function("check_meta_grad", meta_grad=meta_grad, loss=loss, adapt=adapt)
    count = _number_of_tasks(tasks)
    params = _tree_of_arrays(params)
    on_arrays = on_arrays_of(params)
    meta_grad, loss, adapt = on_arrays(meta_grad), on_arrays(loss), on_arrays(adapt)
    if per_task:
        loss, adapt = _for_each_task(loss), _for_each_task(adapt)
    theta = tree.map(lambda x: np.array(as_numpy(x), np.float64), params)
    tasks = tree.map(_floats_in_float64, tasks)
    support, query = tasks
    if not sum(x.size for x in tree.leaves(theta)):
        raise ValueError("check_meta_grad: there are no parameters to differentiate")
    weight = 1 / count if over_tasks == "mean" else 1.0
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        exact, mistaken = objectives(loss, adapt, theta, support, query, count)
        g = gradient_in(meta_grad(tree.map(np.copy, theta), tasks), theta)
        vs = orthogonal_directions(theta, n_dirs, np.random.default_rng(seed))
        rows = tuple(compare(exact, weight, theta, g, v, d) for d, v in enumerate(vs, 1))
        report = MetaReport(rows, *cosine_and_ratio(rows))
        if all(row.numeric.size <= row.numeric.tolerance and row.size == 0 for row in rows):
            raise Vacuous(
                "check_meta_grad: the query losses do not move with the parameters, so "
                "the check could not fail: choose parameters where they move"
            )
        bad = next((row for row in rows if row.verdict != "right"), None)
        if bad is None:
            return report

        fault = ""
        if bad.verdict == "wrong":
            known = {"": exact, **mistaken}
            fault = name_of_fault(known, weight, count, FACTORS[over_tasks], theta, g, vs)
        kinks = _kinks_met(exact, theta, vs[bad.direction - 1], bad.numeric.step)
        kind: type[AssertionError] = AssertionError
        if kinks and not fault:
            kind = Kink
        elif bad.verdict == "undecided":
            kind = Undecided
        worst = _worst_leaf(exact, weight, theta, g, vs[0])
        raise kind("\n".join([_headline(bad) + fault, str(report), worst, *kinks]))


def _tree_of_arrays(params: Any) -> Any:
    """params; of a PyTorch module the dict of its parameters. Raises TypeError for what is none."""
    if hasattr(params, "named_parameters"):
        params = dict(params.named_parameters())
    for path, x in zip(tree.paths(params), tree.leaves(params)):
        if not hasattr(x, "dtype") and not isinstance(x, (int, float)):
            raise TypeError(
                f"check_meta_grad: params{path} is {shown(x)}, which is no array: give a tree of "
                "arrays, such as a dict of them by their names"
            )
    return params


def _number_of_tasks(tasks: Any) -> int:
    """T, of the axis with which the arrays of (support, query) begin. Raises ValueError."""
    sizes = {len(x) for x in tree.leaves(tasks) if getattr(x, "ndim", 0)}
    if not isinstance(tasks, (tuple, list)) or len(tasks) != 2 or len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            "check_meta_grad: tasks must be (support, query), whose arrays all begin with an axis "
            f"of T >= 1 tasks; T is {sorted(sizes) or 'nowhere'} in a {type(tasks).__name__}"
        )
    return sizes.pop()


def _for_each_task(f: Callable) -> Callable:
    """`f` of one task, as a function of trees whose leaves have the task axis first."""

    def each(*trees: Any) -> Any:
        count = len(tree.leaves(trees)[0])
        found = [
            f(*(tree.map(lambda x, i=i: np.asarray(x[i]), t) for t in trees)) for i in range(count)
        ]
        return tree.map(lambda *parts: np.stack(list(map(as_numpy, parts))), *found)

    return each


def _floats_in_float64(x: Any) -> np.ndarray:
    x = as_numpy(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


# ---- what a failure says ------------------------------------------------------------------------

_HEADLINES = {
    "wrong": "is wrong",
    "not finite": "is not finite",
    "undecided": "cannot be decided by differences: a kink or an edge of the domain is near, or "
    "rounding hides it: choose other inputs",
}


def _headline(row: Row) -> str:
    return f"check_meta_grad: the meta-gradient {_HEADLINES[row.verdict]}"


def _worst_leaf(objective: Callable, weight: float, theta: Any, g: Any, v: Any) -> str:
    """The leaf along whose own part of the direction the two sides are furthest apart."""
    leaves, rebuild = tree.flatten(v)
    worst_error = -np.inf
    for k, path in enumerate(tree.paths(v)):
        alone = rebuild([x if i == k else np.zeros_like(x) for i, x in enumerate(leaves)])
        row = compare(objective, weight, theta, g, alone)
        error = row.error if np.isfinite(row.error) else np.inf
        if error > worst_error:
            worst_error, worst_path, worst = error, path, row
    return (
        f"most off: {worst_path or 'the parameters'}: analytic {worst.analytic:.12g}, "
        f"numeric {worst.numeric.value:.12g} along direction 1"
    )


def _kinks_met(objective: Callable, theta: Any, v: Any, step: float) -> list[str]:
    """A line that names what has a kink between the points compared, if anything has."""
    before = tree.map(lambda x, d: x - step * d, theta, v)
    after = tree.map(lambda x, d: x + step * d, theta, v)
    names = ", ".join(crossed_kinks(objective, (before,), (after,)))
    return [f"kinks between the points compared: {names}; choose other inputs"] if names else []
