"""The training loop: repeatable, honest about its rows, and safe to interrupt."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import Method, Score, maml
from tinymeta.meta import train as compiled_train


def train(*args, **kwargs):
    """Of methods here that count their calls, and so cannot be compiled."""
    return compiled_train(*args, compiled=False, **kwargs)


def downhill(losses=None):
    """A method whose gradient is the parameter and whose losses are those given, else theta^2."""

    def meta_grad(theta, batch):
        loss = losses[int(batch) - 1] if losses else float(tm.square(theta).sum())
        return {"loss": loss, "batch": float(batch)}, theta

    return Method(lambda rng: rng.normal(size=3), meta_grad, None)


def counting():
    """A sampler that returns 1.0, 2.0, ..."""
    count = iter(range(1, 1000))
    return lambda: float(next(count))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_every_update_is_made_once():
    run = train(downhill(), counting(), iterations=7, rng=rng(), optimizer=tm.optim.sgd(0.5))
    np.testing.assert_allclose(run.params.numpy(), rng().normal(size=3) * 0.5**7, rtol=1e-14)


def test_given_parameters_are_where_it_starts_and_stay_as_they_are():
    start = np.ones(3)
    run = train(
        downhill(), counting(), iterations=2, rng=None, params=start, optimizer=tm.optim.sgd(0.5)
    )
    np.testing.assert_array_equal(run.params.numpy(), 0.25)
    np.testing.assert_array_equal(start, 1.0)


def test_rows_are_means_since_the_row_before():
    scores = iter([Score(mean, 0.1, 5) for mean in (3.0, 1.0, 4.0, 2.0)])
    saved = []
    run = train(
        downhill(),
        counting(),
        iterations=10,
        rng=rng(),
        rows=4,
        evaluate=lambda params: next(scores),
        save=lambda params, curve: saved.append((params.numpy(), len(curve))),
    )
    assert [row.iteration for row in run.curve] == [2, 5, 7, 10]
    assert [row.metrics["batch"] for row in run.curve] == [1.5, 4.0, 6.5, 9.0]
    assert [row.score.mean for row in run.curve] == [3.0, 1.0, 4.0, 2.0]
    assert [rows for _, rows in saved] == [1, 2, 3, 4]
    np.testing.assert_array_equal(saved[-1][0], run.params.numpy())
    seconds = [row.seconds for row in run.curve]
    assert seconds == sorted(seconds) and seconds[0] > 0


@pytest.mark.parametrize(
    "iterations, rows, expected", [(3, 20, [1, 2, 3]), (5, 1, [5]), (7, 2, [3, 7])]
)
def test_the_last_iteration_always_has_a_row(iterations, rows, expected):
    run = train(downhill(), counting(), iterations=iterations, rng=rng(), rows=rows)
    assert [row.iteration for row in run.curve] == expected
    assert {row.score for row in run.curve} == {None}


def sinusoid_run(seed, **options):
    model = tm.nn.mlp(1, 8, 1)
    tasks = tm.data.Sinusoids()
    method = maml(model, tm.losses.mse, lr=0.01, steps=1)
    draw = rng(seed)
    return compiled_train(
        method, lambda: tasks.sample(draw, tasks=5), iterations=12, rng=rng(seed), rows=3, **options
    )


def test_a_compiled_run_is_the_eager_run():
    fast, slow = sinusoid_run(1), sinusoid_run(1, compiled=False)
    for a, b in zip(*(tm.tree.leaves(run.params) for run in (fast, slow))):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)
    for a, b in zip(fast.curve, slow.curve):
        np.testing.assert_allclose(a.metrics["loss"], b.metrics["loss"], rtol=1e-4)


def test_the_same_seed_gives_the_same_bits():
    first, again, other = sinusoid_run(1), sinusoid_run(1), sinusoid_run(2)
    for a, b, c in zip(*(tm.tree.leaves(run.params) for run in (first, again, other))):
        assert (a.numpy() == b.numpy()).all() and (a.numpy() != c.numpy()).any()
    assert [row.metrics for row in first.curve] == [row.metrics for row in again.curve]


def test_parameters_carry_no_history():
    """Else a long run would hold every step's graph."""
    assert all(leaf.serial == 0 for leaf in tm.tree.leaves(sinusoid_run(1).params))


def test_ctrl_c_keeps_what_was_reached(capsys):
    sample = counting()

    def interrupted():
        if (batch := sample()) == 6:
            raise KeyboardInterrupt
        return batch

    saved = []
    run = train(
        downhill(),
        interrupted,
        iterations=10,
        rng=rng(),
        rows=5,
        optimizer=tm.optim.sgd(0.5),
        save=lambda *kept: saved.append(kept),
    )
    np.testing.assert_allclose(run.params.numpy(), rng().normal(size=3) * 0.5**5, rtol=1e-14)
    assert [row.iteration for row in run.curve] == [2, 4, 5]
    assert saved[-1][0] is run.params and len(saved) == 3
    assert "5/10  stopped by Ctrl-C" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_no_number_stops_the_run(bad):
    with pytest.raises(FloatingPointError, match=f"became {bad} at iteration 3"):
        train(downhill([1.0, 2.0, bad]), counting(), iterations=5, rng=rng())


def test_other_errors_pass_through():
    def broken():
        raise OSError("the data is gone")

    with pytest.raises(OSError, match="the data is gone"):
        train(downhill(), broken, iterations=5, rng=rng())


def test_progress_is_on_stderr_and_names_the_run(capsys):
    train(downhill(), counting(), iterations=4, rng=rng(), rows=2, name="downhill")
    out, err = capsys.readouterr()
    assert out == "" and "downhill 2/4" in err and "downhill 4/4" in err and "loss" in err


def test_what_cannot_be_trained_is_refused_in_one_sentence():
    for iterations in (0, 2.5, True, "3"):
        with pytest.raises(
            ValueError, match=f"iterations={iterations!r} must be a whole number >= 1"
        ):
            train(downhill(), counting(), iterations=iterations, rng=rng())
    for nothing in (None, 0):
        with pytest.raises(ValueError, match=f"train: rng={nothing} cannot draw the initial param"):
            train(downhill(), counting(), iterations=1, rng=nothing)


def test_a_signal_that_interrupts_is_named(capsys):
    def interrupted():
        raise KeyboardInterrupt("SIGTERM")

    run = train(downhill(), interrupted, iterations=10, rng=rng())
    assert not run.finished and run.curve == []
    assert "stopped by SIGTERM" in (error := capsys.readouterr().err) and "kept" not in error


def test_an_update_that_is_not_split_says_why_once(capsys):
    """Tasks that a mean over all of them mixes: whole, and named. Tasks that keep apart: silent."""
    x = np.random.default_rng(0).normal(size=(8, 200, 200)).astype(np.float32)

    def method(mixing):
        def meta_grad(w, x):
            y = x - x.mean(0) if mixing else x
            value, grad = tm.value_and_grad(lambda w: tm.square(tm.tanh(y) - w).mean())(w)
            return {"loss": value}, grad

        return tm.meta.Method(lambda rng: np.zeros(200, np.float32), meta_grad, None)

    for mixing in (True, False):
        rng = np.random.default_rng(0)
        tm.meta.train(method(mixing), lambda: x, iterations=4, rng=rng, rows=2)
        err = capsys.readouterr().err
        words = ": sub -> float32(8, 200, 200) (test_train.py:"
        assert err.count(words) == mixing and err.count("chunks") == mixing
