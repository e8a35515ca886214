"""What a wrong meta-gradient is the gradient of, by name.

    exact        J' grad L_i(theta'_i)    theta'_i = adapt_i(theta), J = d theta'_i / d theta
    first order  grad L_i(theta'_i)       as if J were the identity

What comes out instead of the exact one is most often the gradient of another function of theta:
without second derivatives, without adapting, of the support set; or it has another factor. Each of
those functions is compared with it along the directions of the check, and the one that fits names
the fault.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from .metaslopes import compare

_FIRST_ORDER = (
    "this is the first-order MAML gradient: the second-derivative term is lost "
    "(look for a stop_gradient or a missing create_graph)"
)
_PLAIN = "this is the plain gradient at theta, not adapted"
_SUPPORT = "this is the gradient of the support loss after adapting: the query set is not used"
FACTORS = {
    "mean": "the sum where the mean was expected (a factor T)",
    "sum": "the mean where the sum was expected (a factor 1/T)",
}
_NEGATIVE = "with its sign flipped"
ZERO = "it is zero (nothing of theta reaches the loss, or the rules return nothing)"
_COARSE = "it is right to four digits: was it computed in float32?"


def objectives(
    loss: Callable, adapt: Callable, theta: Any, support: Any, query: Any, count: int
) -> tuple[Callable, dict[str, Callable]]:
    """(F, the functions that are differentiated by mistake, by the fault's name).

    Each is a function theta -> (T,) losses.
    """

    def copies(theta: Any) -> Any:
        return tree.map(lambda x: np.repeat(x[None], count, axis=0), theta)

    def exact(moved: Any) -> Any:
        losses = loss(adapt(copies(moved), support), query)
        shape = np.asarray(losses).shape
        if shape != (count,):
            raise AssertionError(
                f"check_meta_grad: the loss must be (T,), one for each task, here "
                f"({count},), and is {shape}: reduce over the examples alone"
            )
        return losses

    def first_order(moved: Any) -> Any:
        """adapt(theta) - theta is a constant, so d adapt / d theta is the identity."""
        start = copies(theta)
        change = tree.map(lambda a, x: np.asarray(a) - x, adapt(start, support), start)
        return loss(tree.map(np.add, copies(moved), change), query)

    return exact, {
        _FIRST_ORDER: first_order,
        _PLAIN: lambda moved: loss(copies(moved), query),
        _SUPPORT: lambda moved: loss(adapt(copies(moved), support), support),
    }


def name_of_fault(
    known: dict[str, Callable], weight: float, count: int, factor: str, theta: Any, g: Any, vs: list
) -> str:
    """The name of the function and factor whose gradient `g` is, if it is one of the known.

    Every function with every factor is compared along every direction, until one fits all of them.
    """
    if not any(np.any(x) for x in tree.leaves(g)):
        return ": " + ZERO
    other_weight = weight * count if weight != 1 else weight / count
    for scale, remark in [(weight, ""), (other_weight, factor), (-weight, _NEGATIVE)]:
        for name, objective in known.items():
            if all(compare(objective, scale, theta, g, v).verdict == "right" for v in vs):
                return ": " + ", ".join(part for part in (name, remark) if part)
    rows = [compare(known[""], weight, theta, g, v) for v in vs]
    if all(row.error < 1e-4 * row.numeric.size for row in rows):
        return ": " + _COARSE
    return ""
