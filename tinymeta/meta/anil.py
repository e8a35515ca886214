"""ANIL, almost no inner loop (Raghu, Raghu, Bengio & Vinyals 2020): only the head adapts.

    z = body(x)                                                        one body for all tasks
    head'_i        = head - alpha grad_head L_i(head; z, support)      one or many inner steps
    (body, head)  <- (body, head) - beta grad sum_i L_i(head'_i; z, query)

The inner gradients stop at z, so an inner step costs next to nothing; the outer one passes through
all of it, exactly as in MAML.
"""

from collections.abc import Callable

from ..data import Batch
from ..nn.layers import Sequential
from ..nn.losses import cross_entropy
from .adapt import adapted_to_each
from .method import Method, answers, objective_of, query_grad


def anil(model: Sequential, loss: Callable = cross_entropy, *, lr, steps: int = 1,
         test_steps: int | None = None, first_order: bool = False,
         transductive: bool = True) -> Method:
    """ANIL of a Sequential, whose last layer is the head; the arguments are those of `maml`."""
    *layers, head = model.layers
    body, objective = Sequential(*layers), objective_of(head, loss)
    answer = answers(model, transductive)

    def adapted(params, support, steps):
        features = Batch(body(params[:-1], support.x), support.y)                      # (T, N, D)
        own = adapted_to_each(objective, params[-1], features,
                              lr=lr, steps=steps, first_order=first_order)
        return [*params[:-1], own]                      # a body for all, a head (T, ..) for each

    def judged(params, tasks):
        prediction = model(adapted(params, tasks.support, steps), tasks.query.x)
        return loss(prediction, tasks.query.y), prediction

    def predict(params, support, x):
        count = steps if test_steps is None else test_steps
        return answer(adapted(params, support, count), support, x)

    return Method(model.init, query_grad(judged), predict)
