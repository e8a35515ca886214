"""Reptile against gradient descent by hand."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import reptile


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_direction_is_the_mean_of_the_inner_gradients(linear, steps):
    w, total = linear.w(linear.params), np.zeros(3)
    for pieces in zip(linear.support, linear.query):
        own = w
        for k in range(steps):
            H, r = pieces[k % 2]  # the support set, the query set, in turn
            own = own - 0.1 * (H @ own - r)
        total += (w - own) / (0.1 * steps) / 4
    method = reptile(linear.model, linear.loss, lr=0.1, steps=steps)
    metrics, grads = method.meta_grad(linear.params, linear.tasks)
    np.testing.assert_allclose(linear.w(grads), total, rtol=1e-10)


def test_one_step_is_plain_training_on_the_support_sets(linear):
    def plain(params):
        return tm.losses.mse(
            linear.model(params, linear.tasks.support.x), linear.tasks.support.y
        ).mean()

    _, grads = reptile(linear.model, linear.loss, lr=0.3, steps=1).meta_grad(
        linear.params, linear.tasks
    )
    np.testing.assert_allclose(grads["w"], tm.grad(plain)(linear.params)["w"], rtol=1e-9)


def test_at_least_one_step(linear):
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        reptile(linear.model, linear.loss, lr=0.1, steps=0)


@pytest.mark.parametrize("lr", [0, 0.0, -0.1, np.nan])
def test_a_rate_above_zero(linear, lr):
    with pytest.raises(ValueError, match="reptile: lr(=nan)? must be (above 0|a finite number)"):
        reptile(linear.model, linear.loss, lr=lr)
