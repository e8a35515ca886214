"""The usual losses: their equations in NumPy, eager and compiled, gradients, tasks, refusals."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import check_grads
from tinymeta.testing.interpreted import interpreted_jit

rng = np.random.default_rng(0)
z, t = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 3))
labels = rng.integers(0, 3, (2, 5))
p = 1 / (1 + np.exp(-t))
q = np.exp(t) / np.exp(t).sum(-1, keepdims=True)
q[0, 0] = [1, 0, 0]
log_softmax = z - np.log(np.exp(z).sum(-1, keepdims=True))
signs = np.where(t > 0, 1.0, -1.0)
e = np.abs(z - t)
with np.errstate(all="ignore"):
    log_q = np.where(q > 0, np.log(q), 0.0)

LOSSES = {  # of (prediction, y): what it is called with, and what NumPy makes of it
    "nll": (tm.losses.nll, z, labels, -np.take_along_axis(z, labels[..., None], -1).mean((1, 2))),
    "mae": (tm.losses.mae, z, t, e.mean((1, 2))),
    "huber": (
        lambda z, t: tm.losses.huber(z, t, 0.7),
        z,
        t,
        np.where(e <= 0.7, e**2 / 2, 0.7 * (e - 0.35)).mean((1, 2)),
    ),
    "binary_cross_entropy": (
        tm.losses.binary_cross_entropy,
        z,
        p,
        (np.log1p(np.exp(z)) - p * z).mean((1, 2)),
    ),
    "hinge": (tm.losses.hinge, z, signs, np.maximum(0, 1 - signs * z).mean((1, 2))),
    "kl_divergence": (tm.losses.kl_divergence, z, q, (q * (log_q - log_softmax)).sum(-1).mean(-1)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_value_of_each_task_is_that_of_its_equation(name):
    loss, prediction, y, expected = LOSSES[name]
    for f in (loss, interpreted_jit(lambda *a: loss(*a))):
        np.testing.assert_allclose(f(prediction, y).numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(f(prediction[1], y[1]).item(), expected[1], rtol=1e-12)
    narrow = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in (prediction, y)]
    assert loss(*narrow).dtype == np.float32


@pytest.mark.parametrize("name", LOSSES)
def test_its_gradient_is_that_of_differences(name):
    loss, prediction, y, _ = LOSSES[name]
    check_grads(lambda z: loss(z, y), prediction, order=2)


def test_large_logits_and_targets_of_bools_and_integers():
    large = np.array([[1e4, -1e4]])
    assert tm.losses.binary_cross_entropy(large, large > 0).item() == 0
    assert tm.losses.binary_cross_entropy(large, np.array([[0, 1]])).item() == 1e4
    thirds = np.array([[1 / 3, 2 / 3]])
    assert tm.losses.mae(np.array([[1, 0]]), thirds).item() == np.abs([[1, 0]] - thirds).mean()
    g = tm.grad(lambda q: tm.losses.kl_divergence(np.zeros((1, 2)), q))(np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(g.numpy(), [[1 + np.log(2), 0]])


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_that_differ_are_refused_in_its_name(name):
    loss, prediction, y, _ = LOSSES[name]
    for run in (lambda f: f, tm.jit):
        with pytest.raises(ValueError, match=f"^{name}: [^\n]*$"):
            run(loss)(prediction[:, :4], y)


def test_what_is_no_probability_and_no_delta_is_refused():
    for loss in (tm.losses.binary_cross_entropy, tm.losses.kl_divergence):
        for run in (lambda f: f, tm.jit):
            with pytest.raises(ValueError, match="the target must be probabilities, from 0 to 1"):
                run(loss)(z, 2.0 + z)
    with pytest.raises(ValueError, match="^huber: delta=0 must be above 0"):
        tm.losses.huber(z, t, 0)
