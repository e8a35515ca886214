"""Ranks with a GPU each share the chunks of a program; their sums go through the host's memory."""

import sys
from pathlib import Path

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cuda.target import SIMULATED

sys.path.append(str(Path(__file__).resolve().parent.parent / "ranks"))
from thread_ranks import bits, on_ranks

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.ptx_run,
    pytest.mark.skipif(SIMULATED, reason="the simulator runs one kernel at a time"),
]


def net(kind):
    if kind == "dense":
        return tm.nn.mlp(1, 5, 1), tm.losses.mse
    blocks = tm.nn.Conv2d(1, 2, stride=2), tm.nn.BatchNorm(2), tm.relu
    return tm.nn.Sequential(
        *blocks, tm.nn.GlobalAveragePooling(), tm.nn.Dense(2, 2)
    ), tm.losses.cross_entropy


def batch(kind, tasks):
    rng = np.random.default_rng(0)
    if kind == "dense":
        return tm.data.Sinusoids().sample(rng, tasks=tasks, shot=3, query=3)
    x = rng.random((2, tasks, 2, 5, 5, 1), dtype=np.float32)
    y = np.tile(np.arange(2), (tasks, 1))
    return tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))


def update(kind, tasks):
    """An update's parameters and state, and in how many chunks it was done."""
    model, loss = net(kind)
    method, optimizer = tm.meta.maml(model, loss, lr=0.1), tm.optim.sgd(0.1)

    def run(world=None):
        params = tm.tree.map(tm.tensor, model.init(np.random.default_rng(1)))

        def meta_update(params, state, data):
            metrics, grads = method.meta_grad(params, data)
            return metrics, *optimizer.update(grads, state, params)

        with tm.device(world.device("cuda") if world else "cuda"):
            compiled = tm.jit(meta_update)
            results = compiled(params, optimizer.init(params), batch(kind, tasks))
            (program,) = compiled.programs.values()
            return [np.asarray(x) for x in tm.tree.leaves(results)], program.execution

    return run


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_an_update_is_that_of_one_gpu_and_the_same_for_two_ranks_and_three(kind):
    run = update(kind, 9)
    alone, _ = run()
    found = {size: on_ranks(size, run) for size in (2, 3)}
    for size, results in found.items():
        for arrays, execution in results:
            assert execution.tasks, execution
            assert bits(arrays) == bits(found[2][0][0]), size
            for a, b in zip(arrays, alone):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_predictions_are_joined():
    model, _ = net("dense")
    params = tm.tree.map(tm.tensor, model.init(np.random.default_rng(1)))
    x = np.random.default_rng(2).normal(size=(9, 4, 1)).astype(np.float32)

    def run(world=None):
        with tm.device("cuda"):
            return np.asarray(tm.jit(lambda p, x: tm.square(model(p, x)))(params, x))

    for found in on_ranks(2, run):
        np.testing.assert_allclose(found, run(), rtol=1e-5, atol=1e-6)


def test_a_training_on_gpus_says_that_every_rank_updates_all(capsys):
    model, loss = net("dense")
    drawn = batch("dense", 4)

    def run(world):
        with tm.device("cuda"):
            method = tm.meta.maml(model, loss, lr=0.1)
            rng = np.random.default_rng(0)
            return bits(tm.meta.train(method, lambda: drawn, iterations=2, rng=rng, rows=1).params)

    first, second = on_ranks(2, run)
    assert first == second
    assert (
        "every rank updates all parameters, as it is computed on a GPU" in capsys.readouterr().err
    )
