"""Normalisation layers: their statistics are part of the computation, so of every derivative."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.testing import check_grads

SHAPES = {2: (4, 3, 2, 3), 0: (6, 3)}  # (N, H, W, C) and (N, C)


def random_case(spatial, seed=0):
    rng = np.random.default_rng(seed)
    params = {"scale": rng.normal(size=3), "offset": rng.normal(size=3)}
    return params, 2 + rng.normal(size=SHAPES[spatial]) * [0.1, 1, 10], rng


@pytest.mark.parametrize("spatial", [2, 0])
def test_batch_norm_is_the_textbook_formula(spatial):
    params, x, _ = random_case(spatial)
    axes = tuple(range(x.ndim - 1))
    expected = (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-3) * params["scale"] + params["offset"]
    y = nn.BatchNorm(3, spatial)(params, x).numpy()
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)


def test_layer_norm_is_the_textbook_formula():
    params, x, _ = random_case(0)
    unit = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    expected = unit * params["scale"] + params["offset"]
    np.testing.assert_allclose(nn.LayerNorm(3)(params, x).numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "layer, spatial", [(nn.BatchNorm(3), 2), (nn.BatchNorm(3, spatial=0), 0), (nn.LayerNorm(3), 0)]
)
def test_statistics_are_differentiated_at_every_order(layer, spatial):
    params, _, rng = random_case(spatial)
    check_grads(layer, params, rng.normal(size=SHAPES[spatial]), order=3)


def test_a_batch_normalised_batch_does_not_feel_shift_or_size():
    """So in each channel the gradient sums to zero and is orthogonal to the batch, if eps is 0."""
    params, x, rng = random_case(2)
    u = rng.normal(size=x.shape)
    g = tm.grad(lambda x: (nn.BatchNorm(3, eps=0.0)(params, x) * u).sum())(x).numpy()
    scale = np.abs(g).sum((0, 1, 2))
    assert (np.abs(g.sum((0, 1, 2))) < 1e-12 * scale).all()
    assert (np.abs((g * (x - x.mean((0, 1, 2)))).sum((0, 1, 2))) < 1e-10 * scale).all()


def small_net(rng):
    model = nn.Sequential(
        nn.Conv2d(1, 3, stride=2),
        nn.BatchNorm(3),
        tm.tanh,
        nn.Conv2d(3, 2),
        nn.BatchNorm(2),
        tm.softplus,
        nn.GlobalAveragePooling(),
        nn.Dense(2, 4),
    )
    return model, tm.tree.map(lambda p: p + rng.uniform(0.1, 0.5, p.shape), model.init(rng))


def test_a_conv_bias_before_batch_norm_has_no_gradient():
    rng = np.random.default_rng(0)
    model, params = small_net(rng)
    x, y = rng.normal(size=(6, 8, 8, 1)), np.arange(6) % 4
    grads = tm.grad(lambda p: tm.losses.cross_entropy(model(p, x), y))(params)
    for conv in (0, 3):
        assert np.abs(grads[conv]["w"].numpy()).max() > 1e-3
        assert np.abs(grads[conv]["b"].numpy()).max() < 1e-14
    assert np.abs(grads[7]["b"].numpy()).max() > 1e-3  # a bias after it has one


def test_in_batch_mode_examples_meet_and_frozen_they_do_not():
    rng = np.random.default_rng(0)
    model, params = small_net(rng)
    x = rng.normal(size=(5, 8, 8, 1))
    other = x.copy()
    other[2] = rng.normal(size=(8, 8, 1))
    rest = [0, 1, 3, 4]
    assert (model(params, x).numpy() != model(params, other).numpy()).all()
    frozen, fixed = model.freeze(params, x)
    y, z = frozen(fixed, x).numpy(), frozen(fixed, other).numpy()
    np.testing.assert_array_equal(y[rest], z[rest])
    assert (y[2] != z[2]).all()


def test_freeze_measures_what_each_layer_sees():
    rng = np.random.default_rng(0)
    model, params = small_net(rng)
    x = rng.normal(size=(5, 8, 8, 1))
    frozen, fixed = model.freeze(params, x)
    np.testing.assert_allclose(frozen(fixed, x).numpy(), model(params, x).numpy(), rtol=1e-12)
    inputs = nn.Sequential(*model.layers[:4])(
        params[:4], x
    ).numpy()  # what the second norm is given
    np.testing.assert_allclose(fixed[4]["mean"].numpy(), inputs.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(fixed[4]["var"].numpy(), inputs.var((0, 1, 2)), rtol=1e-12)
    assert frozen.layers[1].mode == frozen.layers[4].mode == "frozen"
    assert model.layers[1].mode == "batch" and "mean" not in params[1]


def test_frozen_moments_are_constants():
    params, x, _ = random_case(2)
    layer, fixed = nn.BatchNorm(3).freeze(params, x)
    grads = tm.grad(lambda p: tm.square(layer(p, x)).sum())(fixed)
    assert not grads["mean"].numpy().any() and not grads["var"].numpy().any()
    assert grads["scale"].numpy().all() and grads["offset"].numpy().all()


def test_each_task_is_frozen_at_its_own_moments():
    params, x, rng = random_case(2)
    x = np.stack([x, 3 * x + 1])
    layer, fixed = nn.BatchNorm(3).freeze(params, x)
    assert fixed["mean"].shape == fixed["var"].shape == (2, 3)
    expected = nn.BatchNorm(3)(params, x).numpy()
    np.testing.assert_allclose(layer(fixed, x).numpy(), expected, rtol=1e-12, atol=1e-13)
