"""Trainings whose tasks are shared have the bits of one process: methods, optimizers, samplers."""

import functools

import numpy as np
import pytest
from thread_ranks import bits, on_ranks

import tinymeta as tm

NET = tm.nn.mlp(1, 40, 40, 1)
WAVES = dict(tasks=64, shot=20, query=20)


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


def others(name):
    """A training of a method that takes something else than waves."""
    rng = np.random.default_rng(2)
    if name == "learned optimizer":

        def objective(theta, data):
            residual = (data.x @ theta[..., None])[..., 0] - data.y
            return (residual * residual).sum(-1)

        method = tm.meta.learned_optimizer(objective, steps=6, hidden=8)
        return images(method, tm.data.Quadratics().sample(rng, tasks=64), iterations=3)
    tasks = tm.data.Sinusoids().sample(rng, **WAVES)
    weighted = tm.meta.Weighted(*tasks, tm.meta.step_weights(0.5, 2))
    method = tm.meta.maml_plus(NET, tm.losses.mse, lr=0.01, steps=2)
    return images(method, weighted, iterations=3)


@pytest.mark.parametrize("name", ["learned optimizer", "maml++"])
def test_other_methods_have_the_bits_of_one_process(name):
    run = others(name)
    for size, threads in ((2, 1), (3, 1), (4, 2)):
        assert set(on_ranks(size, run, threads)) == {run()}


# ---- nets of images ------------------------------------------------------------------------------


def images(method, batch, iterations=2, **options):
    """The bits of a training on one batch, and what it said, on stderr."""
    return lambda world=None: bits(
        tm.meta.train(
            method,
            lambda: batch,
            iterations=iterations,
            rng=np.random.default_rng(0),
            rows=1,
            **options,
        ).params
    )


def episodes(tasks=6):
    x = np.random.default_rng(0).random((2, tasks, 5, 14, 14, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (tasks, 1))
    return tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))


@pytest.mark.parametrize("method", ["maml", "prototypical"])
def test_conv4(method):
    if method == "maml":
        run = images(tm.meta.maml(tm.nn.conv4(5, filters=8), lr=0.4), episodes())
    else:
        net = tm.nn.conv4(None, filters=8)
        run = images(tm.meta.prototypical(net, way=5), episodes())
    for size, threads in ((2, 2), (3, 1), (4, 1)):
        assert set(on_ranks(size, run, threads)) == {run()}


def test_pairs_under_batch_norm_are_computed_by_every_rank_which_is_said(capsys):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 8, 14, 14, 1), dtype=np.float32)
    pairs = tm.data.Pairs(a, b, np.arange(8) % 2 == 0)
    run = images(tm.meta.siamese(tm.nn.conv4(None, filters=4)), pairs)
    expected = run()
    capsys.readouterr()
    assert set(on_ranks(2, run)) == {expected}
    assert capsys.readouterr().err.count("every rank computes all of it, whole") == 1


# ---- the optimizer in parts ----------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": tm.optim.sgd(0.01),
    "momentum": tm.optim.momentum(0.01),
    "nesterov": tm.optim.momentum(0.01, nesterov=True),
    "adam": tm.optim.adam(0.01),
    "adam on a schedule": tm.optim.adam(tm.optim.cosine(0.01, 3)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_in_parts_has_the_bits_of_a_whole_one(name):
    method = tm.meta.maml(tm.nn.conv4(5, filters=8), lr=0.4)
    run = images(method, episodes(), iterations=3, optimizer=OPTIMIZERS[name])
    for size in (2, 3):
        assert set(on_ranks(size, run)) == {run()}


def waves_of(tasks=64):
    waves, rng = tm.data.Sinusoids(), np.random.default_rng(1)
    return waves.sample(rng, tasks=tasks, shot=20, query=20)


@pytest.mark.parametrize("size", [2, 3])
def test_each_rank_keeps_its_slice_of_the_moments_and_sends_no_more_than_the_gradient(size):
    method, batch, optimizer = METHODS["maml"](), waves_of(), tm.optim.adam(0.01)

    def work(world):
        params = tm.tree.map(tm.tensor, method.init(np.random.default_rng(0)))
        state = optimizer.init(params)
        update = world.sharded(method.meta_grad, optimizer, params, state, batch)
        own = update.own(state)
        _, params, own = update(params, own, batch)  # compiled
        before = world.messages.bytes
        for _ in range(2):
            _, params, own = update(params, own, batch)
        sent = (world.messages.bytes - before) // 2
        elements = sum(x.size for x in tm.tree.leaves(own.mean))
        assert len(update.update.programs) == len(update.programs) == 1  # compiled once
        return elements, sent, bits(params), bits(update.whole(own).square)

    found = on_ranks(size, work)
    total = sum(x.size for x in tm.tree.leaves(METHODS["maml"]().init(np.random.default_rng(0))))
    assert sum(elements for elements, *_ in found) == total
    assert max(elements for elements, *_ in found) < total / size + 4
    most = 2 * 4 * (total + 1) * (size - 1) / size
    if size == 2:
        assert all(sent <= most + 4 for _, sent, *_ in found)
    assert len({rest for *_, sent, a, b in found for rest in [(a, b)]}) == 1


@pytest.mark.parametrize("size", [2, 3])
def test_an_update_begins_with_the_parameters_that_it_is_given(size):
    """Those that it made itself, others of the same shapes, and then its own once more."""
    method, batch, optimizer = METHODS["maml"](), waves_of(), tm.optim.adam(0.01)

    def work(world=None):
        params = tm.tree.map(tm.tensor, method.init(np.random.default_rng(0)))
        state = optimizer.init(params)

        def whole(params, state, batch):
            metrics, grads = method.meta_grad(params, batch)
            return metrics, *optimizer.update(grads, state, params)

        update = tm.jit(whole)
        if world:
            update = world.sharded(method.meta_grad, optimizer, params, state, batch)
            state = update.own(state)
        found = []
        for halved in (False, False, True, False):
            begin = tm.tree.map(lambda x: 0.5 * x, params) if halved else params
            _, params, state = update(begin, state, batch)
            found.append(bits(params))
        return found

    assert on_ranks(size, work) == [work()] * size


def test_an_optimizer_that_does_not_say_so_is_run_whole_on_every_rank_which_is_said(capsys):
    clipped = tm.optim.Optimizer(
        lambda params: None,
        lambda grads, state, params: (
            tm.tree.map(lambda p, g: p - 0.01 * g / tm.sqrt(tm.square(g).sum()), params, grads),
            state,
        ),
    )
    run = images(METHODS["maml"](), waves_of(), optimizer=clipped)
    expected = run()
    capsys.readouterr()
    assert set(on_ranks(2, run)) == {expected}
    assert capsys.readouterr().err.count("every rank updates all parameters") == 1


# ---- numbered tasks ------------------------------------------------------------------------------


def numbered(drawn=None):
    """A source of 64 waves; drawn: a list of what is drawn, by (update, task)."""
    waves = tm.data.Sinusoids()
    source = tm.data.Numbered(
        lambda rng: waves.sample(rng, tasks=1, shot=20, query=20), tasks=64, seed=3
    )
    if drawn is not None:
        one = source.generator
        source.generator = lambda k, n: drawn.append((k, n)) or one(k, n)
    return source


def train_numbered(drawn=None, **options):
    options = {"iterations": 4, "rows": 1, **options}
    rng = np.random.default_rng(0)
    return tm.meta.train(METHODS["maml"](), numbered(drawn), rng=rng, **options)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_rank_draws_only_its_own_of_numbered_tasks(size):
    def work(world):
        drawn = []
        run = train_numbered(drawn)
        return bits(run.params), [n for k, n in drawn if k == 3]

    found = on_ranks(size, work)
    assert {params for params, _ in found} == {bits(train_numbered().params)}
    shares = [tasks for _, tasks in found]
    assert sorted(n for tasks in shares for n in tasks) == list(range(64))
    assert max(map(len, shares)) <= 64 // size + 8


def test_a_sampler_that_is_no_source_is_drawn_whole_which_is_said(capsys):
    on_ranks(2, images(METHODS["maml"](), waves_of()))
    assert capsys.readouterr().err.count("every rank draws all tasks") == 1


def test_more_ranks_than_chunks_are_told(capsys):
    run = images(METHODS["maml"](), waves_of())
    expected = run()
    capsys.readouterr()
    assert set(on_ranks(20, run)) == {expected}
    assert "4 of 20 ranks have no work in it, 64 tasks in 16 chunks" in capsys.readouterr().err


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


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_moment_that_is_no_number_on_the_rank_that_owns_it_stops_all(tmp_path):
    """The loss and the parameters still are numbers, on all ranks."""
    checkpoint = tm.meta.Checkpoint(tmp_path / "c.npz", {}, {}, every=1e9)

    def init(params):
        first, *others = tm.tree.leaves(params)
        moments = [tm.zeros_like(first) + 3e38, *map(tm.zeros_like, others)]
        return tm.tree.unflatten(tm.tree.flatten(params)[1], moments)

    def update(grads, state, params):
        return params, tm.tree.map(lambda s: 2.0 * s, state)

    growing = tm.optim.Optimizer(init, update, elementwise=True)

    def work(world):
        with pytest.raises(FloatingPointError, match="a parameter is no longer a number"):
            train_numbered(iterations=2, optimizer=growing, checkpoint=checkpoint)
        return True

    assert on_ranks(2, work) == [True, True]


def test_ranks_that_differ_are_named():
    def work(world):
        with pytest.raises(RuntimeError, match="rank 1 and rank 0 differ in their first batch"):
            batch = waves_of()
            batch.support.x[0] += world.rank
            images(METHODS["maml"](), batch)()
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


def test_more_ranks_than_tasks_are_refused():
    def work(world):
        with pytest.raises(ValueError, match="3 ranks for 2 tasks"):
            images(tm.meta.maml(tm.nn.conv4(5, filters=8), lr=0.4), episodes(2))()
        return True

    assert all(on_ranks(3, work))
