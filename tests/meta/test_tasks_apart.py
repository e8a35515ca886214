"""T tasks at once are T runs of one task, for the inner loop and for every method."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.meta import (
    adapt,
    anil,
    imaml,
    maml,
    maml_loss,
    maml_plus,
    meta_sgd,
    prototypical,
    reptile,
    siamese,
)

T = 3
LOSSES = {"mean squared error": tm.losses.mse, "cross entropy": tm.losses.cross_entropy}


def model_and_tasks(loss, seed=0):
    """Tasks that differ in kind and size, in float64."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 2, stride=2),
        nn.BatchNorm(2),
        tm.tanh,
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(8, 3),
    )
    params = tm.tree.map(lambda p: p + rng.uniform(0.1, 0.4, p.shape), model.init(rng))

    def batch(n):
        x = rng.normal(size=(T, n, 8, 8, 1)) * np.array([0.3, 1.0, 3.0]).reshape(T, 1, 1, 1, 1)
        labels = rng.integers(3, size=(T, n))
        return tm.Batch(x, np.eye(3)[labels] if loss is tm.losses.mse else labels)

    return model, params, tm.Tasks(batch(5), batch(4))


def only(tree, t):
    """Task t alone, its task axis kept."""
    return tm.tree.map(lambda x: x[t : t + 1], tree)


def combined(trees, share):
    return tm.tree.map(lambda *leaves: share * sum(leaves), *trees)


def assert_trees_close(ours, theirs):
    for path, a, b in zip(tm.tree.paths(ours), *map(tm.tree.leaves, (ours, theirs))):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=path)


@pytest.fixture(params=LOSSES)
def case(request):
    loss = LOSSES[request.param]
    model, params, tasks = model_and_tasks(loss)
    return loss, model, params, tasks, lambda p, batch: loss(model(p, batch.x), batch.y)


def test_adapt(case):
    _, _, params, tasks, objective = case
    rng = np.random.default_rng(1)
    adapted = tm.tree.map(lambda p: p + rng.uniform(0.1, 0.4, (T, *p.shape)), params)
    together = adapt(objective, adapted, tasks.support, lr=0.3, steps=3)
    for t in range(T):
        alone = adapt(
            objective,
            tm.tree.map(lambda p: p[t], adapted),
            tm.tree.map(lambda x: x[t], tasks.support),
            lr=0.3,
            steps=3,
        )
        assert_trees_close(tm.tree.map(lambda p: p[t], together), alone)


@pytest.mark.parametrize("first_order", [False, True])
def test_maml_loss(case, first_order):
    _, _, params, tasks, objective = case

    def losses(p, tasks):
        return maml_loss(objective, p, tasks, lr=0.3, steps=2, first_order=first_order)

    def weighted(p):
        return (losses(p, tasks) * np.array([1.0, -2.0, 0.5])).sum()

    values = losses(params, tasks).numpy()
    alone = [tm.value_and_grad(lambda p: losses(p, only(tasks, t)).sum())(params) for t in range(T)]
    np.testing.assert_allclose(values, [v.item() for v, _ in alone], rtol=1e-12)
    assert len(set(values.round(6))) == T
    together = tm.tree.map(lambda a, b, c: a - 2.0 * b + 0.5 * c, *(g for _, g in alone))
    assert_trees_close(tm.grad(weighted)(params), together)


@pytest.mark.parametrize("over_tasks", ["mean", "sum"])
def test_maml(case, over_tasks):
    loss, model, params, tasks, _ = case
    method = maml(model, loss, lr=0.3, steps=2, over_tasks=over_tasks)
    metrics, grads = method.meta_grad(params, tasks)
    alone = [method.meta_grad(params, only(tasks, t)) for t in range(T)]
    share = 1.0 / T if over_tasks == "mean" else 1.0
    for name in metrics:  # accuracy is always a mean
        expected = (share if name == "loss" else 1.0 / T) * sum(m[name] for m, _ in alone)
        np.testing.assert_allclose(metrics[name], expected, rtol=1e-12)
    assert_trees_close(grads, combined([g for _, g in alone], share))


def test_maml_predictions(case):
    loss, model, params, tasks, objective = case
    method = maml(model, loss, lr=0.3, steps=1, test_steps=3)
    together = method.predict(params, tasks.support, tasks.query.x).numpy()
    for t in range(T):
        support = tm.tree.map(lambda x: x[t], tasks.support)
        alone = model(adapt(objective, params, support, lr=0.3, steps=3), tasks.query.x[t])
        np.testing.assert_allclose(together[t], alone.numpy(), rtol=1e-10)


METHODS = {
    "maml, query images one by one": lambda *a: maml(*a, lr=0.3, steps=2, transductive=False),
    "meta_sgd": lambda *a: meta_sgd(*a, lr=0.3, steps=2),
    "anil": lambda *a: anil(*a, lr=0.3, steps=2),
    "reptile": lambda *a: reptile(*a, lr=0.3, steps=3),
    "imaml": lambda *a: imaml(*a, lr=0.3, steps=2, cg_steps=2),
    "maml_plus": lambda *a: maml_plus(*a, lr=0.3, steps=2),
    "prototypical": lambda model, loss: prototypical(model, way=3),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method(name):
    model, params, tasks = model_and_tasks(tm.losses.cross_entropy)
    labels = np.tile([0, 1, 2, 1, 0], (T, 1))  # every class is seen
    tasks = tasks._replace(support=tasks.support._replace(y=labels))
    method = METHODS[name](model, tm.losses.cross_entropy)
    if name in ("meta_sgd", "maml_plus"):
        params = {
            "theta": params,
            "rates": tm.tree.map(
                lambda p: p * 0 + 0.3, method.init(np.random.default_rng(0))["rates"]
            ),
        }
    params = tm.tree.map(lambda p: np.asarray(p, np.float64), params)
    metrics, grads = method.meta_grad(params, tasks)
    alone = [method.meta_grad(params, only(tasks, t)) for t in range(T)]
    np.testing.assert_allclose(metrics["loss"], np.mean([m["loss"] for m, _ in alone]), rtol=1e-10)
    for path, a, b in zip(
        tm.tree.paths(grads), *map(tm.tree.leaves, (grads, combined([g for _, g in alone], 1 / T)))
    ):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10, err_msg=path)
    together = np.asarray(method.predict(params, tasks.support, tasks.query.x))
    for t in range(T):
        one = only(tasks, t)
        np.testing.assert_allclose(
            together[t : t + 1], method.predict(params, one.support, one.query.x), rtol=1e-9
        )


def test_query_examples_predicted_one_by_one_are_independent():
    model, params, tasks = model_and_tasks(tm.losses.cross_entropy)
    one_by_one, together = (maml(model, lr=0.3, transductive=flag) for flag in (False, True))
    x = tasks.query.x.copy()
    before = [np.asarray(m.predict(params, tasks.support, x)) for m in (one_by_one, together)]
    x[:, 1:] *= 3.0
    after = [np.asarray(m.predict(params, tasks.support, x)) for m in (one_by_one, together)]
    np.testing.assert_array_equal(before[0][:, 0], after[0][:, 0])
    assert (before[1][:, 0] != after[1][:, 0]).any()


def test_siamese_predictions():
    model, params, tasks = model_and_tasks(tm.losses.cross_entropy)
    support = tm.Batch(tasks.support.x, np.tile([0, 1, 2, 1, 0], (T, 1)))
    together = siamese(model).predict(params, support, tasks.query.x)
    assert together.shape == (T, 4, 3)
    for t in range(T):
        adapted = tm.Batch(support.x[t], support.y[t])
        alone = siamese(model).predict(params, adapted, tasks.query.x[t])
        np.testing.assert_allclose(together[t], alone, rtol=1e-10)


def test_siamese_pairs_of_each_task():
    """Pairs with a task axis: batch statistics are a task's own, the loss is the tasks' mean."""
    model, params, tasks = model_and_tasks(tm.losses.cross_entropy)
    x, different = tasks.query.x, np.array([[0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0]], bool)
    pairs = tm.data.Pairs(x, x[:, ::-1] + 0.5, different)
    method = siamese(model, margin=2.0)
    metrics, grads = method.meta_grad(params, pairs)
    alone = [method.meta_grad(params, tm.tree.map(lambda x: x[t], pairs)) for t in range(T)]
    for name in metrics:
        expected = np.mean([m[name] for m, _ in alone])
        np.testing.assert_allclose(metrics[name], expected, rtol=1e-12)
    assert_trees_close(grads, combined([g for _, g in alone], 1 / T))
