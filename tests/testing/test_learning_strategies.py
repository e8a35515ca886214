"""Pairs, episodes and networks are varied, valid and shrink; gradients of them are right."""

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

import tinymeta as tm
from tinymeta.testing import check_grads, strategies
from tinymeta.testing.strategies import broadcastable, episodes, networks, pairs, shapes, tensors

first = settings(max_examples=2000, database=None, phases=[Phase.generate])
smallest = settings(
    max_examples=2000, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)


def distances(p):
    return np.sqrt(((p.a - p.b) ** 2).sum(-1))


def names(network):
    return [type(layer).__name__ for layer in network.model.layers]


# fmt: off
VARIETY = {
    "an identical pair of one class": (pairs(),
        lambda p: (~p.different & (distances(p) == 0)).any()),
    "an identical pair of two":       (pairs(),
        lambda p: (p.different & (distances(p) == 0)).any()),
    "a pair inside the margin":       (pairs(),
        lambda p: ((distances(p) > 0) & (distances(p) < 1)).any()),
    "a different pair beyond it":     (pairs(margin=3.0),
        lambda p: (p.different & (distances(p) > 3)).any()),
    "pairs of tasks":                 (pairs(), lambda p: p.a.ndim == 3 and len(p.a) == 2),
    "pairs without tasks":            (pairs(), lambda p: p.a.ndim == 2),
    "episodes of 3 classes, 2 shots": (episodes(),
        lambda t: t.support.y.shape[1] == 6 and t.support.y.max() == 2),
    "episodes out of order":          (episodes(), lambda t: t.support.y[0].tolist() == [1, 0]),
    "episodes without tasks":         (episodes(tasks=0), lambda t: t.support.x.ndim == 2),
    "episodes without class 2":        (episodes(absent=True),
        lambda t: t.support.y.shape[1] == 3 and t.support.y.max() == 1),
    "episodes far from 0":             (episodes(offset=1e3),
        lambda t: t.query.x.min() > 990 and t.query.x.any()),
    "a regression":                   (episodes(regression=True),
        lambda t: t.query.y.shape[-1] == 1 and t.query.y.any()),
    "a conv net with tasks":          (networks(),
        lambda n: "Conv2d" in names(n) and n.x.ndim == 5),
    "a conv net without":             (networks(),
        lambda n: "Conv2d" in names(n) and n.x.ndim == 4),
    "layers of every norm":           (networks(),
        lambda n: {"BatchNorm", "LayerNorm"} <= {*names(n)}),
    "max pooling":                    (networks(smooth=False), lambda n: "MaxPool2d" in names(n)),
    "three layers":                   (networks(images=False),
        lambda n: names(n).count("Dense") == 3),
    "shapes that broadcast in both":  (broadcastable(2),
        lambda xs: np.broadcast(*xs).shape not in (xs[0].shape, xs[1].shape)),
    "an array of size 0 among them":  (broadcastable(2), lambda xs: xs[0].size == 0 < xs[1].size),
}
# fmt: on


@pytest.mark.parametrize("what", VARIETY)
def test_there_are(what):
    strategy, condition = VARIETY[what]
    assert condition(find(strategy, condition, settings=first))


def test_what_they_shrink_to():
    p = find(pairs(), lambda p: True, settings=smallest)
    assert p.a.shape == (1, 2) and not p.a.any() and not p.b.any() and not p.different.any()
    t = find(episodes(), lambda t: True, settings=smallest)
    assert t.support.x.shape == (1, 2, 2) and t.query.y.tolist() == [[0, 1]]
    n = find(networks(), lambda n: True, settings=smallest)
    assert names(n) == ["Dense"] and n.params[0]["w"].shape == (1, 1) and n.x.shape == (1, 1)
    conv = find(strategies.conv_cases(min_examples=1), lambda c: True, settings=smallest)
    assert [x.shape for x in conv.inputs] == [(1, 1, 1, 1), (1, 1, 1, 1)]
    assert find(strategies.pool_cases(1), lambda c: True, settings=smallest).inputs[0].size == 1
    assert find(strategies.matmul_cases(1), lambda c: True, settings=smallest).inputs[0].size == 1


# ---- arrays -------------------------------------------------------------------------------------


@given(tensors(shapes(), low=-1.0, high=1.5, away_from=(0.0, 1.0)))
def test_away_from_kinks_and_within_bounds(x):
    assert (np.abs(x) >= 1 / 16).all() and (np.abs(x - 1) >= 1 / 16).all()
    assert ((x >= -1) & (x <= 1.5) & (x * 8 == np.round(x * 8))).all()


@given(tensors((2, 3), min_gap=0.25, away_from=0.5, dtype=np.float32))
def test_far_from_ties(x):
    assert np.diff(np.sort(x.ravel())).min() >= 0.25 and (np.abs(x - 0.5) >= 1 / 16).all()
    assert x.dtype == np.float32 and np.abs(x).max() <= 1.5


def test_bounds_that_leave_nothing_are_an_error():
    with pytest.raises(
        ValueError, match=r"no multiple of 1/8 between 0.4 and 0.6 is 1/16 away from"
    ):
        tensors(3, low=0.4, high=0.6, away_from=0.5)


@given(broadcastable(3, max_dims=2, away_from=0.0))
def test_they_broadcast(xs):
    assert np.broadcast(*xs).ndim <= 2 and len(xs) == 3
    assert (tm.asarray(xs[0]) + xs[1] + xs[2]).shape == np.broadcast(*xs).shape
    assert all((x != 0).all() for x in xs)


# ---- what is drawn is right, and so is what is made of it ---------------------------------------


@given(pairs(smooth=True, margin=1.0))
def test_the_contrastive_loss_of_any_pairs(p):
    check_grads(
        lambda a, b: tm.losses.contrastive(a, b, p.different, margin=1.0) + a.sum() * 0.1,
        p.a,
        p.b,
        n_dirs=1,
    )


@given(pairs())
def test_the_contrastive_loss_is_finite_and_at_no_kink_negative(p):
    loss, g = tm.value_and_grad(lambda a: tm.losses.contrastive(a, p.b, p.different).sum())(p.a)
    assert loss.item() >= 0 and np.isfinite(g.numpy()).all()


@given(episodes())
def test_every_class_is_there_as_often_as_every_other(tasks):
    for batch in tasks:
        for y in batch.y:
            assert len(set(np.bincount(y))) == 1
    assert tasks.support.y.max() == tasks.query.y.max() and tasks.support.x.dtype == np.float64


@settings(max_examples=40)
@given(networks())
def test_the_derivatives_of_any_network(network):
    check_grads(
        lambda p, x: network.model(p, x) + x.sum() * 0.1, network.params, network.x, n_dirs=1
    )


@settings(max_examples=40)
@given(networks(tasks=2, smooth=False))
def test_tasks_at_once_are_tasks_alone(network):
    model, params, x = network
    together = model(params, x).numpy()
    for t, own in enumerate(x):
        alone = model(tm.tree.map(lambda p: p[t], params), own).numpy()
        np.testing.assert_allclose(together[t], alone, rtol=1e-10, atol=1e-12)


@settings(max_examples=25)
@given(networks(images=False, tasks=0), episodes(regression=True, features=1))
def test_the_meta_gradient_of_any_network(network, tasks):
    """Made to fit the episodes by a layer in front and one behind."""
    inputs, outputs = network.x.shape[-1], network.model.layers[-1].outputs
    model = tm.nn.Sequential(tm.nn.Dense(1, inputs), *network.model.layers, tm.nn.Dense(outputs, 1))
    rng = np.random.default_rng(0)  # no bias is zero: x = 0 is not a point of no variance
    params = tm.tree.map(lambda p: p + rng.uniform(0.1, 0.4, p.shape), model.init(rng))

    def loss(p, batch):
        return tm.losses.mse(model(p, batch.x), batch.y)

    def outer(p):
        return tm.meta.maml_loss(loss, p, tasks, lr=0.05, steps=1).sum()

    check_grads(outer, params, order=1, n_dirs=1)
