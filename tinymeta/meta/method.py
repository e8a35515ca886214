"""What a method is, and the parts that most methods are built of.

A method's outer loss is the loss on the query sets after learning from the support sets:

    outer_loss(params, tasks) -> (losses (T,), prediction (T, N, ..))

`meta_grad_of` differentiates it. `method_of_inner_loop` makes a whole Method where learning is an
inner loop (MAML, ANIL, Meta-SGD); the other methods use the parts singly.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..core.checks import check_flag, check_function, check_one_of, check_whole, shown
from ..core.grad import value_and_grad
from ..core.tensor import Tensor, asarray
from ..nn.losses import cross_entropy
from .adapt import count_tasks


class Method(NamedTuple):
    """A way of learning to learn: three pure functions.

    init(rng) -> params                             a tree without a task axis
    meta_grad(params, tasks) -> (metrics, grads)    metrics: a dict of 0-d tensors, made by
                                                    operations; grads: a tree like params
    predict(params, support, x) -> (T, N, ..)       after learning from the support set of each task
    """

    init: Callable
    meta_grad: Callable
    predict: Callable


def check_method(
    caller: str,
    model: Any,
    loss: Callable = cross_entropy,
    *,
    transductive: bool = True,
    test_steps: int | None = None,
    **counts: int,
) -> None:
    """Raise TypeError or ValueError for arguments of a method that are not what their names say.

    counts: of inner steps and the like; test_steps is one, too, unless it is None.
    """
    check_function(caller, loss=loss)
    if not callable(model) or not hasattr(model, "init"):
        raise TypeError(
            f"{caller}: model must be a layer, with init(rng) and a call, got {shown(model)}"
        )
    check_flag(caller, transductive=transductive)
    if test_steps is not None:
        counts["test_steps"] = test_steps
    check_whole(caller, 0, **counts)


def objective_of(model: Any, loss: Callable) -> Callable:
    """The objective, the loss of a batch as a function of the parameters: (params, batch) -> (T,).

    loss(prediction, y) -> (T,), as the functions of `tm.losses`.
    """

    def objective(params: Any, batch: Any) -> Any:
        return loss(model(params, batch.x), batch.y)

    return objective


def checked_loss(loss: Callable) -> Callable:
    """`loss(prediction (T, N, ..), y)`, which raises ValueError unless its result is (T,)."""

    def checked(prediction: Any, y: Any) -> Tensor:
        losses = asarray(loss(prediction, y))
        tasks = asarray(prediction).shape[:1]
        if losses.shape != tasks:
            raise ValueError(
                f"the loss has the shape {losses.shape} and must have {tasks}, one "
                "number for each task: take the mean over its examples and features"
            )
        return losses

    return checked


def meta_grad_of(outer_loss: Callable, over_tasks: str = "mean") -> Callable:
    """The usual `meta_grad`: the derivative of the outer loss by the parameters.

    outer_loss: see above; over_tasks: whether their "mean" or "sum" is differentiated. Where labels
    are classes, the accuracy is among the metrics, too.
    """
    check_one_of("meta_grad_of", ("mean", "sum"), over_tasks=over_tasks)

    def reduced_loss(params, tasks):
        losses, prediction = outer_loss(params, tasks)
        total = losses.mean() if over_tasks == "mean" else losses.sum()
        return total, prediction

    def meta_grad(params, tasks):
        loss_and_grads = value_and_grad(reduced_loss, has_aux=True)
        (loss, prediction), grads = loss_and_grads(params, tasks)
        return metrics_of(loss, prediction, tasks.query.y), grads

    return meta_grad


def metrics_of(loss: Tensor, prediction: Any, y: Any) -> dict[str, Tensor]:
    """The loss and, where the labels `y` are classes, the accuracy: 0-d tensors.

    The accuracy is that of `tm.meta.accuracy`, over all tasks, by operations: it can be compiled.
    """
    metrics = {"loss": loss}
    if asarray(y).dtype.kind in "iu":
        correct = ops.argmax(prediction, -1) == y
        metrics["accuracy"] = ops.mean(ops.astype(correct, np.float32))
    return metrics


def query_predictor(model: Any, transductive: bool = True) -> Callable:
    """predict_query(params, support, x): the adapted model's prediction for x (T, N, ..).

    The two kinds differ where batch norm uses the batch at hand. Transductive: all of x is one
    batch, so its examples help each other (Finn et al. 2017). Else each is in a batch with the
    support set alone (Nichol et al. 2018, section 6.1).
    """

    def together(params, support, x):
        return model(params, x)

    def one_by_one(params, support, x):
        x = asarray(x)
        predictions = []
        for k in range(x.shape[1]):
            batch = ops.concatenate([support.x, x[:, k : k + 1]], 1)
            predictions.append(model(params, batch))
        return ops.concatenate([prediction[:, -1:] for prediction in predictions], 1)

    return together if transductive else one_by_one


def predict_after(
    inner_loop: Callable, model: Any, *, steps: int, test_steps: int | None, transductive: bool
) -> Callable:
    """The usual `predict`: the inner loop on the support set, then the model on x.

    inner_loop(params, support, steps) -> the parameters of `model` for each task, (T, ..);
    test_steps: how many, where they are not as many as in training, `steps`.
    """
    predict_query = query_predictor(model, transductive)
    count = steps if test_steps is None else test_steps

    def predict(params, support, x):
        count_tasks(support, x)
        adapted = inner_loop(params, support, count)
        return predict_query(adapted, support, x)

    return predict


def method_of_inner_loop(
    init: Callable,
    model: Any,
    loss: Callable,
    inner_loop: Callable,
    *,
    steps: int,
    over_tasks: str = "mean",
    test_steps: int | None,
    transductive: bool,
) -> Method:
    """The Method that differentiates the query loss through its inner loop.

    inner_loop, test_steps: see `predict_after`; over_tasks: see `meta_grad_of`; transductive: see
    `query_predictor`.
    """
    loss = checked_loss(loss)

    def outer_loss(params, tasks):
        count_tasks(tasks.support, tasks.query)
        adapted = inner_loop(params, tasks.support, steps)
        prediction = model(adapted, tasks.query.x)
        return loss(prediction, tasks.query.y), prediction

    predict = predict_after(
        inner_loop, model, steps=steps, test_steps=test_steps, transductive=transductive
    )
    return Method(init, meta_grad_of(outer_loss, over_tasks), predict)
