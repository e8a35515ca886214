"""Optimizers against their update rules in NumPy, and differentiated, learning rate included."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import optim
from tinymeta.testing import check_grads

rng = np.random.default_rng(0)
START = {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3)}
SLOPES = [tm.tree.map(lambda p: rng.normal(size=p.shape), START) for _ in range(5)]


def sgd_by_hand(p, gs, lr):
    for g in gs:
        p = p - lr * g
    return p


def momentum_by_hand(p, gs, lr, beta=0.8):
    v = 0.0
    for g in gs:
        v = beta * v + g
        p = p - lr * v
    return p


def adam_by_hand(p, gs, lr, beta1=0.9, beta2=0.99, eps=1e-3):
    m = v = 0.0
    for t, g in enumerate(gs, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p


RULES = {
    "sgd": (optim.sgd, sgd_by_hand),
    "momentum": (lambda lr: optim.momentum(lr, beta=0.8), momentum_by_hand),
    "adam": (lambda lr: optim.adam(lr, beta1=0.9, beta2=0.99, eps=1e-3), adam_by_hand),
}


def run(optimizer, params, slopes):
    state = optimizer.init(params)
    for g in slopes:
        params, state = optimizer.update(g, state, params)
    return params


@pytest.mark.parametrize("make, by_hand", RULES.values(), ids=RULES)
def test_five_updates(make, by_hand):
    params = run(make(0.1), START, SLOPES)
    for name in START:
        expected = by_hand(START[name], [g[name] for g in SLOPES], 0.1)
        np.testing.assert_allclose(params[name].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("make, by_hand", RULES.values(), ids=RULES)
def test_float32_stays_float32_and_accurate(make, by_hand):
    start, slopes = (tm.tree.map(lambda p: p.astype(np.float32), t) for t in (START, SLOPES))
    params = run(make(0.1), start, slopes)
    for name in START:
        expected = by_hand(START[name], [g[name] for g in SLOPES], 0.1)
        assert params[name].dtype == np.float32
        np.testing.assert_allclose(params[name].numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make, by_hand", RULES.values(), ids=RULES)
def test_a_rate_for_each_leaf(make, by_hand):
    lr = {"w": 0.1, "b": np.array([0.0, 0.2, 0.3])}
    params = run(make(lr), START, SLOPES)
    for name in START:
        expected = by_hand(START[name], [g[name] for g in SLOPES], lr[name])
        np.testing.assert_allclose(params[name].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("make, by_hand", RULES.values(), ids=RULES)
def test_updates_are_differentiable(make, by_hand):
    """The loss after three updates, differentiated by the rates and by the starting point."""

    def loss(p):
        return tm.square(tm.tanh(p["w"]) + p["b"]).sum()

    def after_three(chosen):
        p, optimizer = chosen["start"], make(chosen["lr"])
        state = optimizer.init(p)
        for _ in range(3):
            p, state = optimizer.update(tm.grad(loss)(p), state, p)
        return loss(p)

    chosen = {"start": START, "lr": {"w": np.array(0.1), "b": np.array(0.05)}}
    check_grads(after_three, chosen)


def test_one_number_as_a_differentiable_rate():
    def after_three(lr):
        p, optimizer = np.array([1.0, -2.0]), optim.adam(lr)
        state = optimizer.init(p)
        for _ in range(3):
            p, state = optimizer.update(tm.grad(lambda p: tm.square(p).sum())(p), state, p)
        return tm.square(p).sum()

    check_grads(after_three, np.array(0.1))


def test_adam_where_there_is_no_gradient():
    """At g = 0 the step is 0 and its slope by g is -lr / eps, that of lr g / (|g| + eps)."""
    optimizer = optim.adam(0.1, eps=1e-2)

    def moved(g):
        return optimizer.update(g, optimizer.init(g), np.zeros(2))[0]

    zero = tm.tensor(np.zeros(2))
    np.testing.assert_array_equal(moved(zero).numpy(), 0.0)
    np.testing.assert_allclose(tm.jacobian(moved)(zero).numpy(), -10.0 * np.eye(2), rtol=1e-12)
    curved = tm.jacobian(tm.jacobian(moved))(zero).numpy()
    np.testing.assert_array_equal(curved, 0.0)


def test_adam_is_the_size_of_the_rate_at_first_whatever_the_gradient():
    g = np.array([1e-4, -1.0, 1e4])
    p, _ = optim.adam(0.1).update(g, optim.adam(0.1).init(g), np.zeros(3))
    np.testing.assert_allclose(p.numpy(), [-0.1, 0.1, -0.1], rtol=2e-4)


def test_a_rate_along_half_a_cosine():
    rate = optim.cosine(0.1, 10, least=0.02)
    found = [float(rate(tm.asarray(np.array(float(count))))) for count in (1, 6, 11, 50)]
    np.testing.assert_allclose(found, [0.1, 0.06, 0.02, 0.02], rtol=1e-12)
    with pytest.raises(ValueError, match="at least 1 update, got 0"):
        optim.cosine(0.1, 0)


def test_adam_with_a_schedule_is_adam_with_each_rate_in_turn():
    schedule = optim.cosine(0.1, 5)
    p = q = {"w": np.array([1.0, -2.0], np.float32)}
    state = optim.adam(schedule).init(p)
    for k in range(6):
        g = tm.tree.map(lambda x: 2.0 * x, p)
        rate = float(schedule(tm.asarray(np.array(k + 1.0))))
        q, _ = optim.adam(rate).update(g, state, p)
        p, state = optim.adam(schedule).update(g, state, p)
        assert p["w"].dtype == np.float32
        np.testing.assert_allclose(p["w"], q["w"], rtol=1e-6)


def test_nesterov_by_hand():
    optimizer, v = optim.momentum(0.1, beta=0.5, nesterov=True), np.zeros(2)
    p = expected = np.array([1.0, -2.0])
    state = optimizer.init(p)
    for g in np.array([[1.0, 2.0], [-3.0, 0.5], [0.2, 0.1]]):
        v = 0.5 * v + g
        expected = expected - 0.1 * (g + 0.5 * v)
        p, state = optimizer.update(g, state, p)
        np.testing.assert_allclose(p, expected, rtol=1e-14)
