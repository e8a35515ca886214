"""The MAML meta-gradient against closed forms, hand-made Hessians and finite differences.

Task i is a quadratic, L_i(t) = (t - c)'A(t - c) / 2 with gradient A (t - c): then n steps of rate a
leave t_n - c = (I - aA)^n (t - c), and everything about them is known.
"""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.meta import adapt, maml_loss, rates_except_norm
from tinymeta.meta.adapt import broadcast_to_tasks
from tinymeta.testing import check_grads, check_meta_grad

T, D, RATE = 4, 3, 0.1


def tasks_of(seed=0):
    """Symmetric positive A (T, D, D) and centres c (T, D), once to learn from, once to judge by."""
    rng = np.random.default_rng(seed)

    def batch():
        roots = rng.normal(size=(T, D, D))
        return tm.Batch(roots @ roots.swapaxes(1, 2), rng.normal(size=(T, D)))

    return tm.Tasks(batch(), batch()), rng.normal(size=D)


def quadratic(t, batch):
    """(T, D) -> (T,)"""
    d = (t - batch.y)[..., None, :]
    return 0.5 * ((d @ batch.x) * d).sum((-1, -2))


def meta_gradient(theta, tasks, **options):
    def outer(t):
        return maml_loss(quadratic, t, tasks, lr=RATE, **options).sum()

    return tm.grad(outer)(theta).numpy()


def closed_form(theta, tasks, steps, first_order=False):
    """The sum over tasks of (I - aA)^n B (t_n - b), or without the first factor for first order."""
    total = 0.0
    for A, c, B, b in zip(*tasks.support, *tasks.query):
        contraction = np.linalg.matrix_power(np.eye(D) - RATE * A, steps)
        slope = B @ (c + contraction @ (theta - c) - b)
        total = total + (slope if first_order else contraction @ slope)
    return total


@pytest.mark.parametrize("steps", range(6))
def test_quadratic_tasks(steps):
    tasks, theta = tasks_of()
    for given in (tasks, tm.Tasks(tasks.support, tasks.support)):
        exact = meta_gradient(theta, given, steps=steps)
        first = meta_gradient(theta, given, steps=steps, first_order=True)
        np.testing.assert_allclose(exact, closed_form(theta, given, steps), rtol=1e-10)
        np.testing.assert_allclose(first, closed_form(theta, given, steps, True), rtol=1e-10)
        assert (np.linalg.norm(exact - first) > 0.1 * np.linalg.norm(exact)) == (steps > 0)


def test_no_steps_is_the_plain_gradient():
    tasks, theta = tasks_of()
    plain = tm.grad(lambda t: quadratic(broadcast_to_tasks(t, T), tasks.query).sum())(theta)
    np.testing.assert_array_equal(meta_gradient(theta, tasks, steps=0), plain.numpy())


def test_adapted_parameters_are_those_of_gradient_descent():
    tasks, theta = tasks_of()
    (A, c), start = tasks.support, np.tile(theta, (T, 1))
    adapted = adapt(quadratic, start, tasks.support, lr=RATE, steps=3).numpy()
    for t in range(T):
        expected = c[t] + np.linalg.matrix_power(np.eye(D) - RATE * A[t], 3) @ (theta - c[t])
        np.testing.assert_allclose(adapted[t], expected, rtol=1e-12)


def test_without_a_task_axis():
    tasks, theta = tasks_of()
    one = tm.Batch(tasks.support.x[0], tasks.support.y[0])
    adapted = adapt(quadratic, theta, one, lr=RATE, steps=2).numpy()
    expected = one.y + np.linalg.matrix_power(np.eye(D) - RATE * one.x, 2) @ (theta - one.y)
    np.testing.assert_allclose(adapted, expected, rtol=1e-12)


def test_one_meta_step_is_the_papers_line():
    """theta <- theta - beta sum_i grad L_i(theta - alpha grad L_i(theta)); support = query.

    By hand, with the task's own gradient and Hessian: (I - alpha H_i(theta)) grad L_i(theta'_i).
    """
    alpha, beta = 0.3, 0.05
    rng = np.random.default_rng(3)
    x, y, theta = rng.normal(size=(T, 6, D)), rng.normal(size=(T, 6, 1)), rng.normal(size=D)

    def loss(t, batch):
        return tm.losses.mse(tm.tanh(batch.x @ t[..., :, None]), batch.y)

    by_hand = theta.copy()
    for i in range(T):

        def own(t):
            return loss(t, tm.Batch(x[i], y[i]))

        inner, hessian = tm.grad(own)(theta).numpy(), tm.hessian(own)(theta).numpy()
        outer = tm.grad(own)(theta - alpha * inner).numpy()
        by_hand -= beta * (np.eye(D) - alpha * hessian) @ outer

    tasks = tm.Tasks(tm.Batch(x, y), tm.Batch(x, y))
    g = tm.grad(lambda t: maml_loss(loss, t, tasks, lr=alpha, steps=1).sum())(theta)
    stepped, _ = tm.optim.sgd(beta).update(g, None, theta)
    np.testing.assert_allclose(stepped.numpy(), by_hand, rtol=1e-13)


# ---- rates ---------------------------------------------------------------------------------------


def regression(seed=1):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, T, 5, 2)), rng.normal(size=(2, T, 5, 1))
    params = {"w": rng.normal(size=(2, 1)), "b": rng.normal(size=1)}

    def loss(p, batch):
        return tm.losses.mse(tm.tanh(batch.x @ p["w"] + p["b"][..., None, :]), batch.y)

    return loss, params, tm.Tasks(tm.Batch(x[0], y[0]), tm.Batch(x[1], y[1]))


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_whole_inner_loop_by_differences(steps):
    loss, params, tasks = regression()
    check = (loss, lambda p, support: adapt(loss, p, support, lr=0.3, steps=steps), params, tasks)

    def meta_grad(**options):
        return lambda p, tasks: tm.grad(
            lambda p: maml_loss(loss, p, tasks, lr=0.3, steps=steps, **options).mean()
        )(p)

    assert check_meta_grad(meta_grad(), *check).cosine == pytest.approx(1)
    if steps:
        with pytest.raises(AssertionError, match="this is the first-order MAML gradient"):
            check_meta_grad(meta_grad(first_order=True), *check)


def test_a_rate_of_zero_leaves_a_leaf_unadapted_but_meta_learned():
    loss, params, tasks = regression()
    lr = {"w": 0.5, "b": 0}
    copies = broadcast_to_tasks(params, T)
    adapted = adapt(loss, copies, tasks.support, lr=lr, steps=2)
    assert adapted["b"] is copies["b"] and (adapted["w"].numpy() != copies["w"].numpy()).all()

    def outer(p):
        return maml_loss(loss, p, tasks, lr=lr, steps=2).sum()

    assert np.abs(tm.grad(outer)(params)["b"].numpy()).min() > 0.01
    check_grads(outer, params)


def test_rates_except_norm():
    params = nn.mlp(3, 4, 2, norm=True).init(np.random.default_rng(0))
    assert tm.tree.leaves(rates_except_norm(params, 0.4)) == [0.4, 0.4, 0, 0.4, 0.4]
    names = [path.split("'")[1] for path in tm.tree.paths(params)]
    assert names == ["b", "w", "offset", "b", "w"]


def test_rates_are_learned_as_in_meta_sgd():
    """A rate for each number: over one step d outer / d alpha = -grad_inner * grad_outer."""
    loss, params, tasks = regression()
    rng = np.random.default_rng(5)
    rates = tm.tree.map(lambda p: rng.uniform(0.1, 0.5, p.shape), params)

    def outer(rates, steps):
        return maml_loss(loss, params, tasks, lr=rates, steps=steps).sum()

    copies = broadcast_to_tasks(params, T)
    inner = tm.grad(lambda p: loss(p, tasks.support).sum())(copies)
    moved = tm.tree.map(lambda p, g, a: p - g * a, copies, inner, rates)
    after = tm.grad(lambda p: loss(p, tasks.query).sum())(moved)
    exact = tm.grad(outer)(rates, 1)
    for name in params:
        expected = -(inner[name].numpy() * after[name].numpy()).sum(0)
        np.testing.assert_allclose(exact[name].numpy(), expected, rtol=1e-12)
    check_grads(lambda rates: outer(rates, 3), rates)


@pytest.mark.parametrize("lr", [np.array(0.25), tm.tensor(np.array(0.25))], ids=["array", "tensor"])
def test_one_rate_for_all(lr):
    loss, params, tasks = regression()
    expected = maml_loss(loss, params, tasks, lr=0.25, steps=2).numpy()
    np.testing.assert_array_equal(maml_loss(loss, params, tasks, lr=lr, steps=2).numpy(), expected)


# ---- a network -----------------------------------------------------------------------------------


def small_net(seed=0):
    """Convolutions with strides, batch norm, smooth activations; 55 parameters in float64."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 2, stride=2),
        nn.BatchNorm(2),
        tm.tanh,
        nn.Conv2d(2, 2, kernel=2, stride=2),
        nn.BatchNorm(2),
        tm.softplus,
        nn.GlobalAveragePooling(),
        nn.Dense(2, 3),
    )
    params = tm.tree.map(lambda p: p + rng.uniform(0.1, 0.4, p.shape), model.init(rng))
    images, y = rng.normal(size=(2, 2, 6, 7, 6, 1)), np.tile(np.arange(6) % 3, (2, 1))
    tasks = tm.Tasks(tm.Batch(images[0], y), tm.Batch(images[1], y))

    def loss(p, batch):
        return tm.losses.cross_entropy(model(p, batch.x), batch.y)

    return loss, params, tasks


@pytest.mark.parametrize("steps", [1, 2])
def test_every_parameter_of_a_conv_net(steps):
    loss, params, tasks = small_net()

    def outer(p):
        return maml_loss(loss, p, tasks, lr=0.4, steps=steps).sum()

    check_grads(outer, params, n_dirs=4)


def test_a_conv_bias_before_batch_norm_has_no_meta_gradient():
    loss, params, tasks = small_net()
    g = tm.grad(lambda p: maml_loss(loss, p, tasks, lr=0.4, steps=2).sum())(params)
    for conv in (0, 3):
        assert np.abs(g[conv]["b"].numpy()).max() < 1e-13
        assert np.abs(g[conv]["w"].numpy()).max() > 1e-3


def test_steps_must_not_be_negative():
    tasks, theta = tasks_of()
    with pytest.raises(ValueError, match="maml_loss: steps=-1 must be a whole number >= 0"):
        maml_loss(quadratic, theta, tasks, lr=RATE, steps=-1)
