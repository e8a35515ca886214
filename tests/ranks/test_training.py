"""Trainings whose tasks are shared have the bits of one process: methods, samplers, resumed."""

import functools

import numpy as np
import pytest
from thread_ranks import bits, on_ranks
from trainings import SMALL, episodes, maml, on_batch, train_numbered, waves_of

import tinymeta as tm

WORLDS = ((2, 1), (3, 1), (4, 2))  # ranks, threads of each


# ---- methods -------------------------------------------------------------------------------------


def sinusoid(world=None):
    """MAML on new waves at each update, with an evaluation."""
    method, waves, rng = maml(), tm.data.Sinusoids(), np.random.default_rng(1)

    def draw(tasks):
        return waves.sample(rng, tasks=tasks, shot=20, query=20)

    run = tm.meta.train(
        method,
        lambda: draw(64),
        iterations=3,
        rng=np.random.default_rng(0),
        rows=1,
        evaluate=lambda params: tm.meta.evaluate(
            method,
            params,
            draw,
            tasks=60,
            batch=40,
            measure=lambda p, y: ((p - y) ** 2).mean((1, 2)),
        ),
    )
    return bits(run.params), run.curve[-1].score, run.curve[-1].metrics


def test_sinusoid():
    expected = sinusoid()
    for size, threads in WORLDS:
        for found in on_ranks(size, sinusoid, threads):
            assert found == expected, f"{size} ranks of {threads} thread(s)"


def objective(theta, data):
    residual = (data.x @ theta[..., None])[..., 0] - data.y
    return (residual * residual).sum(-1)


def quadratics():
    return tm.data.Quadratics().sample(np.random.default_rng(2), tasks=64)


def weighted():
    return tm.meta.Weighted(*waves_of(points=100), tm.meta.step_weights(0.5, 2))


MSE, RATE = tm.losses.mse, {"lr": 0.01}
EMBEDDING = tm.nn.Sequential(tm.nn.Flatten(), *tm.nn.mlp(196, 64, 32).layers)
METHODS = {  # a method, and a function that makes its batch
    "two steps": (tm.meta.maml(SMALL, MSE, **RATE, steps=2), lambda: waves_of(points=100)),
    "first order": (
        tm.meta.maml(SMALL, MSE, **RATE, first_order=True),
        lambda: waves_of(points=200),
    ),
    "meta-sgd": (tm.meta.meta_sgd(SMALL, MSE, **RATE), lambda: waves_of(points=100)),
    "reptile": (tm.meta.reptile(SMALL, MSE, **RATE, steps=2), lambda: waves_of(points=200)),
    "imaml": (tm.meta.imaml(SMALL, MSE, **RATE, steps=2, cg_steps=2), lambda: waves_of(points=100)),
    "anil": (tm.meta.anil(SMALL, MSE, **RATE), lambda: waves_of(points=200)),
    "maml++": (tm.meta.maml_plus(SMALL, MSE, **RATE, steps=2), weighted),
    "learned optimizer": (tm.meta.learned_optimizer(objective, steps=3, hidden=8), quadratics),
    "prototypical": (tm.meta.prototypical(EMBEDDING, way=5), lambda: episodes(64)),
}


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_the_bits_of_one_process(name, capsys):
    method, batch = METHODS[name]
    run = on_batch(method, batch(), iterations=3)
    expected = run()
    for size, threads in WORLDS:
        found = on_ranks(size, run, threads)
        assert set(found) == {expected}, f"{size} ranks of {threads} thread(s)"
    said = capsys.readouterr().err
    assert "every rank computes all" not in said and "have no work" not in said, said


def test_a_conv_net():
    """Two of the four blocks of conv4: the kernels of two more say nothing new."""
    layers = tm.nn.conv4(5, filters=8).layers
    net = tm.nn.Sequential(*layers[:6], *layers[12:])
    run = on_batch(tm.meta.maml(net, lr=0.4), episodes())
    expected = run()
    for size, threads in ((2, 2), (3, 1), (4, 1)):
        assert set(on_ranks(size, run, threads)) == {expected}


# ---- numbered tasks ------------------------------------------------------------------------------


@functools.cache
def alone():
    """The bits of numbered tasks by one process."""
    return bits(train_numbered().params)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_rank_draws_only_its_own_of_numbered_tasks(size):
    def work(world):
        drawn = []
        run = train_numbered(drawn)
        return bits(run.params), [n for k, n in drawn if k == 3]

    found = on_ranks(size, work)
    assert {params for params, _ in found} == {alone()}
    shares = [tasks for _, tasks in found]
    assert sorted(n for tasks in shares for n in tasks) == list(range(64))
    assert max(map(len, shares)) <= 64 // size + 8


def test_more_ranks_than_chunks_are_told(capsys):
    run = on_batch(maml(), waves_of())
    expected = run()
    capsys.readouterr()
    assert set(on_ranks(20, run)) == {expected}
    assert "4 of 20 ranks have no work in it, 64 tasks in 16 chunks" in capsys.readouterr().err


def test_more_ranks_than_tasks_are_refused():
    def work(world):
        with pytest.raises(ValueError, match="3 ranks for 2 tasks"):
            on_batch(METHODS["two steps"][0], waves_of(2, 1000))()
        return True

    assert all(on_ranks(3, work))


# ---- checkpoints ---------------------------------------------------------------------------------


def test_a_checkpoint_resumes_under_any_number_of_ranks(tmp_path):
    def part(iterations, resume, path):
        checkpoint = tm.meta.Checkpoint(path, {}, {}, every=1e9)
        return lambda world=None: bits(
            train_numbered(iterations=iterations, checkpoint=checkpoint, resume=resume).params
        )

    expected = part(7, False, tmp_path / "alone.npz")()
    path = tmp_path / "shared.npz"
    on_ranks(2, part(2, False, path))
    on_ranks(3, part(3, True, path))
    part(5, True, path)()
    assert set(on_ranks(4, part(7, True, path))) == {expected}
    whole, alone = tm.load(path), tm.load(tmp_path / "alone.npz")
    assert bits(whole["state"]) == bits(alone["state"])


def test_ranks_that_differ_are_named():
    def work(world):
        with pytest.raises(RuntimeError, match="rank 1 and rank 0 differ in their first batch"):
            batch = waves_of()
            batch.support.x[0] += world.rank
            on_batch(maml(), batch)()
        with pytest.raises(RuntimeError, match="differ in their configuration"):
            checkpoint = tm.meta.Checkpoint("never.npz", {"lr": world.rank}, {})
            train_numbered(checkpoint=checkpoint)
        return True

    assert on_ranks(2, work) == [True, True]


def test_parameters_that_drift_apart_are_found_at_the_next_row():
    """As on machines of two kinds, where what every rank computes may have other bits."""

    def work(world):
        drifting = tm.optim.Optimizer(
            lambda params: None,
            lambda grads, state, params: (
                tm.tree.map(lambda p, g: p - 0.01 * (1.0 + 1e-6 * world.rank) * g, params, grads),
                state,
            ),
        )
        with pytest.raises(RuntimeError, match="rank 1 and rank 0 differ in their parameters"):
            train_numbered(optimizer=drifting)
        return True

    assert all(on_ranks(2, work))
