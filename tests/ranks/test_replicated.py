"""What ranks cannot share every rank computes, to the same bits, and the first lines say so, once.

The lines are read as a user reads them: before the first row of the curve, and with the reason.
"""

import numpy as np
import pytest
from thread_ranks import on_ranks
from trainings import NET, SMALL, maml, on_batch, waves_of

import tinymeta as tm


def first_lines(run, capsys, size=2):
    """What is said before the first row, by all ranks; they end in the bits of one process.

    One of as many threads: of what is not split over tasks, bits depend on these.
    """
    (expected,) = on_ranks(1, run)
    capsys.readouterr()
    assert set(on_ranks(size, run)) == {expected}
    said = capsys.readouterr().err
    before, row, _ = said.partition("  loss ")
    assert row, said
    return before


def pairs(count=512):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, count, 196), dtype=np.float32)
    return tm.data.Pairs(a, b, np.arange(count) % 2 == 0)


def test_pairs_under_batch_norm(capsys):
    """There is work enough for chunks, but the pairs are one batch, as the norm needs it."""
    method = tm.meta.siamese(tm.nn.mlp(196, 64, 32, norm=True))
    said = first_lines(on_batch(method, pairs()), capsys)
    assert said.count("every rank computes all of it, whole, not in chunks of tasks") == 1, said
    assert "too little work" not in said
    assert "mixes them" in said  # the operation at which tasks meet, with its line


def test_work_too_little_to_share(capsys):
    said = first_lines(on_batch(tm.meta.maml(SMALL, tm.losses.mse, lr=0.01), waves_of(4)), capsys)
    assert said.count("every rank computes all of it, whole: too little work") == 1, said


def test_an_update_that_is_not_compiled(capsys):
    said = first_lines(on_batch(maml(), waves_of(8), compiled=False), capsys)
    assert said.count("every rank computes all tasks, as the update is not compiled") == 1, said


def clipped():
    """Gradient descent of length 0.01, which depends on all elements."""

    def update(grads, state, params):
        def step(p, g):
            return p - 0.01 * g / tm.sqrt(tm.square(g).sum())

        return tm.tree.map(step, params, grads), state

    return tm.optim.Optimizer(lambda params: None, update)


def a_rate_of_each():
    """Momentum, with a rate for each parameter."""
    rates = tm.tree.map(lambda p: 0.01, NET.init(np.random.default_rng(0)))
    return tm.optim.momentum(rates)


@pytest.mark.parametrize("optimizer", [clipped, a_rate_of_each])
def test_an_optimizer_that_does_not_work_element_by_element(optimizer, capsys):
    said = first_lines(on_batch(maml(), waves_of(), optimizer=optimizer()), capsys)
    reason = (
        "every rank updates all parameters, as the optimizer does not say that it works element"
    )
    assert said.count(reason) == 1, said
    assert "every rank computes all" not in said  # the gradient is shared


def test_a_sampler_that_is_no_source_of_numbered_tasks(capsys):
    said = first_lines(on_batch(maml(), waves_of()), capsys)
    assert said.count("every rank draws all tasks, as `sample` is no source") == 1, said
    assert "every rank updates" not in said and "every rank computes" not in said, said


def score(method):
    """The score of untrained parameters on 60 new tasks, by a function of a world."""

    def run(world=None):
        rng, waves = np.random.default_rng(5), tm.data.Sinusoids()
        return tm.meta.evaluate(
            method,
            method.init(np.random.default_rng(0)),
            lambda n: waves.sample(rng, tasks=n, shot=20, query=20),
            tasks=60,
            batch=30,
            measure=lambda p, y: ((p - y) ** 2).mean((1, 2)),
        )

    return run


def reads_a_value(method):
    """The method with a prediction that cannot be compiled."""

    def predict(params, support, x):
        assert float(tm.asarray(support.y).sum()) < 1e9
        return method.predict(params, support, x)

    return method._replace(predict=predict)


def test_an_evaluation_that_is_not_compiled():
    run = score(reads_a_value(maml()))
    expected = run()
    with pytest.warns(UserWarning, match="evaluate: every rank adapts to all tasks") as said:
        assert on_ranks(2, run) == [expected] * 2
    assert len(said) == 1, [str(warning.message) for warning in said]


@pytest.mark.filterwarnings("error")
def test_an_evaluation_that_is_shared_says_nothing():
    run = score(maml())
    assert on_ranks(2, run) == [run()] * 2
