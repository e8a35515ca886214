"""The one training loop: any Method, any sampler; progress, evaluation, a curve.

    theta <- update(grad of the method on a batch of tasks, theta)
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from ..core import tree
from ..core.tensor import tensor
from ..jit import jit
from ..nn.optim import Optimizer, adam
from ..progress import progress
from .method import Method


class Row(NamedTuple):
    """A point of the learning curve; metrics are means since the row before."""
    iteration: int
    seconds: float
    metrics: dict
    score: object           # what `evaluate` returned, or None


class Run(NamedTuple):
    params: object
    curve: list[Row]


def train(method: Method, sample: Callable, *, iterations: int, rng,
          optimizer: Optimizer = adam(1e-3), params=None, evaluate: Callable | None = None,
          rows: int = 20, name: str = "train", save: Callable | None = None,
          compiled: bool = True) -> Run:
    """Meta-train for `iterations` updates.

    sample() -> what `method.meta_grad` takes, a fresh batch each time;
    rng draws the initial parameters if none are given;
    evaluate(params) -> a score, called `rows` times;
    save(params, curve), called as often, keeps what there is;
    compiled: the whole update, gradient and optimizer, is traced once and replayed; so
    `method.meta_grad` has to be what its name says, a function of its arguments alone.

    All randomness is the caller's generators': the same seeds give the same run. Ctrl-C ends it
    early, with what was reached. Raises ValueError if iterations < 1, FloatingPointError when the
    loss is no longer a number.
    """
    if iterations < 1:
        raise ValueError(f"train: iterations must be at least 1, got {iterations}")
    params = tree.map(tensor, method.init(rng) if params is None else params)
    state, curve, since = optimizer.init(params), [], []
    marks = {iterations * (k + 1) // rows for k in range(rows)} - {0}
    start = time.perf_counter()

    def keep(i, score):
        means = {key: sum(m[key] for m in since) / len(since) for key in since[0]}
        curve.append(Row(i, time.perf_counter() - start, means, score))
        since.clear()
        if save:
            save(params, curve)
        return means

    def update(params, state, batch):
        metrics, grads = method.meta_grad(params, batch)
        return metrics, *optimizer.update(grads, state, params)

    update = jit(update) if compiled else update
    with progress(iterations, name) as bar:
        try:
            for i in range(1, iterations + 1):
                metrics, new, new_state = update(params, state, sample())
                metrics = {key: float(metrics[key])
                           for key in sorted(metrics, key=lambda key: key != "loss")}
                if not abs(metrics["loss"]) < float("inf"):
                    raise FloatingPointError(
                        f"train: the loss became {metrics['loss']} at iteration {i}: lower the "
                        "learning rates, or look for the place with tm.debug_nans()")
                params, state = new, new_state
                since.append(metrics)
                bar.step(**metrics)
                if i in marks or i == iterations:
                    score = evaluate(params) if evaluate else None
                    bar.note(**keep(i, score), **({} if score is None else {"score": score}))
        except KeyboardInterrupt:
            if since:
                keep(bar.done, None)
            bar.note(stopped="by Ctrl-C; what was learned so far is kept")
    return Run(params, curve)
