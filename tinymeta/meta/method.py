"""What a method is, and how any of them is scored."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import ops
from ..core.tensor import Tensor


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


class Score(NamedTuple):
    """A mean over tasks, and the half-width of its 95 % interval, 1.96 std / sqrt(tasks)."""
    mean: float
    interval: float
    tasks: int

    def __str__(self):
        return f"{self.mean:.4g} +- {self.interval:.2g} ({self.tasks} tasks)"


def accuracy(logits, labels) -> np.ndarray:
    """The share of examples whose largest logit is the label, (.., N, K) and (.., N) -> (..)."""
    return (np.argmax(np.asarray(logits), -1) == np.asarray(labels)).mean(-1)


def hit_rate(logits, labels) -> Tensor:
    """`accuracy` over all tasks and examples, by operations, so that it can be compiled: 0-d."""
    hits = ops.argmax(logits, -1) == labels
    return ops.mean(ops.astype(hits, np.float32))


def squared_error(prediction, target) -> np.ndarray:
    """The mean squared error, (.., N, D) twice -> (..)."""
    return ((np.asarray(prediction) - np.asarray(target)) ** 2).mean((-2, -1))


def evaluate(method: Method, params, sample: Callable, *, tasks: int = 600, batch: int = 25,
             measure=accuracy) -> Score:
    """Adapt to `tasks` fresh tasks and measure the predictions on their query sets.

    sample(n) -> Tasks of n tasks; measure(prediction, y) -> (n,) numbers.
    Raises ValueError if tasks < 2.
    """
    if tasks < 2:
        raise ValueError(f"evaluate: an interval needs at least 2 tasks, got {tasks}")
    values = []
    for start in range(0, tasks, batch):
        support, query = sample(min(batch, tasks - start))
        values.append(measure(method.predict(params, support, query.x), query.y))
    values = np.concatenate(values)
    interval = 1.96 * values.std() / np.sqrt(len(values))
    return Score(float(values.mean()), float(interval), len(values))
