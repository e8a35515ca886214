"""Siamese networks: nearest neighbours, the threshold, and that training pulls classes apart."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.meta import accuracy, evaluate, siamese, train
from tinymeta.meta.siamese import (
    best_threshold,
    distances,
    nearest,
    pair_distances,
    verification_accuracy,
)


def test_distances_are_euclidean():
    a, b = [[0.0, 0.0], [3.0, 0.0]], [[3.0, 4.0], [0.0, 0.0], [3.0, -1.0]]
    np.testing.assert_allclose(distances(a, b), [[5, 0, np.sqrt(10)], [4, 3, 1]])


def test_nearest_is_over_the_examples_of_each_class():
    distance = np.array([[0.5, 0.1, 0.9, 0.2], [0.3, 0.8, 0.4, 0.7]])
    np.testing.assert_array_equal(nearest(distance, [1, 0, 1, 0]), [[0.1, 0.5], [0.7, 0.3]])
    three = nearest(distance, [0, 2, 2, 1])
    np.testing.assert_array_equal(three, [[0.5, 0.2, 0.1], [0.3, 0.7, 0.4]])


def test_predictions_are_the_nearest_neighbours_class():
    corners = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    x = np.array([[1.0, 1.0], [9.0, 1.0], [1.0, 8.0], [9.0, 9.0]])
    plane = nn.Dense(2, 2, bias=False)
    support = tm.Batch(corners, np.array([0, 1, 2, 0]))
    predicted = siamese(plane).predict({"w": np.eye(2)}, support, x).numpy()
    assert predicted.argmax(-1).tolist() == [0, 1, 2, 0]
    np.testing.assert_allclose(predicted[0], [-np.sqrt(2), -np.sqrt(82), -np.sqrt(82)])


def test_verification_accuracy():
    distance, different = np.array([0.1, 0.6, 0.4, 2.0]), np.array([0, 0, 1, 1])
    assert verification_accuracy(distance, different, 0.5) == 0.5
    assert verification_accuracy(distance, different, 0.3) == 0.75
    assert verification_accuracy(distance, different.astype(bool), 0.0) == 0.5


@pytest.mark.parametrize("seed", range(8))
def test_no_threshold_is_better_than_the_best(seed):
    rng = np.random.default_rng(seed)
    different = rng.random(40) < rng.random()
    distance = (rng.random(40) + 0.5 * different).round(1 if seed % 2 else 8)  # with ties or not
    between = np.unique(distance)
    tried = [-1.0, *(between[1:] + between[:-1]) / 2, 9.0]
    best = max(verification_accuracy(distance, different, t) for t in tried)
    found = best_threshold(distance, different)
    assert verification_accuracy(distance, different, found) == best


@pytest.mark.parametrize("different", [0, 1])
def test_threshold_of_pairs_that_are_all_alike(different):
    distance, labels = np.array([0.2, 0.5, 0.7]), np.full(3, different)
    assert verification_accuracy(distance, labels, best_threshold(distance, labels)) == 1.0


def test_metrics_and_gradient_of_a_batch_of_pairs():
    rng = np.random.default_rng(0)
    pairs = tm.data.Pairs(*rng.normal(size=(2, 6, 1, 1, 2)), np.array([0, 1, 0, 1, 1, 0], bool))
    model = nn.Sequential(nn.Flatten(), nn.Dense(2, 2))
    params = tm.tree.map(lambda p: p.astype(np.float64), model.init(rng))
    metrics, grads = siamese(model, margin=2.0).meta_grad(params, pairs)
    D = pair_distances(model, params, pairs)
    y = pairs.different
    expected = np.where(y, np.maximum(0, 2 - D) ** 2, D**2).mean()
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-12)
    assert metrics["accuracy"] == verification_accuracy(D, y, 1.0)

    def loss(p):
        return tm.losses.contrastive(model(p, pairs.a), model(p, pairs.b), y, margin=2.0)

    for ours, theirs in zip(tm.tree.leaves(grads), tm.tree.leaves(tm.grad(loss)(params))):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10, atol=1e-14)


def test_both_twins_share_batch_statistics():
    """Two norms would not see that all second images are shifted; one for both does."""
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm(2, spatial=0))
    params = model.init(np.random.default_rng(0))
    a = np.random.default_rng(1).normal(size=(4, 1, 1, 2)).astype(np.float32)
    metrics, _ = siamese(model).meta_grad(params, tm.data.Pairs(a, a + 3, np.zeros(4, bool)))
    assert metrics["loss"] > 1.0


def test_training_pulls_classes_apart():
    """Six rings in the plane: no linear map tells them apart, a small network learns to."""

    def points(rng, classes):
        angle = rng.uniform(0, 2 * np.pi, len(classes))
        radius = 0.5 + classes + 0.1 * rng.normal(size=len(classes))
        xy = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        return xy.astype(np.float32)[:, None, None]  # (N, 1, 1, 2)

    def pairs(rng, n=64):
        first = rng.integers(6, size=n)
        second = np.where(np.arange(n) % 2, first, (first + rng.integers(1, 6, n)) % 6)
        return tm.data.Pairs(points(rng, first), points(rng, second), first != second)

    model = nn.Sequential(nn.Flatten(), nn.mlp(2, 32, 32, 4, activation=tm.tanh))
    method, rng = siamese(model, margin=1.0), np.random.default_rng(0)
    run = train(
        method, lambda: pairs(rng), iterations=200, rng=rng, rows=4, optimizer=tm.optim.adam(1e-2)
    )
    losses = [row.metrics["loss"] for row in run.curve]
    assert losses[-1] < 0.5 * losses[0]

    held_out, test = pairs(rng, 400), pairs(rng, 400)
    threshold = best_threshold(pair_distances(model, run.params, held_out), held_out.different)
    D = pair_distances(model, run.params, test)
    verified = verification_accuracy(D, test.different, threshold)
    support = tm.Batch(points(rng, np.arange(6)), np.arange(6))
    truth = np.arange(60) % 6
    found = accuracy(method.predict(run.params, support, points(rng, truth)), truth)
    assert verified > 0.85 and found > 0.7


def test_vectors_can_be_paired_as_well_as_images():
    rng = np.random.default_rng(0)
    plane = nn.Dense(3, 2)
    params = tm.tree.map(np.float64, plane.init(rng))
    a, b, different = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), np.arange(5) % 2 == 0
    metrics, grads = siamese(plane).meta_grad(params, tm.data.Pairs(a, b, different))

    def loss(params):
        return tm.losses.contrastive(plane(params, a), plane(params, b), different)

    assert np.isclose(metrics["loss"].item(), loss(params).item(), rtol=1e-12)
    expected = tm.grad(loss)(params)["w"].numpy()
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(grads["w"].numpy(), expected, rtol=1e-10)


def test_no_pairs_give_no_threshold():
    with pytest.raises(ValueError, match="best_threshold: needs at least one pair"):
        best_threshold(np.zeros(0), np.zeros(0, bool))


def test_a_labelled_batch_is_all_its_pairs():
    rng = np.random.default_rng(0)
    model = tm.nn.mlp(4, 5, 2, activation=tm.tanh)
    params = tm.tree.map(lambda p: np.asarray(p, np.float64), model.init(rng))
    batch = tm.Batch(rng.normal(size=(6, 4)), np.array([0, 0, 1, 1, 2, 2]))
    metrics, grads = siamese(model, margin=1.5).meta_grad(params, batch)
    expected, plain = tm.value_and_grad(
        lambda p: tm.losses.contrastive_among(model(p, batch.x), batch.y, 1.5)
    )(params)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-12)
    for a, b in zip(tm.tree.leaves(grads), tm.tree.leaves(plain)):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert 0 <= metrics["accuracy"].item() <= 1


class Plain:
    """The identity as a network."""

    def init(self, rng):
        return {"offset": np.zeros(3)}

    def __call__(self, params, x):
        return tm.asarray(x) + params["offset"]


def test_a_class_without_an_example_is_infinitely_far():
    x = np.eye(3)[None]
    support = tm.Batch(x, np.array([[0, 1, 1]]))
    params = Plain().init(None)
    assert siamese(Plain()).predict(params, support, x).shape == (1, 3, 2)
    found = siamese(Plain(), way=4).predict(params, support, x).numpy()
    assert found.shape == (1, 3, 4) and (found[..., 2:] == -np.inf).all()
    assert found[0, :, :2].argmax(-1).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="must be integers from 0 to 0, got 0 to 1"):
        siamese(Plain(), way=1).predict(params, support, x)


@pytest.mark.parametrize("transductive", [True, False])
def test_a_prediction_is_compiled_where_the_number_of_classes_is_given(transductive):
    net = tm.nn.mlp(3, 4, 2, norm=True)
    params = net.init(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    tasks = tm.Tasks(tm.Batch(x, np.array([[0, 1, 1, 0], [2, 0, 2, 0]])), tm.Batch(x, None))
    method = siamese(net, way=3, transductive=transductive)
    compiled = tm.jit(method.predict)
    found = np.asarray(compiled(params, tasks.support, x))
    expected = np.asarray(method.predict(params, tasks.support, x))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert (found[0, :, 2] == -np.inf).all() and (found[1, :, 1] == -np.inf).all()
    wrong = tasks.support._replace(y=np.array([[0, 1, 1, 0], [3, 0, 2, 0]]))
    with pytest.raises(ValueError, match="must be integers from 0 to 2, got 0 to 3"):
        compiled(params, wrong, x)
    (program,) = compiled.programs.values()
    assert program is not None


def test_a_compiled_evaluation_scores_as_the_eager_one():
    net = tm.nn.mlp(3, 4, 2)
    params = net.init(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(6, 8, 3)).astype(np.float32)
    tasks = tm.Tasks(*[tm.Batch(x[:, k::2], np.array([[0, 1, 1, 0]] * 6)) for k in range(2)])
    method = siamese(net, way=2)
    scores = [
        evaluate(method, params, lambda n: tasks, tasks=6, compiled=compiled)
        for compiled in (True, False)
    ]
    assert scores[0] == scores[1]


def test_without_transduction_queries_do_not_meet():
    net = tm.nn.mlp(3, 4, 2, norm=True)
    rng = np.random.default_rng(0)
    params = net.init(rng)
    support = tm.Batch(rng.normal(size=(1, 4, 3)).astype(np.float32), np.array([[0, 0, 1, 1]]))
    x = rng.normal(size=(1, 5, 3)).astype(np.float32)
    others = x.copy()
    others[:, 1:] = 0
    apart = [
        np.abs(
            method.predict(params, support, x)[:, 0] - method.predict(params, support, others)[:, 0]
        ).max()
        for method in (siamese(net, transductive=False), siamese(net))
    ]
    assert apart[0] < 1e-6 < apart[1]
