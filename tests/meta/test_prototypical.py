"""Prototypical networks: means, distances, and labels in any order."""

import numpy as np
import pytest
from hypothesis import given, settings

import tinymeta as tm
from tinymeta.meta import prototypical
from tinymeta.meta.prototypical import prototypes
from tinymeta.testing import check_grads
from tinymeta.testing.learning import episodes


def tasks_of(seed=0, way=3):
    rng = np.random.default_rng(seed)

    def batch(each):
        y = np.stack([rng.permutation(np.repeat(np.arange(way), each)) for _ in range(2)])
        return tm.Batch(rng.normal(size=(2, way * each, 4)), y)

    return tm.Tasks(batch(2), batch(3))


MODEL = tm.nn.mlp(4, 6, 5, activation=tm.tanh)


def params_of(seed=0):
    rng = np.random.default_rng(seed)
    return tm.tree.map(lambda p: p + rng.uniform(0.1, 0.4, p.shape), MODEL.init(rng))


def test_loss_and_predictions_by_hand():
    params, tasks = params_of(), tasks_of()
    support, query = (MODEL(params, x).numpy() for x in (tasks.support.x, tasks.query.x))
    logits = np.zeros((2, 9, 3))
    for t in range(2):
        for k in range(3):
            centre = support[t][tasks.support.y[t] == k].mean(0)
            logits[t, :, k] = -((query[t] - centre) ** 2).sum(-1)
    method = prototypical(MODEL, way=3)
    np.testing.assert_allclose(
        method.predict(params, tasks.support, tasks.query.x), logits, rtol=1e-9
    )
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -np.take_along_axis(log_p, tasks.query.y[..., None], -1).mean()
    metrics, _ = method.meta_grad(params, tasks)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-10)
    np.testing.assert_allclose(
        metrics["accuracy"], (logits.argmax(-1) == tasks.query.y).mean(), rtol=1e-6
    )


def test_the_gradient():
    tasks = tasks_of()

    def loss(flat):
        params = tm.tree.flatten(params_of())[1](list(flat))
        logits = prototypical(MODEL, way=3).predict(params, tasks.support, tasks.query.x)
        return tm.losses.cross_entropy(logits, tasks.query.y).mean()

    check_grads(loss, tuple(tm.tree.leaves(params_of())), order=2)


def test_it_compiles():
    params, tasks = params_of(), tasks_of()
    method = prototypical(MODEL, way=3)
    (_, ours), (_, theirs) = (
        f(params, tasks) for f in (tm.jit(method.meta_grad), method.meta_grad)
    )
    for a, b in zip(tm.tree.leaves(ours), tm.tree.leaves(theirs)):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_a_prototype_is_a_mean():
    z, y = np.random.default_rng(0).normal(size=(6, 4)), np.array([2, 0, 1, 1, 0, 2])
    for k, centre in enumerate(prototypes(tm.asarray(z), tm.one_hot(y, 3, z.dtype)).numpy()):
        np.testing.assert_allclose(centre, z[y == k].mean(0), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(episodes(absent=True, tasks=2, offset=1024.0))
def test_far_from_zero_the_answers_are_those_of_float64(tasks):
    """In float32, of embeddings that are what they are in float64."""

    class Same:
        init = staticmethod(lambda rng: None)

        def __call__(self, params, x):
            return tm.asarray(x)

    tasks, predict = tm.tree.map(np.asarray, tasks), prototypical(Same(), way=3).predict
    single = np.float32
    exact = tm.Batch(tasks.support.x.astype(single).astype(float), tasks.support.y)
    x = tasks.query.x.astype(single)
    ours = predict(None, exact._replace(x=exact.x.astype(single)), x)
    theirs = predict(None, exact, x.astype(float))
    np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-2)


def test_at_least_two_classes():
    with pytest.raises(ValueError, match="at least 2 classes, got way=1"):
        prototypical(MODEL, way=1)
