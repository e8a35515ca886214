"""Model-agnostic meta-learning (Finn, Abbeel & Levine 2017, algorithm 1 and equation 1), exact.

    theta'_i = theta - alpha grad L_i(theta; support)             one or many inner steps
    theta   <- theta - beta grad_theta sum_i L_i(theta'_i; query)

The outer gradient passes through the inner ones. After one inner step the chain rule says

    grad_theta L_i(theta'_i; query) = (I - alpha H_i) g'_i,

with H_i the Hessian of L_i(.; support) at theta and g'_i the gradient of L_i(.; query) at theta'_i.
So second derivatives are needed, and yet no code here is about them: the inner gradient is made of
recorded operations, so the outer gradient differentiates it like any other computation. With
first_order the factor is I alone: FOMAML (section 5.2 there).

`maml_loss` is the paper's objective as a function. `maml` makes of it a Method (method.py): how to
begin, the meta-gradient of a batch of tasks, and how to predict, which is all that `train` asks
for. By default it takes the mean over the tasks, 1 / T times the sum above.
"""

from collections.abc import Callable
from typing import Any

from ..core.checks import check_flag, check_function, check_instance, check_one_of, check_whole
from ..core.tensor import Tensor
from ..data import Tasks
from ..nn.losses import cross_entropy
from .adapt import adapt_each_task, count_tasks
from .method import Method, check_method, method_of_inner_loop, objective_of
from .recompute import check_remat


def maml_loss(
    loss: Callable,
    params: Any,
    tasks: Tasks,
    *,
    lr: Any,
    steps: int,
    first_order: bool = False,
    remat: str | None = None,
    mode: str = "reverse",
) -> Tensor:
    """Each task's query loss after adapting to its support set: L_i(theta'_i; query), (T,).

    loss(params (T, ...), batch) -> (T,); params: theta, a tree of (...) without a task axis;
    tasks: Tasks(support, query), task axis first; lr, steps, first_order, remat, mode: see `adapt`.
    The gradient of its sum by `params` is the meta-gradient.
    Raises ValueError if support and query are not of the same tasks.
    """
    check_function("maml_loss", loss=loss)
    check_whole("maml_loss", 0, steps=steps)
    check_flag("maml_loss", first_order=first_order)
    check_remat("maml_loss", remat, mode)
    check_instance("maml_loss", Tasks, "of a support and a query set", tasks=tasks)
    count_tasks(tasks.support, tasks.query)
    adapted = adapt_each_task(
        loss,
        params,
        tasks.support,
        lr=lr,
        steps=steps,
        first_order=first_order,
        remat=remat,
        mode=mode,
    )
    return loss(adapted, tasks.query)


def maml(
    model: Any,
    loss: Callable = cross_entropy,
    *,
    lr: Any,
    steps: int = 1,
    test_steps: int | None = None,
    first_order: bool = False,
    over_tasks: str = "mean",
    transductive: bool = True,
    remat: str | None = None,
    mode: str = "reverse",
) -> Method:
    """MAML of `model`, a layer or Sequential, as a Method.

    loss(prediction, y) -> (T,); lr: inner learning rate, a number or a tree like the parameters;
    steps: inner steps in training; test_steps: those in `predict` (default: steps);
    first_order, remat, mode: see `adapt`;
    over_tasks: the objective is the "mean" or, as in the paper, the "sum" of the tasks' losses;
    transductive: whether the examples of a query batch share batch statistics, see
    `query_predictor`.
    """
    check_method("maml", model, loss, transductive=transductive, steps=steps, test_steps=test_steps)
    check_remat("maml", remat, mode, steps)
    check_flag("maml", first_order=first_order)
    check_one_of("maml", ("mean", "sum"), over_tasks=over_tasks)
    objective = objective_of(model, loss)  # L(theta; batch)

    def inner_loop(params, support, steps):  # theta -> theta'_i
        return adapt_each_task(
            objective,
            params,
            support,
            lr=lr,
            steps=steps,
            first_order=first_order,
            remat=remat,
            mode=mode,
        )

    # The meta-gradient is that of the query loss, through the inner loop.
    return method_of_inner_loop(
        model.init,
        model,
        loss,
        inner_loop,
        steps=steps,
        over_tasks=over_tasks,
        test_steps=test_steps,
        transductive=transductive,
    )
