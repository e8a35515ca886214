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
from ..core.grad import stop_gradient, value_and_grad
from ..core.primitive import require
from ..core.tensor import asarray
from ..nn.losses import cross_entropy
from ..ops.derivatives import hvp
from .adapt import adapt, for_each_task
from .method import Method, metrics_of, objective_of, predicting


def imaml(model, loss: Callable = cross_entropy, *, lr, steps: int = 5, strength: float = 1.0,
          cg_steps: int = 5, test_steps: int | None = None, transductive: bool = True) -> Method:
    """iMAML of `model`.

    strength: lambda, how strongly theta' is held to theta; cg_steps: conjugate gradient steps;
    the other arguments are those of `maml`. The gradient is as exact as theta' is a minimum and the
    system is solved: give both enough steps. Raises ValueError unless strength > 0 and cg_steps
    >= 1; FloatingPointError where theta' is no minimum (see `conjugate_gradient`).
    """
    if not strength > 0:
        raise ValueError(f"imaml: strength must be above 0, got {strength}")
    if cg_steps < 1:
        raise ValueError(f"imaml: cg_steps must be at least 1, got {cg_steps}")
    objective = objective_of(model, loss)

    def adapted(params, support, steps):
        start = for_each_task(params, len(tree.leaves(support)[0]))

        def held(own, batch):                                                         # (T,)
            away = tree.map(lambda p, q: asarray(p) - q, own, start)
            return objective(own, batch) + 0.5 * strength * inner_product(away, away)

        return adapt(held, start, support, lr=lr, steps=steps, first_order=True)

    def meta_grad(params, tasks):
        own = stop_gradient(adapted(params, tasks.support, steps))

        def outer(own):
            prediction = model(own, tasks.query.x)
            losses = loss(prediction, tasks.query.y)
            return losses.sum(), (ops.mean(losses), prediction)

        def system(v):                                                 # (I + H / lambda) v
            curved = hvp(lambda own: objective(own, tasks.support).sum(), own, v)
            return tree.map(lambda a, h: asarray(a) + h / strength, v, curved)

        (_, (value, prediction)), slope = value_and_grad(outer, has_aux=True)(own)
        solved = conjugate_gradient(system, slope, cg_steps)
        grads = tree.map(lambda g: ops.mean(g, 0), solved)
        return metrics_of(value, prediction, tasks.query.y), grads

    return Method(model.init, meta_grad, predicting(
        model, adapted, steps=steps, test_steps=test_steps, transductive=transductive))


def inner_product(a, b):
    """The inner product of two trees (T, ..), task by task: (T,)."""
    products = [asarray(x) * y for x, y in zip(tree.leaves(a), tree.leaves(b))]
    return sum(ops.sum(p.reshape(len(p), -1), 1) for p in products)


def conjugate_gradient(system: Callable, b, steps: int):
    """x with system(x) = b, for each task: Hestenes & Stiefel 1952.

    system(v) is linear, symmetric and positive, of trees (T, ..). A task whose residual is zero, or
    no more than rounding, stands still. One whose system is not positive along a direction has no
    answer here: FloatingPointError, or NaN where the function is compiled and nobody sees it.
    """
    def along(step, direction, base):                        # base + step (T,) direction (T, ..)
        return tree.map(lambda d, p: asarray(p) + step.reshape(-1, *[1] * (d.ndim - 1)) * d,
                        direction, base)

    x, residual, direction = tree.map(ops.zeros_like, b), b, b
    square = inner_product(residual, residual)
    solved = square * float(np.finfo(square.dtype).eps) ** 2
    for _ in range(steps):
        image = system(direction)
        curvature, going_on = inner_product(direction, image), square > solved
        require(ops.where(going_on, curvature, 1.0), positive)
        step = ops.where(going_on, ratio(square, curvature), 0.0)
        x, residual = along(step, direction, x), along(-step, image, residual)
        square, before = inner_product(residual, residual), square
        direction = along(ops.where(going_on, ratio(square, before), 0.0), direction, residual)
    return x


def ratio(a, b):
    """a / b, and NaN unless b > 0."""
    return ops.where(b > 0, a / ops.where(b > 0, b, 1.0), np.nan)


def positive(curvature: np.ndarray) -> None:
    """Raise FloatingPointError unless the system bends upwards in every task, (T,)."""
    bad = np.flatnonzero(~(curvature > 0))
    if bad.size:
        raise FloatingPointError(
            f"conjugate_gradient: the system of task {bad[0]} is not positive: its curvature along "
            f"a direction is {curvature[bad[0]]:.3g}; in imaml theta' is then no minimum: take more "
            "steps, or a larger strength")
