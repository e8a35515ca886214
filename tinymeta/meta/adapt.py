"""The inner loop: theta' <- theta - alpha grad L(theta), `steps` times, for all tasks at once.

Everything here is a differentiable computation, the gradient included. Tasks don't meet, so the
gradient of the sum over tasks is every task's own gradient.
"""

from collections.abc import Callable

from .. import ops
from ..core import tree
from ..core.checks import flag, function, whole
from ..core.grad import grad, stop_gradient
from ..core.scope import scope
from ..core.tensor import asarray
from ..nn.optim import rate_tree


def adapt(loss: Callable, params, support, *, lr, steps: int, first_order: bool = False):
    """Parameters after `steps` gradient steps on the support set.

    loss(params, batch) -> (T,), or a scalar without a task axis.
    params: a tree of (T, ...), or without T.
    lr: a number or tensor, or a tree of them like params; a Python 0 leaves that leaf unadapted.
    first_order treats each gradient as a constant, which drops the second derivatives.
    Raises ValueError if steps < 0, and for a loss of another shape, which would change the rate:
    a mean over T tasks divides it by T, losses of N examples multiply it by N.
    """
    function("adapt", loss=loss)
    whole("adapt", 0, steps=steps)
    flag("adapt", first_order=first_order)
    rate = rate_tree(lr, params)
    for k in range(steps):
        with scope(f"inner {k + 1}"):
            g = grad(lambda p: of_tasks(loss(p, support), p, support).sum())(params)
            g = stop_gradient(g) if first_order else g
            params = tree.map(
                lambda p, g, a: p if type(a) is int and a == 0 else asarray(p) - a * g,
                params,
                g,
                rate,
            )
    return params


def of_tasks(losses, params, batch):
    """The losses, if they are one for each task or, without a task axis, one number.

    There is a task axis if all parameters and all parts of the batch are of one leading size; a
    single parameter could be so by chance, and then the batch has to have a third axis, too.
    Raises ValueError for another shape.
    """
    losses = asarray(losses)
    theirs, given = (
        [asarray(leaf).shape for leaf in tree.leaves(part)] for part in (params, batch)
    )
    leading = {shape[0] if shape else None for shape in (*theirs, *given)}
    aligned = len(leading) == 1 and None not in leading
    sure = len(theirs) > 1 or max((len(shape) for shape in given), default=0) > 2
    if (
        losses.shape == ()
        and not (aligned and sure and leading != {1})
        or aligned
        and losses.shape == (*leading,)
    ):
        return losses
    wanted = (
        f"({min(leading)},), one number for each task"
        if aligned
        else "(T,) where parameters and batch have a task axis T first, and one number where not"
    )
    raise ValueError(
        f"adapt: the loss has the shape {losses.shape} and must have {wanted}: "
        "take the mean over examples and features, and not over tasks"
    )


def count_tasks(*batches) -> int:
    """T, the leading size of all arrays in the trees. Raises ValueError if they differ or T = 0."""
    sizes = {len(leaf) for leaf in tree.leaves(batches)}
    if len(sizes) != 1 or not min(sizes):
        raise ValueError(
            "support and query must be of the same tasks, at least one, x and y with "
            f"the task axis first, got leading sizes {sorted(sizes)}"
        )
    return sizes.pop()


def for_each_task(params, count: int):
    """Every task its own copy: a tree of (...) -> (T, ...). The gradient sums over the copies."""
    return tree.map(lambda p: ops.broadcast_to(p, (count, *asarray(p).shape)), params)


def adapted_to_each(loss: Callable, params, support, **inner):
    """The copies (T, ...), each adapted to its support set; inner: as of `adapt`."""
    return adapt(loss, for_each_task(params, count_tasks(support)), support, **inner)


def rates_except_norm(params, lr):
    """`lr` for every leaf but the offsets and scales of normalisation layers, which get 0.

    They are meta-learned and not adapted, as in the code of Finn et al. 2017.
    """
    flat, rebuild = tree.flatten(params)
    norms = [path.endswith(("['offset']", "['scale']")) for path in tree.paths(params)]
    return rebuild([0 if norm else lr for norm in norms])
