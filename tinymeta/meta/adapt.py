"""The inner loop: gradient descent on the support set, for all tasks at once.

    theta_0 = theta,    theta_{k+1} = theta_k - alpha grad L(theta_k; support),    theta' = theta_K

(Finn, Abbeel & Levine 2017, equation 1, repeated K = `steps` times.) Two things make it short.

It is an ordinary computation. Its gradient is made of operations like all others, so theta' is a
differentiable function of theta, and a `grad` outside passes through the steps by itself.
For one step, with H the Hessian of L at theta, the chain rule multiplies the outer gradient by

    d theta' / d theta = I - alpha H.

That is the second derivative in MAML. With first_order the gradient is a constant to the outer
derivative, and I is left of it.

All tasks are one computation. Each task i has a copy theta_i of the parameters, a slice of a tree
of (T, ...), and its loss L_i depends on no other copy. So the gradient of the sum of the losses,

    d (L_1 + .. + L_T) / d theta_i = d L_i / d theta_i,

is each task's own gradient, in its slice: one backward pass and no loop over tasks.
"""

from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import tree
from ..core.checks import check_flag, check_function, check_whole
from ..core.grad import stop_gradient
from ..core.scope import scope
from ..core.tensor import Tensor, asarray
from ..nn.optim import rate_tree
from .recompute import check_remat, grad_of_mode, run_steps


def adapt(
    loss: Callable,
    params: Any,
    support: Any,
    *,
    lr: Any,
    steps: int,
    first_order: bool = False,
    remat: str | None = None,
    mode: str = "reverse",
) -> Any:
    """Parameters after `steps` gradient steps on the support set, a tree like `params`.

    loss(params, batch) -> (T,), or a scalar without a task axis: not a loss of predictions, as
    methods take it, but the objective that `objective_of` (method.py) makes of one.
    params: a tree of (T, ...), T the number of tasks, or without T. support: a batch for the loss.
    lr: a number or tensor, or a tree of them like params; the int 0 leaves that leaf unadapted.
    first_order treats each gradient as a constant, which drops the second derivatives.
    remat: which steps an outer derivative runs once more, instead of holding what they recorded:
    "steps", "sqrt" or "nested" (recompute.py); None holds all.
    mode: "reverse", or "mixed", where an outer derivative passes through each gradient by forward
    mode, and nothing is held of it but where it was taken (ops/mixed.py). Neither `remat` nor
    `mode` changes the derivative.
    Raises ValueError if steps < 0, for another `remat` or `mode`, and for a loss of another shape,
    as the sum of the losses is differentiated: a mean over T tasks would divide the rate by T,
    losses of N examples multiply it by N.

    >>> import tinymeta as tm
    >>> def loss(theta, target):
    ...     return (theta - target) ** 2
    >>> float(tm.meta.adapt(loss, 0.0, 1.0, lr=0.25, steps=1))
    0.5
    >>> outer = lambda theta: loss(tm.meta.adapt(loss, theta, 1.0, lr=0.25, steps=1), 2.0)
    >>> float(tm.grad(outer)(0.0))  # through the step: (1 - 0.25 * 2) * 2 * (0.5 - 2)
    -1.5
    """
    check_function("adapt", loss=loss)
    check_whole("adapt", 0, steps=steps)
    check_flag("adapt", first_order=first_order)
    check_remat("adapt", remat, mode)
    rates = rate_tree(lr, params)

    def total_loss(params):
        losses = asarray(loss(params, support))  # (T,), or a scalar
        _check_one_loss_per_task(losses, params, support)
        return losses.sum()

    def step(k, params):
        with scope(f"inner {k + 1}"):  # what `tm.explain` calls the operations in it
            gradient = grad_of_mode(mode)(total_loss)(params)  # `tm.grad`, unless it is "mixed"
            if first_order:
                gradient = stop_gradient(gradient)
            return tree.map(_descend, params, gradient, rates)

    return run_steps(step, params, steps, remat)  # a loop over k, unless `remat` asks for more


def adapt_each_task(objective: Callable, params: Any, support: Any, **inner_loop: Any) -> Any:
    """One set of parameters (...) adapted to each of T tasks by itself: theta'_i, (T, ...).

    objective: the `loss` of `adapt`; inner_loop: its lr, steps and so on.
    """
    copies = broadcast_to_tasks(params, count_tasks(support))
    return adapt(objective, copies, support, **inner_loop)


def broadcast_to_tasks(params: Any, tasks: int) -> Any:
    """A copy of the parameters for each task: a tree of (...) -> (T, ...).

    Its derivative adds up over the tasks: this is where sum_i in the meta-gradient comes from.
    """
    return tree.map(lambda p: ops.broadcast_to(p, (tasks, *asarray(p).shape)), params)


def count_tasks(*batches: Any) -> int:
    """T, the leading size of all arrays in the trees. Raises ValueError if they differ or T = 0."""
    sizes = {len(leaf) for leaf in tree.leaves(batches)}
    if len(sizes) != 1 or not min(sizes):
        raise ValueError(
            "all arrays must be of the same tasks, at least one, x and y with "
            f"the task axis first, got leading sizes {sorted(sizes)}"
        )
    return sizes.pop()


def rates_except_norm(params: Any, lr: Any) -> Any:
    """`lr` for every leaf of `params` but the offsets and scales of normalisation, which get 0.

    They are meta-learned and not adapted, as in the code of Finn et al. 2017.
    """
    leaves, rebuild = tree.flatten(params)
    rates = [lr] * len(leaves)
    for k, path in enumerate(tree.paths(params)):
        if path.endswith(("['offset']", "['scale']")):
            rates[k] = 0
    return rebuild(rates)


def _descend(p: Any, gradient: Any, rate: Any) -> Any:
    """p - rate * gradient; with a Python 0 for the rate, p itself."""
    if type(rate) is int and rate == 0:
        return p
    return asarray(p) - rate * gradient


def _check_one_loss_per_task(losses: Tensor, params: Any, batch: Any) -> None:
    """Raise ValueError unless the losses are (T,) or, without a task axis, one number.

    A heuristic: there is a task axis if all arrays of parameters and batch have one leading size.
    With a single parameter that may be chance, (3, 1) and a batch of 3 examples, say. So only of
    several parameters, or of a batch with a third axis, (T,) is demanded; else, and for T = 1, one
    number is accepted, too.
    """
    param_shapes = [asarray(leaf).shape for leaf in tree.leaves(params)]
    batch_shapes = [asarray(leaf).shape for leaf in tree.leaves(batch)]
    leading = {shape[:1] for shape in (*param_shapes, *batch_shapes)}  # (T,), or () of a number
    aligned = len(leading) == 1 and () not in leading
    most_axes = max([len(shape) for shape in batch_shapes], default=0)
    certain = len(param_shapes) > 1 or most_axes > 2

    if aligned and losses.shape in leading:
        return
    several_tasks = aligned and certain and leading != {(1,)}
    if losses.shape == () and not several_tasks:
        return
    wanted = "(T,) where parameters and batch have a task axis T first, and one number where not"
    if aligned:
        wanted = f"{min(leading)}, one number for each task"
    raise ValueError(
        f"adapt: the loss has the shape {losses.shape} and must have {wanted}: "
        "take the mean over examples and features, and not over tasks"
    )
