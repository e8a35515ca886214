"""What a method must not take in silence: wrong labels, shapes and NaN; and what it can do without.

For every method, eager and compiled.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.meta import (
    accuracy,
    adapt,
    anil,
    evaluate,
    imaml,
    maml,
    maml_plus,
    meta_sgd,
    prototypical,
    reptile,
    siamese,
    train,
)
from tinymeta.meta.siamese import best_threshold, nearest, verification_accuracy
from tinymeta.testing.interpreted import interpreted_jit
from tinymeta.testing.learning import episodes

K = 3
NET = tm.nn.mlp(2, 4, K, activation=tm.tanh)
ADAPTING = {
    "maml": lambda *loss: maml(NET, *loss, lr=0.1),
    "anil": lambda *loss: anil(NET, *loss, lr=0.1),
    "meta_sgd": lambda *loss: meta_sgd(NET, *loss, lr=0.1),
    "maml_plus": lambda *loss: maml_plus(NET, *loss, lr=0.1, steps=2),
    "reptile": lambda *loss: reptile(NET, *loss, lr=0.1),
    "imaml": lambda *loss: imaml(NET, *loss, lr=0.1, steps=2, cg_steps=2, strength=10.0),
}
METHODS = {**ADAPTING, "prototypical": lambda *loss: prototypical(NET, way=K)}
WAYS = pytest.mark.parametrize("way", [lambda f: f, interpreted_jit], ids=["eager", "jit"])
EVERY, ADAPTS = (pytest.mark.parametrize("name", names) for names in (METHODS, ADAPTING))


def given_to(name, tasks, *loss):
    """The method, and parameters for it in float64."""
    method = METHODS[name](*loss)
    params = method.init(np.random.default_rng(0))
    return method, tm.tree.map(lambda p: np.asarray(p, np.float64), params), tasks


def some_tasks(labels=(0, 1, 2, 1)):
    rng = np.random.default_rng(0)
    batch = [tm.Batch(rng.normal(size=(2, 4, 2)), np.tile(labels, (2, 1))) for _ in range(2)]
    return tm.Tasks(*batch)


@EVERY
@WAYS
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_a_class_may_be_absent(name, way, data):
    tasks = data.draw(episodes(absent=True, tasks=2))
    if np.ndim(tasks.support.y) == 1:
        tasks = tm.tree.map(lambda x: x[None], tasks)
    method, params, tasks = given_to(name, tasks)
    metrics, grads = way(method.meta_grad)(params, tasks)
    for leaf in tm.tree.leaves((metrics, grads)):
        assert np.isfinite(np.asarray(leaf)).all()
    prediction = np.asarray(way(method.predict)(params, tasks.support, tasks.query.x))
    assert prediction.shape == (*tasks.query.y.shape, K) and not np.isnan(prediction).any()
    if name == "prototypical":
        for t, y in enumerate(tasks.support.y):
            assert (np.isneginf(prediction[t]) == ~np.isin(np.arange(K), y)).all()


@EVERY
@WAYS
@pytest.mark.parametrize("wrong", [-1, K, 99])
@pytest.mark.parametrize("part", ["support", "query"])
def test_labels_outside_their_range(name, way, wrong, part):
    tasks = some_tasks()
    labels = getattr(tasks, part).y.copy()
    labels[1, 2] = wrong
    tasks = tasks._replace(**{part: getattr(tasks, part)._replace(y=labels)})
    method, params, tasks = given_to(name, tasks)
    with pytest.raises(
        ValueError, match="(one_hot|cross_entropy): labels must be integers from 0 to 2"
    ):
        way(method.meta_grad)(params, tasks)


@EVERY
@WAYS
def test_float_labels(name, way):
    tasks = some_tasks(labels=(0.0, 1.0, 2.0, 1.0))
    method, params, tasks = given_to(name, tasks)
    with pytest.raises(
        ValueError, match="(one_hot|cross_entropy): labels must be integers .* got float64"
    ):
        way(method.meta_grad)(params, tasks)


@ADAPTS
@WAYS
@pytest.mark.parametrize("axes, shape", [(None, r"\(\)"), (-1, r"\(2, 4\)")])
def test_a_loss_that_is_not_one_number_for_each_task(name, way, axes, shape):
    def loss(prediction, y):
        return tm.mean(tm.square(prediction - tm.one_hot(y, K, prediction.dtype)), axes)

    method, params, tasks = given_to(name, some_tasks(), loss)
    with pytest.raises(ValueError, match=rf"the loss has the shape {shape} and must have \(2,\)"):
        way(method.meta_grad)(params, tasks)


@ADAPTS
@WAYS
def test_support_and_query_of_other_tasks(name, way):
    method, params, tasks = given_to(name, some_tasks())
    tasks = tasks._replace(support=tm.tree.map(lambda x: x[:1], tasks.support))
    with pytest.raises(ValueError, match=r"of the same tasks.* got leading sizes \[1, 2\]"):
        way(method.meta_grad)(params, tasks)


@EVERY
def test_predictions_that_are_nan_are_not_scored(name):
    method, params, tasks = given_to(name, some_tasks())
    params = tm.tree.map(lambda p: np.full_like(p, np.nan), params)
    with pytest.raises(FloatingPointError, match="evaluate: 24 of 24 numbers .* are NaN"):
        evaluate(method, params, lambda n: tasks, tasks=2)


def test_adapt_without_a_task_axis():
    """A scalar is right there, one number for each example is not."""
    tasks = some_tasks()
    x, y = tasks.support.x[0], tasks.support.y[0]
    params = NET.init(np.random.default_rng(0))
    params = tm.tree.map(lambda p: p.astype(np.float64), params)
    for shape, axes in (((), None), ((4,), -1)):

        def loss(p, batch):
            return tm.mean(tm.square(NET(p, batch.x) - np.eye(K)[batch.y]), axes)

        if shape:
            with pytest.raises(ValueError, match=r"adapt: the loss has the shape \(4,\)"):
                adapt(loss, params, tm.Batch(x, y), lr=0.1, steps=1)
        else:
            own = adapt(loss, params, tm.Batch(x, y), lr=0.1, steps=1)
            slope = tm.grad(lambda p: loss(p, tm.Batch(x, y)))(params)
            for a, p, g in zip(*map(tm.tree.leaves, (own, params, slope))):
                np.testing.assert_allclose(a, p - 0.1 * g.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    "logits, labels, error",
    [
        (np.zeros((2, 3)), np.array([0, 3]), r"labels must be from 0 to 2.* got 0 to 3"),
        (np.zeros((2, 3)), np.array([0, -1]), "got -1 to 0"),
        (np.zeros((2, 3)), np.array([0.0, 1.0]), "float64 labels"),
        (np.zeros((2, 3)), np.array([[0], [1]]), r"logits \(2, 3\) and int64 labels \(2, 1\)"),
        (np.zeros((0, 3)), np.zeros(0, int), "N and K not 0"),
        (np.array([[np.nan, 0.0, 1.0]]), np.array([0]), "accuracy: 1 of 3 numbers"),
    ],
)
def test_accuracy_of_what_cannot_be_counted(logits, labels, error):
    with pytest.raises((ValueError, FloatingPointError), match=error):
        accuracy(logits, labels)


def test_a_measure_that_is_not_one_number_for_each_task():
    method, params, tasks = given_to("maml", some_tasks())
    with pytest.raises(ValueError, match=r"evaluate: measure gave \(2, 4\)"):
        evaluate(
            method,
            params,
            lambda n: tasks,
            tasks=2,
            measure=lambda prediction, y: prediction.argmax(-1) == y,
        )


@pytest.mark.parametrize("measure", [best_threshold, lambda *a: verification_accuracy(*a, 0.5)])
def test_distances_that_cannot_be_compared(measure):
    with pytest.raises(ValueError, match="1 of 3 distances are NaN"):
        measure(np.array([np.nan, 1.0, 2.0]), np.array([0, 1, 1]))
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\)"):
        measure(np.ones(3), np.array([0, 1]))


@pytest.mark.parametrize("compiled", [False, True])
def test_training_looks_at_its_first_batch(compiled):
    method, params, tasks = given_to("maml", some_tasks())
    for x in (np.nan, np.inf):
        bad = tasks._replace(query=tasks.query._replace(x=np.full((2, 4, 2), x)))
        with pytest.raises(FloatingPointError, match=r"first batch holds a NaN .* in .*query.*x"):
            train(method, lambda: bad, iterations=1, params=params, compiled=compiled)
    with pytest.raises(ValueError, match="cross_entropy: labels must be integers from 0 to 2"):
        train(
            method, lambda: some_tasks((0, 1, 2, 3)), iterations=1, params=params, compiled=compiled
        )


# ---- siamese ------------------------------------------------------------------------------------


def test_the_last_class_may_be_absent_of_a_siamese_support_set():
    plane, support = tm.nn.Dense(2, 2, bias=False), tm.Batch(np.eye(2)[None], np.array([[0, 1]]))
    prediction = siamese(plane, way=4).predict({"w": np.eye(2)}, support, np.eye(2)[None])
    np.testing.assert_allclose(
        prediction[0], [[0, -np.sqrt(2), -np.inf, -np.inf], [-np.sqrt(2), 0, -np.inf, -np.inf]]
    )
    for labels in ([0, 4], [-1, 0]):
        with pytest.raises(ValueError, match="nearest: labels must be integers from 0 to 3"):
            nearest(np.ones((1, 2)), labels, 4)


@pytest.mark.parametrize("lead", [(1,), ()])
def test_siamese_queries_predicted_one_by_one_are_independent(lead):
    net = tm.nn.mlp(2, 4, 2, norm=True)
    params = tm.tree.map(lambda p: np.asarray(p, float), net.init(np.random.default_rng(0)))
    tasks = tm.tree.map(lambda x: x[:1].reshape(*lead, *x.shape[1:]), some_tasks())
    x, other = tasks.query.x, tasks.query.x.copy()
    other[..., 1:, :] *= 3.0
    for transductive in (False, True):
        predict = siamese(net, transductive=transductive).predict
        both = [predict(params, tasks.support, each).numpy() for each in (x, other)]
        first, second = (prediction[..., 0, :] for prediction in both)
        assert (first == second).all() != transductive
