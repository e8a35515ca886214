"""Trainings whose tasks are shared have the bits of one process, for each method."""

import functools

import numpy as np
import pytest
from thread_ranks import bits, on_ranks

import tinymeta as tm

NET = tm.nn.mlp(1, 16, 16, 1)
WAVES = dict(tasks=64, shot=10, query=10)


def regression(method):
    """tm.meta.train of a method on sinusoids."""

    def run(world=None, iterations=3, tasks=64):
        waves, rng = tm.data.Sinusoids(), np.random.default_rng(1)

        def sample():
            return waves.sample(rng, **{**WAVES, "tasks": tasks})

        learner = method()
        run = tm.meta.train(
            learner,
            sample,
            iterations=iterations,
            rng=np.random.default_rng(0),
            rows=1,
            evaluate=lambda params: tm.meta.evaluate(
                learner,
                params,
                lambda n: waves.sample(rng, **{**WAVES, "tasks": n}),
                tasks=60,
                batch=40,
                measure=lambda p, y: ((p - y) ** 2).mean((1, 2)),
            ),
        )
        return bits(run.params), run.curve[-1].score, run.curve[-1].metrics

    return run


METHODS = {
    "maml": lambda: tm.meta.maml(NET, tm.losses.mse, lr=0.01),
    "five steps": lambda: tm.meta.maml(NET, tm.losses.mse, lr=0.01, steps=5),
    "first order": lambda: tm.meta.maml(NET, tm.losses.mse, lr=0.01, first_order=True),
    "meta-sgd": lambda: tm.meta.meta_sgd(NET, tm.losses.mse, lr=0.01),
    "reptile": lambda: tm.meta.reptile(NET, tm.losses.mse, lr=0.01, steps=2),
    "imaml": lambda: tm.meta.imaml(NET, tm.losses.mse, lr=0.01, steps=2),
    "anil": lambda: tm.meta.anil(NET, tm.losses.mse, lr=0.01),
}


@functools.cache
def alone(name):
    return regression(METHODS[name])()


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_the_bits_of_one_process(name):
    for size, threads in ((2, 1), (3, 1), (4, 2)):
        for found in on_ranks(size, regression(METHODS[name]), threads):
            assert found == alone(name), f"{size} ranks of {threads} thread(s)"
