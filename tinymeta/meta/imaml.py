"""iMAML (Rajeswaran, Finn, Kakade & Levine 2019): the meta-gradient without the path to theta'.

    theta'_i = argmin  L_i(theta'; support) + lambda / 2 |theta' - theta|^2
    d theta'_i / d theta = (I + H_i / lambda)^-1,      H_i the Hessian of L_i at theta'_i
    theta   <- theta - beta sum_i (I + H_i / lambda)^-1 grad L_i(theta'_i; query)

Only the end of the inner loop counts, so its steps need no memory: theta' is defined by what it
solves, theta' - theta + grad L_i(theta') / lambda = 0, and `implicit` (ops/implicit.py) has the
rest. The linear system is solved by conjugate gradients, which asks for products H v alone.
"""

from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import tree
from ..core.checks import check_real, check_whole
from ..core.grad import grad, value_and_grad
from ..core.tensor import asarray
from ..nn.losses import cross_entropy
from ..ops.linear import conjugate_gradient
from .adapt import adapt, broadcast_to_tasks, count_tasks
from .method import Method, check_method, checked_loss, metrics_of, objective_of, predict_after
from .recompute import check_remat


def imaml(
    model: Any,
    loss: Callable = cross_entropy,
    *,
    lr: Any,
    steps: int = 5,
    strength: float = 1.0,
    cg_steps: int = 5,
    test_steps: int | None = None,
    transductive: bool = True,
    remat: str | None = None,
    mode: str = "reverse",
) -> Method:
    """iMAML of `model`.

    strength: lambda, how strongly the proximal term pulls theta' to theta; cg_steps: conjugate
    gradient steps; the other arguments are those of `maml`; no derivative passes through the steps
    but one of `predict`, which `remat` and `mode` are about.
    The gradient is as exact as theta' is a minimum and the system is solved: give both enough
    steps. Raises ValueError unless strength > 0 and cg_steps >= 1, and, as `conjugate_gradient` of
    ops/linear.py, where the system has no solution.
    """
    check_method(
        "imaml", model, loss, transductive=transductive, steps=steps, test_steps=test_steps
    )
    check_real("imaml", strength=strength)
    if not strength > 0:
        raise ValueError(f"imaml: strength must be above 0, got {strength}")
    check_whole("imaml", cg_steps=cg_steps)
    check_remat("imaml", remat, mode)
    loss = checked_loss(loss)
    objective = objective_of(model, loss)

    def descend(start, support, steps):
        def proximal_loss(theta, batch):  # (T,)
            losses = objective(theta, batch)
            for p, q in zip(tree.leaves(theta), tree.leaves(start)):
                squares = ops.square(asarray(p) - q)
                losses = losses + 0.5 * strength * ops.sum(squares.reshape(len(squares), -1), 1)
            return losses

        return adapt(
            proximal_loss,
            start,
            support,
            lr=lr,
            steps=steps,
            first_order=True,
            remat=remat,
            mode=mode,
        )

    def inner_loop(params, support, steps):
        return descend(broadcast_to_tasks(params, count_tasks(support)), support, steps)

    def meta_grad(params, tasks):
        count = count_tasks(tasks.support, tasks.query)

        def solve(start):
            return descend(start, tasks.support, steps)

        def optimality(theta, start):  # 0 at the minimum
            gradient = grad(lambda theta: objective(theta, tasks.support).sum())(theta)
            return tree.map(lambda p, q, g: p - q + g / strength, theta, start, gradient)

        def linear(apply_system, b):
            return conjugate_gradient(apply_system, b, cg_steps)

        adapted = ops.implicit(solve, optimality, linear=linear, tol=None)

        def meta_loss(params):
            theta = adapted(broadcast_to_tasks(params, count))
            prediction = model(theta, tasks.query.x)
            return ops.mean(loss(prediction, tasks.query.y)), prediction

        (value, prediction), grads = value_and_grad(meta_loss, has_aux=True)(params)
        return metrics_of(value, prediction, tasks.query.y), grads

    predict = predict_after(
        inner_loop, model, steps=steps, test_steps=test_steps, transductive=transductive
    )
    return Method(model.init, meta_grad, predict)
