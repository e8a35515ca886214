"""Reptile (Nichol, Achiam & Schulman 2018, algorithm 1): move towards where the tasks lead.

    theta'_i = theta after k gradient steps on task i, each on another minibatch
    theta   <- theta - eps mean_i (theta - theta'_i)

No derivative of a derivative. In (theta - theta'_i) / (alpha k), the mean of the k gradients, the
later ones were taken where the earlier ones led, which leaves a term like MAML's in the mean over
minibatches (section 5.1 there); with k = 1 it is the gradient of plain joint training.
"""

from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import tree
from ..core.checks import check_real
from ..core.grad import stop_gradient
from ..core.tensor import asarray
from ..nn.losses import cross_entropy
from .adapt import adapt, adapt_each_task, broadcast_to_tasks, count_tasks
from .method import Method, check_method, checked_loss, metrics_of, objective_of, predict_after
from .recompute import check_remat


def reptile(
    model: Any,
    loss: Callable = cross_entropy,
    *,
    lr: float,
    steps: int = 2,
    test_steps: int | None = None,
    transductive: bool = True,
    remat: str | None = None,
    mode: str = "reverse",
) -> Method:
    """Reptile of `model`; its `meta_grad` is (theta - theta') / (lr steps), averaged over tasks.

    The minibatches are the support set, the query set, the support set ... in turn; the loss
    reported is that of the query set at theta'. The other arguments are those of `maml`; no
    derivative passes through the steps but one of `predict`, which `remat` and `mode` are about.
    Raises ValueError if steps < 1 and unless lr > 0: the direction is a step divided by it.
    """
    check_method(
        "reptile", model, loss, transductive=transductive, steps=steps, test_steps=test_steps
    )
    check_real("reptile", lr=lr)
    check_remat("reptile", remat, mode)
    if steps < 1:
        raise ValueError(f"reptile: steps must be at least 1, got {steps}")
    if not lr > 0:
        raise ValueError(f"reptile: lr must be above 0, got {lr}")
    loss = checked_loss(loss)
    objective = objective_of(model, loss)

    def meta_grad(params, tasks):
        start = broadcast_to_tasks(params, count_tasks(tasks.support, tasks.query))
        adapted = start
        for k in range(steps):
            minibatch = tasks[k % 2]
            adapted = stop_gradient(adapt(objective, adapted, minibatch, lr=lr, steps=1))

        def mean_direction(p, q):
            return ops.mean(asarray(p) - q, 0) / (lr * steps)

        grads = tree.map(mean_direction, start, adapted)
        prediction = model(adapted, tasks.query.x)
        value = ops.mean(loss(prediction, tasks.query.y))
        return metrics_of(value, prediction, tasks.query.y), grads

    def inner_loop(params, support, steps):
        return adapt_each_task(
            objective, params, support, lr=lr, steps=steps, remat=remat, mode=mode
        )

    predict = predict_after(
        inner_loop, model, steps=steps, test_steps=test_steps, transductive=transductive
    )
    return Method(model.init, meta_grad, predict)
