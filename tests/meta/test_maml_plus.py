"""MAML++: the last step alone is MAML; weights and rates are what the equation says."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import Weighted, maml, maml_plus, step_weights


def params_of(linear, rates):
    return {"theta": linear.params, "rates": {"w": np.array(rates)}}


def test_the_last_step_alone_is_maml(linear):
    ours, theirs = (
        maml_plus(linear.model, linear.loss, steps=3),
        maml(linear.model, linear.loss, lr=0.2, steps=3),
    )
    params = params_of(linear, [0.2, 0.2, 0.2])
    metrics, grads = ours.meta_grad(params, linear.tasks)
    expected, plain = theirs.meta_grad(linear.params, linear.tasks)
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=1e-12)
    np.testing.assert_allclose(grads["theta"]["w"], plain["w"], rtol=1e-12)


def test_weights_and_rates_of_each_step(linear):
    rates, weights = [0.1, 0.3], np.array([0.25, 0.75])
    method = maml_plus(linear.model, linear.loss, steps=2)
    loss, w0 = 0.0, linear.w(linear.params)
    by_rate = np.zeros(2)
    for (H, r), (B, b), x, y in zip(linear.support, linear.query, *linear.tasks.query):
        w1 = w0 - rates[0] * (H @ w0 - r)
        w2 = w1 - rates[1] * (H @ w1 - r)
        values = [((x @ w - y[:, 0]) ** 2).mean() for w in (w1, w2)]
        loss += weights @ values / 4
        slope = weights[0] * (B @ w1 - b) + weights[1] * (np.eye(3) - rates[1] * H) @ (B @ w2 - b)
        by_rate += np.array([-(H @ w0 - r) @ slope, -weights[1] * (H @ w1 - r) @ (B @ w2 - b)]) / 4
    metrics, grads = method.meta_grad(params_of(linear, rates), Weighted(*linear.tasks, weights))
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-12)
    np.testing.assert_allclose(grads["rates"]["w"], by_rate, rtol=1e-10)


def test_weights_move_to_the_last_step():
    np.testing.assert_allclose(step_weights(0.0, 4), 0.25)
    np.testing.assert_allclose(step_weights(0.5, 4), [0.125, 0.125, 0.125, 0.625])
    for progress in (1.0, 7.0):
        np.testing.assert_array_equal(step_weights(progress, 4), [0, 0, 0, 1])


def test_each_step_of_each_layer_has_a_rate():
    params = maml_plus(tm.nn.mlp(2, 4, 1), lr=0.3, steps=5).init(np.random.default_rng(0))
    assert {leaf.shape for leaf in tm.tree.leaves(params["rates"])} == {(5,)}


def test_at_least_one_step(linear):
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        maml_plus(linear.model, linear.loss, steps=0)


def test_a_weight_for_each_step(linear):
    method, weighted = maml_plus(linear.model, linear.loss, steps=3), Weighted(*linear.tasks, [0.5])
    with pytest.raises(ValueError, match=r"weights \(1,\) must be \(3,\), one number for each"):
        method.meta_grad(params_of(linear, [0.1, 0.1, 0.1]), weighted)
