"""Meta-SGD against its closed form: both gradients, by theta and by the rates."""

import numpy as np

import tinymeta as tm
from tinymeta.meta import maml, meta_sgd


def test_the_gradients_by_parameters_and_rates(linear):
    rates = np.array([0.1, 0.3, -0.2])
    w, method = linear.w(linear.params), meta_sgd(linear.model, linear.loss)
    params = {"theta": linear.params, "rates": {"w": rates[:, None]}}
    _, grads = method.meta_grad(params, linear.tasks)
    by_theta, by_rates = np.zeros(3), np.zeros(3)
    for (H, r), (B, b) in zip(linear.support, linear.query):
        inner = H @ w - r
        v = B @ (w - rates * inner) - b  # the query gradient at theta'
        by_theta += (v - H @ (rates * v)) / 4
        by_rates += -inner * v / 4
    np.testing.assert_allclose(linear.w(grads["theta"]), by_theta, rtol=1e-12)
    np.testing.assert_allclose(linear.w(grads["rates"]), by_rates, rtol=1e-12)


def test_equal_rates_are_maml(linear):
    ours, theirs = (make(linear.model, linear.loss, lr=0.2, steps=3) for make in (meta_sgd, maml))
    params = {"theta": linear.params, "rates": {"w": np.full((3, 1), 0.2)}}
    metrics, grads = ours.meta_grad(params, linear.tasks)
    expected, plain = theirs.meta_grad(linear.params, linear.tasks)
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=1e-12)
    np.testing.assert_allclose(grads["theta"]["w"], plain["w"], rtol=1e-12)
    x = linear.tasks.query.x
    np.testing.assert_allclose(
        ours.predict(params, linear.tasks.support, x),
        theirs.predict(linear.params, linear.tasks.support, x),
        rtol=1e-12,
    )


def test_every_rate_begins_alike():
    params = meta_sgd(tm.nn.mlp(2, 4, 1), tm.losses.mse, lr=0.05).init(np.random.default_rng(0))
    for p, rate in zip(*(tm.tree.leaves(params[name]) for name in ("theta", "rates"))):
        assert rate.shape == p.shape and (rate == np.float32(0.05)).all()
