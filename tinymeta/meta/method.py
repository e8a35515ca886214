"""What a method is, and how any of them is scored."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import ops
from ..core.checks import flag, function, instance, one_of, shown, whole
from ..core.grad import value_and_grad
from ..core.naming import with_error_prefix
from ..core.tensor import Tensor, asarray
from ..data import Tasks
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
    who: str,
    model,
    loss: Callable = cross_entropy,
    *,
    transductive: bool = True,
    test_steps: int | None = None,
    **counts,
) -> None:
    """Raise TypeError or ValueError for arguments of a method that are not what their names say.

    counts: of inner steps and the like; test_steps is one, too, unless it is None.
    """
    function(who, loss=loss)
    if not callable(model) or not hasattr(model, "init"):
        raise TypeError(
            f"{who}: model must be a layer, with init(rng) and a call, got {shown(model)}"
        )
    flag(who, transductive=transductive)
    whole(who, 0, **counts, **({} if test_steps is None else {"test_steps": test_steps}))


def objective_of(model, loss: Callable) -> Callable:
    """The loss of a batch as a function of the parameters: (params, batch) -> (T,)."""
    return lambda params, batch: loss(model(params, batch.x), batch.y)


def one_per_task(loss: Callable) -> Callable:
    """`loss(prediction (T, N, ..), y)` -> (T,); raises ValueError where it is of another shape."""

    def checked(prediction, y):
        losses, tasks = asarray(loss(prediction, y)), asarray(prediction).shape[:1]
        if losses.shape != tasks:
            raise ValueError(
                f"the loss has the shape {losses.shape} and must have {tasks}, one "
                "number for each task: take the mean over its examples and features"
            )
        return losses

    return checked


def query_grad(judged: Callable, over_tasks: str = "mean") -> Callable:
    """The usual `meta_grad`: it differentiates what the tasks lose on their query sets.

    judged(params, tasks) -> (losses (T,), prediction (T, N, ..)); over_tasks: their "mean" or "sum"
    counts. Where labels are classes, the accuracy is reported, too.
    """
    one_of("query_grad", ("mean", "sum"), over_tasks=over_tasks)

    def outer(params, tasks):
        losses, prediction = judged(params, tasks)
        return getattr(losses, over_tasks)(), prediction

    def meta_grad(params, tasks):
        (value, prediction), grads = value_and_grad(outer, has_aux=True)(params, tasks)
        return metrics_of(value, prediction, tasks.query.y), grads

    return meta_grad


def metrics_of(loss, prediction, y) -> dict:
    """The loss and, where the labels `y` are classes, the accuracy."""
    classes = asarray(y).dtype.kind in "iu"
    return {"loss": loss, **({"accuracy": hit_rate(prediction, y)} if classes else {})}


def answers(model, transductive: bool = True) -> Callable:
    """answer(params, support, x): what an adapted model says of x (T, N, ..).

    It matters where batch norm uses the batch at hand. Transductive: all of x is one batch, so its
    examples help each other (Finn et al. 2017). Else each is judged in a batch with the support set
    alone (Nichol et al. 2018, section 6.1).
    """

    def one_by_one(params, support, x):
        x = asarray(x)
        beside = [
            model(params, ops.concatenate([support.x, x[:, k : k + 1]], 1))
            for k in range(x.shape[1])
        ]
        return ops.concatenate([y[:, -1:] for y in beside], 1)

    return (lambda params, support, x: model(params, x)) if transductive else one_by_one


def predicting(
    model, adapted: Callable, *, steps: int, test_steps: int | None, transductive: bool
) -> Callable:
    """The usual `predict`: adapt to the support set, `test_steps` times if given, and answer.

    adapted(params, support, steps) -> the parameters of `model` after learning, (T, ..).
    """
    answer, count = answers(model, transductive), steps if test_steps is None else test_steps

    def predict(params, support, x):
        count_tasks(support, x)
        return answer(adapted(params, support, count), support, x)

    return predict


def by_adapting(
    init: Callable,
    model,
    loss: Callable,
    adapted: Callable,
    *,
    steps: int,
    over_tasks: str = "mean",
    **testing,
) -> Method:
    """A method that differentiates the query loss through its inner loop, `adapted`.

    adapted, testing: see `predicting`; over_tasks: see `query_grad`.
    """
    loss = one_per_task(loss)

    def judged(params, tasks):
        count_tasks(tasks.support, tasks.query)
        prediction = model(adapted(params, tasks.support, steps), tasks.query.x)
        return loss(prediction, tasks.query.y), prediction

    return Method(
        init, query_grad(judged, over_tasks), predicting(model, adapted, steps=steps, **testing)
    )


class Score(NamedTuple):
    """A mean over tasks, and the half-width of its 95 % interval, 1.96 std / sqrt(tasks)."""

    mean: float
    interval: float
    tasks: int

    def __str__(self):
        return f"{self.mean:.4g} +- {self.interval:.2g} ({self.tasks} tasks)"


def accuracy(logits, labels) -> np.ndarray:
    """The share of examples whose largest logit is the label, (.., N, K) and (.., N) -> (..).

    Raises ValueError for labels that are not integers from 0 to K - 1, one for each example, and
    FloatingPointError for logits that are NaN, of which none is the largest.
    """
    logits, labels = asarray(logits).numpy(), asarray(labels).numpy()
    fit = logits.ndim >= 2 and logits.shape[:-1] == labels.shape
    if not fit or not logits.size or labels.dtype.kind not in "iu":
        raise ValueError(
            f"accuracy: logits {logits.shape} and {labels.dtype} labels "
            f"{labels.shape} must be (.., N, K) and integers (.., N), N and K not 0"
        )
    if labels.min() < 0 or labels.max() >= logits.shape[-1]:
        raise ValueError(
            f"accuracy: labels must be from 0 to {logits.shape[-1] - 1}, the classes "
            f"of the logits, got {labels.min()} to {labels.max()}"
        )
    no_nan("accuracy", logits)
    return (np.argmax(logits, -1) == labels).mean(-1)


accuracy = with_error_prefix("accuracy", accuracy)


def no_nan(name: str, prediction) -> None:
    prediction = np.asarray(prediction)
    count = np.isnan(prediction).sum()
    if count:
        raise FloatingPointError(
            f"{name}: {count} of {prediction.size} numbers of the prediction "
            "are NaN: the parameters or the inputs are no longer numbers"
        )


def hit_rate(logits, labels) -> Tensor:
    """`accuracy` over all tasks and examples, by operations, so that it can be compiled: 0-d."""
    hits = ops.argmax(logits, -1) == labels
    return ops.mean(ops.astype(hits, np.float32))


def squared_error(prediction, target) -> np.ndarray:
    """The mean squared error, (.., N, D) twice -> (..)."""
    return ((np.asarray(prediction) - np.asarray(target)) ** 2).mean((-2, -1))


def evaluate(
    method: Method, params, sample: Callable, *, tasks: int = 600, batch: int = 25, measure=accuracy
) -> Score:
    """Adapt to `tasks` fresh tasks and measure the predictions on their query sets.

    sample(n) -> Tasks of n tasks; measure(prediction, y) -> (n,) numbers.
    Raises ValueError if tasks < 2 or for measures of another shape; FloatingPointError for a
    prediction with a NaN in it.
    """
    instance("evaluate", Method, "such as tm.meta.maml makes", method=method)
    function("evaluate", sample=sample, measure=measure)
    whole("evaluate", tasks=tasks, batch=batch)
    if tasks < 2:
        raise ValueError(f"evaluate: an interval needs at least 2 tasks, got {tasks}")
    values = []
    for start in range(0, tasks, batch):
        drawn = sample(min(batch, tasks - start))
        instance("evaluate", Tasks, "as sample(n) has to return it", drawn=drawn)
        support, query = drawn
        prediction = np.asarray(method.predict(params, support, query.x))
        no_nan("evaluate", prediction)
        values.append(np.asarray(measure(prediction, query.y)))
        if values[-1].shape != prediction.shape[:1]:
            raise ValueError(
                f"evaluate: measure gave {values[-1].shape} for predictions "
                f"{prediction.shape} and must give (T,), one number for each task"
            )
    values = np.concatenate(values)
    interval = 1.96 * values.std() / np.sqrt(len(values))
    return Score(float(values.mean()), float(interval), len(values))
