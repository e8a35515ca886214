"""How any method is scored: adapt to many fresh tasks and measure the predictions on their queries.

A Score is a mean over tasks with its 95 % confidence interval.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..core.checks import check_flag, check_function, check_instance, check_whole
from ..core.naming import with_error_prefix
from ..core.tensor import asarray
from ..data import Tasks
from ..jit import jit
from ..system.world import current
from .method import Method

# What `evaluate` has compiled last: a training evaluates its one method again and again.
_compiled = lru_cache(maxsize=4)(jit)


class Score(NamedTuple):
    """A mean over tasks, and the half-width of its 95 % interval, 1.96 std / sqrt(tasks)."""

    mean: float
    interval: float
    tasks: int

    def __str__(self) -> str:
        return f"{self.mean:.4g} +- {self.interval:.2g} ({self.tasks} tasks)"


def accuracy(logits: Any, labels: Any) -> np.ndarray:
    """The share of examples whose largest logit is the label, (.., N, K) and (.., N) -> (..).

    Raises ValueError for labels that are not integers from 0 to K - 1, one for each example, and
    FloatingPointError for logits that are NaN, of which none is the largest.

    >>> import tinymeta as tm
    >>> tm.meta.accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1]).item()
    0.5
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
    _check_no_nan("accuracy", logits)
    correct = np.argmax(logits, -1) == labels
    return correct.mean(-1)


accuracy = with_error_prefix("accuracy", accuracy)


def squared_error(prediction: Any, target: Any) -> np.ndarray:
    """The mean squared error, both (.., N, D) -> (..)."""
    error = np.asarray(prediction) - np.asarray(target)
    return (error**2).mean((-2, -1))


def evaluate(
    method: Method,
    params: Any,
    sample: Callable,
    *,
    tasks: int = 600,
    batch: int = 25,
    measure: Callable = accuracy,
    compiled: bool | None = None,
) -> Score:
    """Adapt to `tasks` fresh tasks and measure the predictions on their query sets.

    sample(n) -> Tasks of n tasks; batch: how many are sampled and adapted to at a time;
    measure(prediction, y) -> (n,) numbers; compiled: `method.predict` is traced for each n and
    replayed, which is ten times as fast for a conv net, and asks for a function of its arguments
    alone. By default it is, unless it reads a value while it is traced (that of `siamese` looks at
    labels where it has no `way`): then it is called as it is. Of several ranks each adapts to its
    part of the tasks; where that cannot be, all do to all, and a warning says why.
    Raises ValueError if tasks < 2 or for measures of another shape; FloatingPointError for a
    prediction with a NaN in it; TypeError if `compiled` and `predict` reads a value.
    """
    check_instance("evaluate", Method, "such as tm.meta.maml makes", method=method)
    check_function("evaluate", sample=sample, measure=measure)
    check_whole("evaluate", tasks=tasks, batch=batch)
    if compiled is not None:
        check_flag("evaluate", compiled=compiled)
    if tasks < 2:
        raise ValueError(f"evaluate: an interval needs at least 2 tasks, got {tasks}")
    predict = method.predict if compiled is False else _compiled(method.predict)
    measured: list[np.ndarray] = []
    for start in range(0, tasks, batch):
        current().check_stop()
        drawn = sample(min(batch, tasks - start))
        check_instance("evaluate", Tasks, "as sample(n) has to return it", drawn=drawn)
        support, query = drawn
        try:
            prediction = np.asarray(predict(params, support, query.x))
        except TypeError as error:  # Unreadable is one, and so is what `jit` does not take
            if predict is method.predict:
                raise
            if compiled:
                raise type(error)(f"evaluate: {error}; or pass compiled=False") from None
            predict = method.predict
            prediction = np.asarray(predict(params, support, query.x))
        _check_no_nan("evaluate", prediction)
        if not measured:
            _warn_if_replicated(predict)
        values = np.asarray(measure(prediction, query.y))
        if values.shape != prediction.shape[:1]:
            raise ValueError(
                f"evaluate: measure gave {values.shape} for predictions "
                f"{prediction.shape} and must give (T,), one number for each task"
            )
        measured.append(values)
    every = np.concatenate(measured)
    interval = 1.96 * every.std() / np.sqrt(len(every))
    return Score(float(every.mean()), float(interval), len(every))


def _warn_if_replicated(predict: Callable) -> None:
    """Say on the first of several ranks why each adapts to all tasks, if that is so and costly."""
    world = current()
    if world.size == 1 or not world.first:
        return
    programs = getattr(predict, "programs", None)
    if programs is None:
        reasons = ["`predict` is not compiled"]
    else:
        executions = [program.execution for program in programs.values() if program]
        reasons = [each.serial for each in executions if each.serial and not each.tasks]
    if reasons:
        warnings.warn(f"evaluate: every rank adapts to all tasks, as {reasons[0]}", stacklevel=3)


def _check_no_nan(caller: str, prediction: np.ndarray) -> None:
    """Raise FloatingPointError if a number of the prediction is NaN."""
    count = np.isnan(prediction).sum()
    if count:
        raise FloatingPointError(
            f"{caller}: {count} of {prediction.size} numbers of the prediction "
            "are NaN: the parameters or the inputs are no longer numbers"
        )
