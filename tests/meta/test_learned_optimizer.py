"""The learned optimizer: unrolling, truncation, and which derivatives are dropped."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.data import Quadratics
from tinymeta.meta import learned_optimizer
from tinymeta.meta.learned_optimizer import lstm_optimizer, preprocess
from tinymeta.meta.unroll import unroll


def objective(theta, data):
    residual = (data.x @ theta[..., None])[..., 0] - data.y
    return (residual * residual).sum(-1)


def problems(tasks=3, size=4, seed=0):
    drawn = Quadratics(size).sample(np.random.default_rng(seed), tasks=tasks)
    return tm.tree.map(lambda x: x.astype(np.float64), drawn)


def weights(method, seed=0):
    rng = np.random.default_rng(seed)
    return tm.tree.map(lambda p: p + rng.uniform(-0.3, 0.3, p.shape), method.init(rng))


def test_unrolling_gradient_descent():
    theta, (W, y) = problems()
    values = [
        v.numpy() for v in unroll(tm.optim.sgd(0.01), objective, theta, tm.Batch(W, y), steps=6)
    ]
    for k in range(7):
        residual = np.einsum("tij,tj->ti", W, theta) - y
        np.testing.assert_allclose(values[k], (residual**2).sum(-1), rtol=1e-10)
        theta = theta - 0.02 * np.einsum("tij,ti->tj", W, residual)


def meta_gradients(**options):
    method = learned_optimizer(objective, hidden=3, **options)
    phi = weights(method)
    return phi, method.meta_grad(phi, problems())


def test_the_exact_gradient_is_that_of_the_sum_of_values():
    method = learned_optimizer(objective, steps=3, truncate=None, hidden=3, first_order=False)
    phi = weights(method)
    (metrics, grads), given = method.meta_grad(phi, problems()), problems()

    def total(phi):
        return method.predict(phi, given)[:, 1:].numpy().mean(0).sum()

    np.testing.assert_allclose(metrics["loss"], total(phi) / 3, rtol=1e-10)
    flat, rebuild = tm.tree.flatten(phi)
    for k, (leaf, grad) in enumerate(zip(flat, tm.tree.leaves(grads))):
        rng = np.random.default_rng(k)
        way = rng.normal(size=leaf.shape)
        ahead, behind = (
            total(rebuild([*flat[:k], leaf + h * way, *flat[k + 1 :]])) for h in (1e-5, -1e-5)
        )
        np.testing.assert_allclose(
            (grad.numpy() * way).sum(), (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-8
        )


def test_what_the_paper_drops_is_something():
    _, (exact, ours) = meta_gradients(steps=3, truncate=None, first_order=False)
    _, (dropped, theirs) = meta_gradients(steps=3, truncate=None, first_order=True)
    np.testing.assert_allclose(exact["loss"], dropped["loss"], rtol=1e-12)
    a, b = (
        np.concatenate([leaf.numpy().ravel() for leaf in tm.tree.leaves(g)]) for g in (ours, theirs)
    )
    assert np.linalg.norm(a - b) > 1e-3 * np.linalg.norm(a)


@pytest.mark.parametrize("first_order", [False, True])
def test_truncation_is_a_sum_of_separate_segments(first_order):
    """Each segment begins where the one before ended, as a constant."""
    phi, (_, grads) = meta_gradients(steps=4, truncate=2, first_order=first_order)

    def segment(phi, start, memory):
        """f summed over two steps, and where they lead."""
        optimizer, (theta, data) = lstm_optimizer(phi), (start, problems().data)
        memory = optimizer.init(theta) if memory is None else memory
        total = 0.0
        for _ in range(2):
            g = tm.grad(lambda theta: objective(theta, data).sum())(theta)
            g = tm.stop_gradient(g) if first_order else g
            theta, memory = optimizer.update(g, memory, theta)
            total = total + objective(theta, data).mean()
        return total, (theta, memory)

    theta, memory, expected = problems().start, None, None
    for _ in range(2):
        (_, (theta, memory)), g = tm.value_and_grad(
            lambda phi: segment(phi, theta, memory), has_aux=True
        )(phi)
        expected = g if expected is None else tm.tree.map(lambda a, b: a + b, expected, g)
    for a, b in zip(tm.tree.leaves(grads), tm.tree.leaves(expected)):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_coordinates_share_weights_and_keep_their_own_state():
    """A tree's leaves are optimized as if each coordinate were alone."""
    phi = weights(learned_optimizer(objective, hidden=3))
    optimizer, rng = lstm_optimizer(phi, scale=0.5), np.random.default_rng(1)
    params = {"a": rng.normal(size=(2, 3)), "b": rng.normal(size=(2, 2, 2))}
    state = optimizer.init(params)
    alone = {(name, place): None for name in params for place in np.ndindex(params[name].shape)}
    theta = params
    for _ in range(3):
        grads = {name: rng.normal(size=p.shape) for name, p in params.items()}
        theta, state = optimizer.update(grads, state, theta)
        for name, place in alone:
            one = alone[name, place]
            p, s = one or (params[name][place].reshape(1, 1), None)
            s = optimizer.init(p) if s is None else s
            alone[name, place] = optimizer.update(grads[name][place].reshape(1, 1), s, p)
    for (name, place), (p, _) in alone.items():
        np.testing.assert_allclose(theta[name].numpy()[place], p.numpy()[0, 0], rtol=1e-6)


def test_preprocessing_of_gradients_of_any_size():
    g = np.array([[1e-8], [-1e-3], [2.0], [-1e6], [0.0]])
    ours = preprocess(tm.asarray(g)).numpy()
    for (a,), (first, second) in zip(g, ours):
        large = abs(a) >= np.exp(-10)
        expected = (np.log(abs(a)) / 10, np.sign(a)) if large else (-1, np.exp(10) * a)
        np.testing.assert_allclose((first, second), expected, rtol=1e-12)


@pytest.mark.parametrize("options", [{"steps": 0}, {"truncate": 0}])
def test_steps_and_truncation_are_counts(options):
    with pytest.raises(ValueError, match="must be at least 1"):
        learned_optimizer(objective, **options)


def test_an_objective_that_is_not_one_number_for_each_task():
    theta, data = np.ones((3, 2)), np.ones((3, 2))
    for axes, shape in ((None, r"\(\)"), ((), r"\(3, 2\)")):
        values = unroll(
            tm.optim.sgd(0.1), lambda p, d: tm.sum(tm.square(p - d), axes), theta, data, steps=1
        )
        with pytest.raises(ValueError, match=rf"unroll: the objective has the shape {shape}"):
            list(values)
