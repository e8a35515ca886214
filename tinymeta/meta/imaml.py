"""iMAML (Rajeswaran, Finn, Kakade & Levine 2019): the meta-gradient without the path to theta'.

    theta'_i = argmin  L_i(theta'; support) + lambda / 2 |theta' - theta|^2
    d theta'_i / d theta = (I + H_i / lambda)^-1,      H_i the Hessian of L_i at theta'_i
    theta   <- theta - beta sum_i (I + H_i / lambda)^-1 grad L_i(theta'_i; query)

Only the end of the inner loop counts, so its steps need no memory. The linear system is solved by
conjugate gradients, which asks for products H v alone: a gradient of a gradient.
"""

from collections.abc import Callable

import numpy as np

from .. import ops
from ..core import tree
from ..core.checks import real, whole
from ..core.grad import stop_gradient, value_and_grad
from ..core.primitive import require
from ..core.tensor import asarray
from ..nn.losses import cross_entropy
from ..ops.derivatives import hvp
from .adapt import adapt, count_tasks, for_each_task
from .method import Method, check_method, metrics_of, objective_of, one_per_task, predicting


def imaml(
    model,
    loss: Callable = cross_entropy,
    *,
    lr,
    steps: int = 5,
    strength: float = 1.0,
    cg_steps: int = 5,
    test_steps: int | None = None,
    transductive: bool = True,
) -> Method:
    """iMAML of `model`.

    strength: lambda, how strongly theta' is held to theta; cg_steps: conjugate gradient steps;
    the other arguments are those of `maml`. The gradient is as exact as theta' is a minimum and the
    system is solved: give both enough steps. Raises ValueError unless strength > 0 and cg_steps
    >= 1, and, as `conjugate_gradient` says, where the system has no solution.
    """
    check_method(
        "imaml", model, loss, transductive=transductive, steps=steps, test_steps=test_steps
    )
    real("imaml", strength=strength)
    if not strength > 0:
        raise ValueError(f"imaml: strength must be above 0, got {strength}")
    whole("imaml", cg_steps=cg_steps)
    loss = one_per_task(loss)
    objective = objective_of(model, loss)

    def adapted(params, support, steps):
        start = for_each_task(params, count_tasks(support))

        def held(own, batch):  # (T,)
            away = tree.map(lambda p, q: asarray(p) - q, own, start)
            return objective(own, batch) + 0.5 * strength * inner_product(away, away)

        return adapt(held, start, support, lr=lr, steps=steps, first_order=True)

    def meta_grad(params, tasks):
        count_tasks(tasks.support, tasks.query)
        own = stop_gradient(adapted(params, tasks.support, steps))

        def outer(own):
            prediction = model(own, tasks.query.x)
            losses = loss(prediction, tasks.query.y)
            return losses.sum(), (ops.mean(losses), prediction)

        def system(v):  # (I + H / lambda) v
            curved = hvp(lambda own: objective(own, tasks.support).sum(), own, v)
            return tree.map(lambda a, h: asarray(a) + h / strength, v, curved)

        (_, (value, prediction)), slope = value_and_grad(outer, has_aux=True)(own)
        solved = conjugate_gradient(system, slope, cg_steps)
        grads = tree.map(lambda g: ops.mean(g, 0), solved)
        return metrics_of(value, prediction, tasks.query.y), grads

    return Method(
        model.init,
        meta_grad,
        predicting(model, adapted, steps=steps, test_steps=test_steps, transductive=transductive),
    )


def inner_product(a, b):
    """The inner product of two trees (T, ..), task by task: (T,)."""
    products = [asarray(x) * y for x, y in zip(tree.leaves(a), tree.leaves(b))]
    return sum(ops.sum(p.reshape(len(p), -1), 1) for p in products)


def conjugate_gradient(system: Callable, b, steps: int):
    """x with system(x) = b, for each task: Hestenes & Stiefel 1952.

    system(v) is linear and symmetric, of trees (T, ..). A task stands still once its residual is
    rounding. Where the curvature d'A d along a direction is zero, as it can be if the system is
    singular or indefinite, there is no next step: ValueError; while a program is traced, where
    values cannot be looked at, that task becomes NaN.
    """

    def along(step, direction, base):  # base + step (T,) direction (T, ..)
        return tree.map(
            lambda d, p: asarray(p) + step.reshape(-1, *[1] * (d.ndim - 1)) * d, direction, base
        )

    def refuse(stuck):
        if stuck.any():
            raise ValueError(
                "conjugate_gradient: the curvature along a direction is 0 in "
                f"{stuck.sum()} of {len(stuck)} systems, which are singular or "
                "indefinite: imaml needs a larger strength, or a theta' nearer to its "
                "minimum (more steps)"
            )

    x, residual, direction = tree.map(ops.zeros_like, b), b, b
    square = inner_product(residual, residual)
    eps = float(np.finfo(square.dtype).eps)
    solved = eps * eps * square  # where |residual| = eps |b|
    for _ in range(steps):
        image, moving = system(direction), square > solved
        curvature = inner_product(direction, image)
        size = ops.sqrt(inner_product(direction, direction) * inner_product(image, image))
        stuck = ops.where(moving, ops.abs(curvature) <= eps * size, False)
        require(stuck, refuse)
        step = ops.where(moving, square / ops.where(moving, curvature, 1.0), 0.0)
        step = ops.where(stuck, np.nan, step)
        x, residual = along(step, direction, x), along(-step, image, residual)
        square, before = inner_product(residual, residual), square
        direction = along(square / ops.where(moving, before, 1.0), direction, residual)
    return x
