"""T tasks at once are T separate runs: values and gradients of every layer and loss.

Every run has its own inputs, parameters and random cotangent, so no two tasks agree.
"""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn

LAYERS = {
    "dense": (nn.Dense(3, 4), (5, 3)),
    "dense without bias": (nn.Dense(3, 4, bias=False), (5, 3)),
    "conv": (nn.Conv2d(2, 3), (4, 6, 5, 2)),
    "conv, stride 2": (nn.Conv2d(2, 3, stride=2), (4, 6, 5, 2)),
    "conv, valid": (nn.Conv2d(2, 3, kernel=2, padding="valid", bias=False), (4, 6, 5, 2)),
    "batch norm": (nn.BatchNorm(3), (4, 3, 2, 3)),
    "batch norm, dense": (nn.BatchNorm(3, spatial=0), (6, 3)),
    "batch norm, offset only": (nn.BatchNorm(3, scale=False), (4, 3, 2, 3)),
    "batch norm, frozen": (nn.BatchNorm(3, mode="frozen"), (4, 3, 2, 3)),
    "layer norm": (nn.LayerNorm(6), (5, 6)),
    "max pool": (nn.MaxPool2d(2), (3, 6, 5, 2)),
    "max pool, overlapping": (nn.MaxPool2d(3, stride=2, padding="same"), (3, 6, 5, 2)),
    "flatten": (nn.Flatten(), (3, 4, 5, 2)),
    "global average pooling": (nn.GlobalAveragePooling(), (3, 4, 5, 2)),
    "mlp": (nn.mlp(3, 8, 8, 2, activation=tm.tanh, norm=True), (6, 3)),
    "conv4, strides": (nn.conv4(3, filters=4, scale=True, activation=tm.softplus), (4, 16, 16, 1)),
    "conv4, pools": (
        nn.conv4(3, channels=2, filters=3, pool="max", head="flatten", size=16, activation=tm.tanh),
        (4, 16, 16, 2),
    ),
}


def perturbed(params, rng, lead=()):
    """Copies of the parameters, all different and still positive where they were (a variance)."""
    return tm.tree.map(lambda p: p + rng.uniform(0.1, 0.5, (*lead, *p.shape)), params)


def with_gradients(f, cotangent, *args):
    value, pull = tm.vjp(f, *args)
    return value.numpy(), pull(cotangent)


def assert_trees_close(ours, theirs):
    assert tm.tree.paths(ours) == tm.tree.paths(theirs)
    for path, a, b in zip(tm.tree.paths(ours), tm.tree.leaves(ours), tm.tree.leaves(theirs)):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=path)


def at(tree, t):
    return tm.tree.map(lambda a: a[t], tree)


@pytest.fixture(params=LAYERS, name="case")
def layer_and_data(request):
    layer, shape = LAYERS[request.param]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *shape)) * np.array([0.5, 1, 3]).reshape(3, *[1] * len(shape))
    y = layer(perturbed(layer.init(rng), rng), x[0])
    return layer, x, rng.normal(size=(3, *y.shape)), rng


def test_layer_with_own_parameters_for_each_task(case):
    layer, x, u, rng = case
    params = perturbed(layer.init(rng), rng, lead=(3,))
    y, grads = with_gradients(layer, u, params, x)
    for t in range(3):
        alone = with_gradients(layer, u[t], at(params, t), x[t])
        assert_trees_close([y[t], at(grads, t)], list(alone))


def test_layer_with_one_set_of_parameters_for_all_tasks(case):
    layer, x, u, rng = case
    params = perturbed(layer.init(rng), rng)
    y, (g, g_x) = with_gradients(layer, u, params, x)
    alone = [with_gradients(layer, u[t], params, x[t]) for t in range(3)]
    assert_trees_close([y[t] for t in range(3)], [value for value, _ in alone])
    assert_trees_close([g_x[t] for t in range(3)], [grads[1] for _, grads in alone])
    together = tm.tree.map(lambda *gs: sum(np.asarray(g) for g in gs), *(g[0] for _, g in alone))
    assert_trees_close(g, together)


def test_layer_with_two_leading_axes(case):
    layer, x, u, rng = case
    x, u = np.stack([x, x[::-1] + 1]), np.stack([u, u[::-1]])
    params = perturbed(layer.init(rng), rng, lead=(2, 3))
    y, grads = with_gradients(layer, u, params, x)
    for s, t in np.ndindex(2, 3):
        alone = with_gradients(layer, u[s, t], at(params, (s, t)), x[s, t])
        assert_trees_close([y[s, t], at(grads, (s, t))], list(alone))


def runs_of(loss, arguments, rest=()):
    """Three tasks at once must be three runs, in value and in all gradients."""
    u = np.array([1.0, -2.0, 0.5])
    values, grads = with_gradients(lambda *a: loss(*a, *rest), u, *arguments)
    assert values.shape == (3,) and len(set(values.tolist())) == 3
    for t in range(3):
        rest_t = [r[t] for r in rest]
        value, gs = with_gradients(lambda *a: loss(*a, *rest_t), u[t], *(a[t] for a in arguments))
        assert value.shape == ()
        assert_trees_close([values[t], at(grads, t)], [value, gs])


def test_mse():
    rng = np.random.default_rng(2)
    runs_of(tm.losses.mse, rng.normal(size=(2, 3, 5, 2)))


def test_cross_entropy():
    rng = np.random.default_rng(3)
    runs_of(tm.losses.cross_entropy, [rng.normal(size=(3, 6, 4))], [rng.integers(4, size=(3, 6))])


def test_contrastive():
    rng = np.random.default_rng(4)
    a, b = 0.4 * rng.normal(size=(2, 3, 7, 2))
    runs_of(tm.losses.contrastive, [a, b], [rng.integers(2, size=(3, 7))])
