"""iMAML (Rajeswaran, Finn, Kakade & Levine 2019): the meta-gradient without the path to theta'.

    theta'_i = argmin  L_i(theta'; support) + lambda / 2 |theta' - theta|^2
    d theta'_i / d theta = (I + H_i / lambda)^-1,      H_i the Hessian of L_i at theta'_i
    theta   <- theta - beta sum_i (I + H_i / lambda)^-1 grad L_i(theta'_i; query)

Only the end of the inner loop counts, so its steps need no memory. The linear system is solved by
conjugate gradients, which asks for products H v alone: a gradient of a gradient.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..core import tree
from ..core.checks import check_real, check_whole
from ..core.grad import stop_gradient, value_and_grad
from ..core.primitive import require
from ..core.tensor import asarray
from ..nn.losses import cross_entropy
from ..ops.derivatives import hvp
from .adapt import adapt, broadcast_to_tasks, count_tasks
from .method import Method, check_method, checked_loss, metrics_of, objective_of, predict_after
from .recompute import check_words


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
    steps. Raises ValueError unless strength > 0 and cg_steps >= 1, and, as `conjugate_gradient`
    says, where the system has no solution.
    """
    check_method(
        "imaml", model, loss, transductive=transductive, steps=steps, test_steps=test_steps
    )
    check_real("imaml", strength=strength)
    if not strength > 0:
        raise ValueError(f"imaml: strength must be above 0, got {strength}")
    check_whole("imaml", cg_steps=cg_steps)
    check_words("imaml", remat, mode)
    loss = checked_loss(loss)
    objective = objective_of(model, loss)

    def inner_loop(params, support, steps):
        start = broadcast_to_tasks(params, count_tasks(support))

        def proximal_loss(theta, batch):  # (T,)
            difference = tree.map(lambda p, q: asarray(p) - q, theta, start)
            losses = objective(theta, batch)
            return losses + 0.5 * strength * _inner_product(difference, difference)

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

    def meta_grad(params, tasks):
        count_tasks(tasks.support, tasks.query)
        adapted = stop_gradient(inner_loop(params, tasks.support, steps))

        def query_loss(theta):
            prediction = model(theta, tasks.query.x)
            losses = loss(prediction, tasks.query.y)
            return losses.sum(), (ops.mean(losses), prediction)

        def support_loss(theta):
            return objective(theta, tasks.support).sum()

        def apply_system(v):  # (I + H / lambda) v
            hessian_v = hvp(support_loss, adapted, v)
            return tree.map(lambda a, h: asarray(a) + h / strength, v, hessian_v)

        query_grad = value_and_grad(query_loss, has_aux=True)
        (_, (value, prediction)), gradient = query_grad(adapted)
        solution = conjugate_gradient(apply_system, gradient, cg_steps)
        grads = tree.map(lambda g: ops.mean(g, 0), solution)
        return metrics_of(value, prediction, tasks.query.y), grads

    predict = predict_after(
        inner_loop, model, steps=steps, test_steps=test_steps, transductive=transductive
    )
    return Method(model.init, meta_grad, predict)


def conjugate_gradient(apply_system: Callable, b: Any, steps: int) -> Any:
    """x with apply_system(x) = b, for each task: Hestenes & Stiefel 1952.

    apply_system(v) = A v is linear and symmetric, of trees (T, ..); b and x are such trees.
    With r the residual b - A x and d the direction, from x = 0 and d = r = b:

        x <- x + s d,    r <- r - s A d,    s = |r|^2 / d'A d;    d <- r + (|r new|^2 / |r|^2) d

    One product A d a step, and the exact x after as many steps as A has different eigenvalues, in
    exact arithmetic. Each task has its own s. A task stands still once its residual is rounding.
    Where the curvature d'A d is zero, as it can be if the system is singular or indefinite, there
    is no next step: ValueError; while a program is traced, where values cannot be looked at, that
    task becomes NaN.
    """
    x, residual, direction = tree.map(ops.zeros_like, b), b, b
    square: Any = _inner_product(residual, residual)  # |r|^2 (T,)
    eps = float(np.finfo(square.dtype).eps)
    solved = eps * eps * square  # |r|^2 where |r| = eps |b|
    for _ in range(steps):
        image = apply_system(direction)  # A d
        moving = square > solved
        curvature = _inner_product(direction, image)  # d'A d
        size = ops.sqrt(_inner_product(direction, direction) * _inner_product(image, image))
        is_zero = ops.abs(curvature) <= eps * size
        stuck = ops.where(moving, is_zero, False)
        require(stuck, _refuse_stuck)
        # Where a task stands still, 1 is divided by and 0 is taken: the quotient could be NaN.
        quotient = square / ops.where(moving, curvature, 1.0)
        step: Any = ops.where(moving, quotient, 0.0)
        step = ops.where(stuck, np.nan, step)
        x = _add_scaled(x, step, direction)
        residual = _add_scaled(residual, -step, image)
        square_before = square
        square = _inner_product(residual, residual)
        ratio = square / ops.where(moving, square_before, 1.0)
        direction = _add_scaled(residual, ratio, direction)
    return x


def _inner_product(a: Any, b: Any) -> Any:
    """The inner product of two trees (T, ..), task by task: (T,)."""
    products = [asarray(x) * y for x, y in zip(tree.leaves(a), tree.leaves(b))]
    return sum(ops.sum(p.reshape(len(p), -1), 1) for p in products)


def _add_scaled(base: Any, scale: Any, vector: Any) -> Any:
    """base + scale vector: trees (T, ..), and a number for each task (T,)."""

    def of_leaf(v, p):
        ones = [1] * (v.ndim - 1)
        return asarray(p) + scale.reshape(-1, *ones) * v

    return tree.map(of_leaf, vector, base)


def _refuse_stuck(stuck: np.ndarray) -> None:
    if stuck.any():
        raise ValueError(
            "conjugate_gradient: the curvature along a direction is 0 in "
            f"{stuck.sum()} of {len(stuck)} systems, which are singular or "
            "indefinite: imaml needs a larger strength, or a theta' nearer to its "
            "minimum (more steps)"
        )
