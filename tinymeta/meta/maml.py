"""Model-agnostic meta-learning (Finn, Abbeel & Levine 2017, algorithm 1 and equation 1), exact.

    theta'_i = theta - alpha grad L_i(theta; support)             one or many inner steps
    theta   <- theta - beta grad_theta sum_i L_i(theta'_i; query)

The outer gradient passes through the inner ones: it holds second derivatives of L_i. Nothing here
asks for them; they come because `adapt` is an ordinary computation. With first_order they are
stopped, visibly. With support = query this is, literally,

    theta <- theta - beta sum_i grad L_i(theta - alpha grad L_i(theta)).
"""

from collections.abc import Callable

from ..core.checks import flag, function, instance, one_of, whole
from ..core.tensor import Tensor
from ..data import Tasks
from ..nn.losses import cross_entropy
from .adapt import adapted_to_each, count_tasks
from .method import Method, by_adapting, check_method, objective_of


def maml_loss(
    loss: Callable, params, tasks, *, lr, steps: int, first_order: bool = False
) -> Tensor:
    """Each task's query loss after adapting to its support set, (T,).

    loss(params (T, ...), batch) -> (T,); tasks: Tasks(support, query), task axis first;
    lr, steps: see `adapt`.
    Raises ValueError if support and query are not of the same tasks.
    """
    function("maml_loss", loss=loss)
    whole("maml_loss", 0, steps=steps)
    flag("maml_loss", first_order=first_order)
    instance("maml_loss", Tasks, "of a support and a query set", tasks=tasks)
    count_tasks(tasks.support, tasks.query)
    adapted = adapted_to_each(
        loss, params, tasks.support, lr=lr, steps=steps, first_order=first_order
    )
    return loss(adapted, tasks.query)


def maml(
    model,
    loss: Callable = cross_entropy,
    *,
    lr,
    steps: int = 1,
    test_steps: int | None = None,
    first_order: bool = False,
    over_tasks: str = "mean",
    transductive: bool = True,
) -> Method:
    """MAML of `model` as a Method.

    loss(prediction, y) -> (T,); lr: inner learning rate, a number or a tree like the parameters;
    test_steps: inner steps in `predict` (default: steps);
    over_tasks: "mean" or "sum" of the tasks' losses is what is differentiated;
    transductive: see `answers`.
    """
    check_method("maml", model, loss, transductive=transductive, steps=steps, test_steps=test_steps)
    flag("maml", first_order=first_order)
    one_of("maml", ("mean", "sum"), over_tasks=over_tasks)
    objective = objective_of(model, loss)

    def adapted(params, support, steps):
        return adapted_to_each(
            objective, params, support, lr=lr, steps=steps, first_order=first_order
        )

    return by_adapting(
        model.init,
        model,
        loss,
        adapted,
        steps=steps,
        over_tasks=over_tasks,
        test_steps=test_steps,
        transductive=transductive,
    )
