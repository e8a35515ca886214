"""ANIL, almost no inner loop (Raghu, Raghu, Bengio & Vinyals 2020): only the head adapts.

    z = body(x)                                                        one body for all tasks
    head'_i        = head - alpha grad_head L_i(head; z, support)      one or many inner steps
    (body, head)  <- (body, head) - beta grad sum_i L_i(head'_i; z, query)

The inner gradients stop at z, so an inner step costs next to nothing; the outer one passes through
all of it, exactly as in MAML.
"""

from collections.abc import Callable

from ..core.checks import flag
from ..data import Batch
from ..nn.layers import Sequential
from ..nn.losses import cross_entropy
from .adapt import adapted_to_each
from .method import Method, by_adapting, check_method, objective_of


def anil(
    model: Sequential,
    loss: Callable = cross_entropy,
    *,
    lr,
    steps: int = 1,
    test_steps: int | None = None,
    first_order: bool = False,
    transductive: bool = True,
) -> Method:
    """ANIL of a Sequential, whose last layer is the head; the arguments are those of `maml`.

    Raises TypeError for another model: which part of it would be the head is not known.
    """
    if not isinstance(model, Sequential):
        raise TypeError(
            f"anil: the model must be a Sequential, whose last layer is the head, "
            f"got {type(model).__name__}"
        )
    check_method("anil", model, loss, transductive=transductive, steps=steps, test_steps=test_steps)
    flag("anil", first_order=first_order)
    if not model.layers:
        raise ValueError("anil: the model has no layer, and its last one is the head")
    *layers, head = model.layers
    body, objective = Sequential(*layers), objective_of(head, loss)

    def adapted(params, support, steps):
        features = Batch(body(params[:-1], support.x), support.y)  # (T, N, D)
        own = adapted_to_each(
            objective, params[-1], features, lr=lr, steps=steps, first_order=first_order
        )
        return [*params[:-1], own]  # a body for all, a head (T, ..) for each

    return by_adapting(
        model.init,
        model,
        loss,
        adapted,
        steps=steps,
        test_steps=test_steps,
        transductive=transductive,
    )
