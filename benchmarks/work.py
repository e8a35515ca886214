"""The work: one exact second-order MAML meta-gradient of a batch of tasks, the same for everybody.

`ours` lists the ways of tinymeta; each contender is a function without arguments that returns the
gradient as a list of arrays, in the order of tinymeta's leaves.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import tinymeta as tm
from tinymeta.meta.split import in_chunks


class Work(NamedTuple):
    name: str
    model: object
    loss: Callable
    lr: float
    steps: int
    params: object          # a tree without a task axis
    tasks: tm.Tasks         # arrays with one


def conv4(steps: int = 1, tasks: int = 32, shot: int = 1) -> Work:
    """The Omniglot net of Finn et al. 2017 with a scale in its batch norm, 5-way."""
    rng = np.random.default_rng(0)
    model = tm.nn.conv4(5, scale=True)
    x = rng.random((2, tasks, 5 * shot, 28, 28, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (tasks, shot))
    batches = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    return Work("conv4", model, tm.losses.cross_entropy, 0.4, steps, model.init(rng), batches)


def sinusoid(steps: int = 1, tasks: int = 25, shot: int = 10) -> Work:
    """The regression net of Finn et al. 2017, 1-40-40-1."""
    rng = np.random.default_rng(0)
    model = tm.nn.mlp(1, 40, 40, 1)
    batches = tm.data.Sinusoids().sample(rng, tasks=tasks, shot=shot, query=shot)
    return Work("sinusoid", model, tm.losses.mse, 0.01, steps, model.init(rng), batches)


def in_double(work: Work, tasks: int = 3) -> Work:
    """A few of its tasks in float64, where a different order of additions flips no ReLU."""
    def double(a):
        return a.astype(np.float64) if a.dtype.kind == "f" else a
    return work._replace(params=tm.tree.map(double, work.params),
                         tasks=tm.tree.map(lambda a: double(a[:tasks]), work.tasks))


def method(work: Work) -> tm.meta.Method:
    return tm.meta.maml(work.model, work.loss, lr=work.lr, steps=work.steps)


def ours(work: Work, chunks: list[int], threads: int) -> dict[str, Callable]:
    """Compiled; eager in one graph for all tasks; eager in so many chunks on the threads."""
    def contender(meta_grad):
        return lambda: [g.numpy() for g in tm.tree.leaves(meta_grad(work.params, work.tasks)[1])]

    whole = method(work).meta_grad
    split = {f"tinymeta, eager, {n} chunks": contender(in_chunks(whole, n, threads))
             for n in chunks}
    return {"tinymeta, jit": contender(tm.jit(whole)),
            "tinymeta, eager": contender(whole)} | split
