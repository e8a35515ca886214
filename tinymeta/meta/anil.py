"""ANIL, almost no inner loop (Raghu, Raghu, Bengio & Vinyals 2020): only the head adapts.

    z = body(x)                                                        one body for all tasks
    head'_i        = head - alpha grad_head L_i(head; z, support)      one or many inner steps
    (body, head)  <- (body, head) - beta grad sum_i L_i(head'_i; z, query)

The inner gradients stop at z, so an inner step costs next to nothing; the outer one passes through
all of it, exactly as in MAML.
"""

from collections.abc import Callable
from typing import Any

from ..core.checks import check_flag
from ..data import Batch
from ..nn.layers import Sequential
from ..nn.losses import cross_entropy
from .adapt import adapt_each_task
from .method import Method, check_method, method_of_inner_loop, objective_of
from .recompute import check_remat


def anil(
    model: Sequential,
    loss: Callable = cross_entropy,
    *,
    lr: Any,
    steps: int = 1,
    test_steps: int | None = None,
    first_order: bool = False,
    transductive: bool = True,
    remat: str | None = None,
    mode: str = "reverse",
) -> Method:
    """ANIL of a Sequential, whose last layer is the head; the arguments are those of `maml`.

    lr: a number, or a tree like the head's parameters. Raises TypeError for another model: which
    part of it would be the head is not known; ValueError for one without a layer.
    """
    if not isinstance(model, Sequential):
        raise TypeError(
            f"anil: the model must be a Sequential, whose last layer is the head, "
            f"got {type(model).__name__}"
        )
    check_method("anil", model, loss, transductive=transductive, steps=steps, test_steps=test_steps)
    check_flag("anil", first_order=first_order)
    check_remat("anil", remat, mode, steps)
    if not model.layers:
        raise ValueError("anil: the model has no layer, and its last one is the head")
    *body_layers, head = model.layers
    body = Sequential(*body_layers)
    head_objective = objective_of(head, loss)

    def inner_loop(params, support, steps):
        *body_params, head_params = params
        features = body(body_params, support.x)  # (T, N, D), computed once for all steps
        adapted_head = adapt_each_task(
            head_objective,
            head_params,
            Batch(features, support.y),
            lr=lr,
            steps=steps,
            first_order=first_order,
            remat=remat,
            mode=mode,
        )
        return [*body_params, adapted_head]  # one body for all tasks, a head (T, ..) for each

    return method_of_inner_loop(
        model.init,
        model,
        loss,
        inner_loop,
        steps=steps,
        test_steps=test_steps,
        transductive=transductive,
    )
