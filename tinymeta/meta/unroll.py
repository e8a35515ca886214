"""The path of any optimizer down an objective, as a computation that can be differentiated.

    theta_{k+1}, state_{k+1} = update(grad f(theta_k), state_k, theta_k),    k = 0 .. steps - 1

An outer derivative goes back along the path, through the gradients too where it is to be exact, or
as far as the last cut. Shapes: T tasks; theta is a tree of (T, ..), f is (T,).
"""

from collections.abc import Callable, Iterator
from typing import Any

from ..core.grad import stop_gradient, value_and_grad
from ..core.tensor import Tensor, asarray
from ..nn.optim import Optimizer
from ..ops.mixed import mixed_grad
from .adapt import count_tasks


def unroll(
    optimizer: Optimizer,
    objective: Callable,
    theta: Any,
    data: Any,
    *,
    steps: int,
    truncate: int | None = None,
    first_order: bool = True,
) -> Iterator[Tensor]:
    """f (T,) at theta_0, theta_1 .. theta_steps, where any optimizer takes the steps.

    objective(theta, data) -> (T,); theta: theta_0, a tree of (T, ..).
    After every `truncate` steps the path is cut: later values are not differentiated through it.
    first_order: grad f(theta_k) is a constant to an outer derivative.
    Raises ValueError for an objective of another shape.
    """
    state = optimizer.init(theta)
    step = step_of(optimizer, objective, data, truncate, first_order)
    for k in range(steps):
        values, theta, state = step(k, theta, state)
        yield values
    yield checked_objective(objective, theta, data)


def step_of(
    optimizer: Optimizer,
    objective: Callable,
    data: Any,
    truncate: int | None,
    first_order: bool,
    mode: str = "reverse",
) -> Callable:
    """step(k, theta_k, state_k) -> (f(theta_k) (T,), theta_{k+1}, state_{k+1}); see `unroll`."""

    def total_objective(theta):
        values = checked_objective(objective, theta, data)
        return values.sum(), values

    def values_and_gradient(theta):
        if mode == "mixed":  # the gradient is a node by itself
            _, values = total_objective(theta)
            return values, mixed_grad(lambda theta: total_objective(theta)[0])(theta)
        (_, values), gradient = value_and_grad(total_objective, has_aux=True)(theta)
        return values, gradient

    def step(k, theta, state):
        values, gradient = values_and_gradient(theta)
        if first_order:
            gradient = stop_gradient(gradient)
        if truncate and k and k % truncate == 0:
            theta, state, gradient = stop_gradient((theta, state, gradient))
        return values, *optimizer.update(gradient, state, theta)

    return step


def checked_objective(objective: Callable, theta: Any, data: Any) -> Tensor:
    """f(theta) (T,). Raises ValueError for another shape."""
    values = asarray(objective(theta, data))
    tasks = count_tasks(theta)
    if values.shape != (tasks,):
        raise ValueError(
            f"unroll: the objective has the shape {values.shape} and must have "
            f"({tasks},), one number for each task"
        )
    return values
