"""The inner loop: theta' <- theta - alpha grad L(theta), `steps` times, for all tasks at once.

Everything here is a differentiable computation, the gradient included. Tasks don't meet, so the
gradient of the sum over tasks is every task's own gradient.
"""

from collections.abc import Callable

from .. import ops
from ..core import tree
from ..core.grad import grad, stop_gradient
from ..core.scope import scope
from ..core.tensor import asarray
from ..nn.optim import rates


def adapt(loss: Callable, params, support, *, lr, steps: int, first_order: bool = False):
    """Parameters after `steps` gradient steps on the support set.

    loss(params, batch) -> (T,), or a scalar without a task axis.
    params: a tree of (T, ...), or without T.
    lr: a number or tensor, or a tree of them like params; a Python 0 leaves that leaf unadapted.
    first_order treats each gradient as a constant, which drops the second derivatives.
    Raises ValueError if steps < 0.
    """
    if steps < 0:
        raise ValueError(f"adapt: steps must be 0 or more, got {steps}")
    rate = rates(lr, params)
    for k in range(steps):
        with scope(f"inner {k + 1}"):
            g = grad(lambda p: loss(p, support).sum())(params)
            g = stop_gradient(g) if first_order else g
            params = tree.map(
                lambda p, g, a: p if type(a) is int and a == 0 else asarray(p) - a * g,
                params, g, rate)
    return params


def for_each_task(params, count: int):
    """Every task its own copy: a tree of (...) -> (T, ...). The gradient sums over the copies."""
    return tree.map(lambda p: ops.broadcast_to(p, (count, *asarray(p).shape)), params)


def adapted_to_each(loss: Callable, params, support, **inner):
    """The copies (T, ...), each adapted to its support set; inner: as of `adapt`."""
    return adapt(loss, for_each_task(params, len(tree.leaves(support)[0])), support, **inner)


def rates_except_norm(params, lr):
    """`lr` for every leaf but the offsets and scales of normalisation layers, which get 0.

    They are meta-learned and not adapted, as in the code of Finn et al. 2017.
    """
    flat, rebuild = tree.flatten(params)
    norms = [path.endswith(("['offset']", "['scale']")) for path in tree.paths(params)]
    return rebuild([0 if norm else lr for norm in norms])
