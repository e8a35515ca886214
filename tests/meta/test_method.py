"""Scores: an average over tasks with its interval, and the measures that are averaged."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.meta import Method, accuracy, evaluate, maml
from tinymeta.meta.evaluation import Score, squared_error
from tinymeta.testing import without_compiling


def test_measures():
    logits = np.array([[[0.1, 0.9], [2.0, 1.0]], [[0.0, -1.0], [5.0, 6.0]]])
    np.testing.assert_array_equal(accuracy(logits, np.array([[1, 1], [0, 1]])), [0.5, 1.0])
    np.testing.assert_array_equal(squared_error([[[1.0], [2.0]]], [[[1.0], [5.0]]]), [4.5])


def graded(values):
    """A method and a sampler whose tasks are answered with these values, in order."""
    values, sizes = list(values), []

    def sample(n):
        sizes.append(n)
        y = np.array([[[values.pop(0)]] for _ in range(n)])
        return tm.Tasks(tm.Batch(y, y), tm.Batch(y, y))

    return Method(None, None, lambda params, support, x: params * x), sample, sizes


def test_evaluate_is_a_mean_and_an_interval():
    values = np.random.default_rng(0).normal(size=10)
    method, sample, sizes = graded(values)
    score = evaluate(method, 3.0, sample, tasks=10, batch=4, measure=squared_error)
    errors = (3 * values - values) ** 2
    assert sizes == [4, 4, 2] and score.tasks == 10
    np.testing.assert_allclose(score.mean, errors.mean(), rtol=1e-12)
    np.testing.assert_allclose(score.interval, 1.96 * errors.std() / np.sqrt(10), rtol=1e-12)
    assert str(Score(0.98765, 0.00432, 600)) == "0.9877 +- 0.0043 (600 tasks)"


def test_evaluate_needs_two_tasks():
    method, sample, _ = graded([1.0])
    with pytest.raises(ValueError, match="at least 2 tasks, got 1"):
        evaluate(method, 1.0, sample, tasks=1)


def test_evaluate_compiles_a_method_once_and_scores_it_as_eagerly():
    waves = tm.data.Sinusoids()
    calls = []
    plain = maml(nn.mlp(1, 4, 1), tm.losses.mse, lr=0.01)

    def predict(*args):
        calls.append(args)
        return plain.predict(*args)

    def scored(compiled):
        rng = np.random.default_rng(0)
        return evaluate(
            plain._replace(predict=predict),
            params,
            lambda n: waves.sample(rng, tasks=n),
            tasks=6,
            batch=3,
            measure=squared_error,
            compiled=compiled,
        )

    params = plain.init(np.random.default_rng(1))
    with without_compiling():
        first, again = scored(True), scored(None)  # None: by default
    assert len(calls) == 1 and first == again
    eager = scored(False)
    assert len(calls) == 3
    np.testing.assert_allclose(first[:2], eager[:2], rtol=1e-4)


def test_a_prediction_that_reads_values_is_evaluated_uncompiled():
    method, sample, _ = graded([1.0, 2.0, 3.0, 4.0])
    method = method._replace(predict=lambda params, support, x: np.asarray(x) * params)
    with pytest.raises(TypeError, match="evaluate: .* pass compiled=False"):
        evaluate(method, 1.0, sample, tasks=2, measure=squared_error, compiled=True)
    score = evaluate(method, 1.0, sample, tasks=2, measure=squared_error)
    assert score.mean == 0


def classes(seed=0):
    """Tasks of two classes apart by the sign of their first feature."""
    rng = np.random.default_rng(seed)

    def batch(n):
        y = rng.integers(2, size=(6, n))
        x = rng.normal(size=(6, n, 3))
        x[..., 0] = (2 * y - 1) * np.abs(x[..., 0])
        return tm.Batch(x, y)

    return tm.Tasks(batch(8), batch(5))


def test_a_method_is_evaluated_without_a_word_about_compiling():
    """Also one whose prediction looks at labels, as that of a siamese network does."""
    model = nn.mlp(3, 8, 2)
    params = model.init(np.random.default_rng(0))
    tasks = tm.tree.map(lambda x: x.astype(np.float32) if x.ndim > 2 else x, classes())
    methods = [
        maml(model, lr=0.1),
        tm.meta.prototypical(model, way=2),
        tm.meta.siamese(model),
        tm.meta.siamese(model, way=2),
    ]
    for method in methods:
        score = evaluate(method, params, lambda n: tasks, tasks=6)
        assert 0 <= score.mean <= 1 and score.tasks == 6


def test_maml_reports_loss_and_accuracy():
    model, tasks = nn.mlp(3, 8, 2, activation=tm.tanh), classes()
    method = maml(model, lr=0.5, steps=2)
    params = tm.tree.map(lambda p: p.astype(np.float64), method.init(np.random.default_rng(0)))
    metrics, _ = method.meta_grad(params, tasks)
    predicted, y = method.predict(params, tasks.support, tasks.query.x), tasks.query.y
    losses = tm.losses.cross_entropy(predicted, y).numpy()
    np.testing.assert_allclose(metrics["loss"], losses.mean(), rtol=1e-12)
    np.testing.assert_allclose(metrics["accuracy"], accuracy(predicted, y).mean(), rtol=1e-6)
    assert all(value.shape == () and not value.serial for value in metrics.values())


def test_more_steps_in_the_test_than_in_training():
    model, tasks = nn.mlp(3, 8, 2, activation=tm.tanh), classes()
    params = model.init(np.random.default_rng(0))
    x = tasks.query.x.astype(np.float32)
    support = tm.Batch(tasks.support.x.astype(np.float32), tasks.support.y)

    def predicted(**options):
        return maml(model, lr=0.5, **options).predict(params, support, x).numpy()

    np.testing.assert_array_equal(predicted(steps=1, test_steps=3), predicted(steps=3))
    np.testing.assert_array_equal(predicted(steps=1, test_steps=0), predicted(steps=0))
    np.testing.assert_allclose(predicted(steps=0), model(params, x).numpy(), rtol=1e-5, atol=1e-6)
    assert (predicted(steps=3) != predicted(steps=1)).any()


def test_maml_of_what():
    with pytest.raises(ValueError, match="over_tasks 'max' is not 'mean' or 'sum'"):
        maml(nn.mlp(1, 1), lr=0.1, over_tasks="max")
