"""Losses against NumPy written out; the contrastive loss has a file of its own."""

import numpy as np
import pytest

import tinymeta as tm

rng = np.random.default_rng(0)


def log_probabilities(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def test_cross_entropy_is_the_mean_negative_log_probability_of_the_label():
    z, y = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    expected = -np.mean([log_probabilities(z)[n, y[n]] for n in range(6)])
    np.testing.assert_allclose(tm.losses.cross_entropy(z, y).item(), expected, rtol=1e-14)


def test_cross_entropy_gradient_and_hessian():
    """(p - e_y) / N, and for one example diag(p) - p p'."""
    z, y = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    p = np.exp(log_probabilities(z))
    g = tm.grad(tm.losses.cross_entropy)(z, y).numpy()
    np.testing.assert_allclose(g, (p - np.eye(4)[y]) / 6, rtol=1e-13, atol=1e-16)
    h = tm.hessian(lambda z: tm.losses.cross_entropy(z, y[:1]))(z[:1]).numpy()[0, :, 0]
    np.testing.assert_allclose(h, np.diag(p[0]) - np.outer(p[0], p[0]), rtol=1e-12, atol=1e-15)


def test_cross_entropy_of_huge_logits_is_finite():
    z = np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 1e4]])
    value, g = tm.value_and_grad(tm.losses.cross_entropy)(z, np.array([0, 1]))
    assert value.item() == 5e3  # (0 + 1e4) / 2
    np.testing.assert_array_equal(g.numpy(), [[0, 0, 0], [0, -0.5, 0.5]])


def test_mse_and_its_gradient():
    a, b = rng.normal(size=(2, 5, 3))
    value, g = tm.value_and_grad(tm.losses.mse)(a, b)
    np.testing.assert_allclose(value.item(), ((a - b) ** 2).mean(), rtol=1e-14)
    np.testing.assert_allclose(g.numpy(), 2 * (a - b) / 15, rtol=1e-14)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_leading_axes_are_kept(lead):
    a, b = rng.normal(size=(2, *lead, 5, 4))
    labels = rng.integers(4, size=(*lead, 5))
    assert tm.losses.mse(a, b).shape == lead
    assert tm.losses.cross_entropy(a, labels).shape == lead
    assert tm.losses.contrastive(a, b, labels > 1).shape == lead


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: tm.losses.mse(np.ones((4, 1)), np.ones(4)),
            r"mse: prediction \(4, 1\) and target \(4,\) must have one shape \(\.\., N, D\)",
        ),
        (
            lambda: tm.losses.mse(np.ones(4), np.ones(4)),
            r"mse: prediction \(4,\) and target \(4,\)",
        ),
        (
            lambda: tm.losses.cross_entropy(np.ones((3, 4)), np.zeros(4, int)),
            r"cross_entropy: logits \(3, 4\) and labels \(4,\) do not fit: expected \(\.\., N, K\)",
        ),
        (
            lambda: tm.losses.cross_entropy(np.ones(4), np.zeros((), int)),
            r"logits \(4,\) and labels \(\)",
        ),
        (
            lambda: tm.losses.cross_entropy(np.ones((3, 4)), np.zeros((3, 4), int)),
            r"labels \(3, 4\)",
        ),
        (
            lambda: tm.losses.cross_entropy(np.ones((3, 4)), np.zeros(3)),
            "integers from 0 to 3, got float64",
        ),
        (
            lambda: tm.losses.cross_entropy(np.ones((3, 4)), np.array([0, 4, 1])),
            "integers from 0 to 3, got int64 from 0 to 4",
        ),
        (
            lambda: tm.losses.contrastive(np.ones((3, 2)), np.ones((4, 2)), np.ones(3)),
            r"contrastive: embeddings \(3, 2\) and \(4, 2\)",
        ),
        (
            lambda: tm.losses.contrastive(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 1))),
            r"different \(3, 1\) its \(\.\., P\)",
        ),
    ],
)
def test_errors_give_the_shapes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "name, call",
    [
        ("mse", lambda: tm.losses.mse(np.ones((2, 0, 3)), np.ones((2, 0, 3)))),
        ("mse", lambda: tm.losses.mse(np.ones((2, 0)), np.ones((2, 0)))),
        ("cross_entropy", lambda: tm.losses.cross_entropy(np.ones((0, 3)), np.zeros(0, int))),
        ("cross_entropy", lambda: tm.losses.cross_entropy(np.ones((2, 0)), np.zeros(2, int))),
        (
            "contrastive",
            lambda: tm.losses.contrastive(np.ones((0, 3)), np.ones((0, 3)), np.zeros(0)),
        ),
        (
            "contrastive_among",
            lambda: tm.losses.contrastive_among(np.ones((0, 3)), np.zeros(0, int)),
        ),
    ],
)
def test_the_mean_of_nothing_names_the_loss(name, call):
    with pytest.raises(ValueError, match=rf"^{name}: \(.*\) holds no example"):
        call()


@pytest.mark.parametrize("way", [lambda f: f, tm.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("label, value", [(1, np.log1p(np.e)), (0, np.inf)])
def test_cross_entropy_beside_a_masked_class(way, label, value):
    """(p - e_y): of the masked class 0, or -1 where it is the label, which costs inf."""
    z, p = np.array([[-np.inf, 0.0, 1.0]]), np.array([0, 1, np.e]) / (1 + np.e)
    found = way(tm.losses.cross_entropy)(z, np.array([label]))
    np.testing.assert_allclose(found, value, rtol=1e-14)
    g = way(tm.grad(tm.losses.cross_entropy))(z, np.array([label]))
    np.testing.assert_allclose(g, [p - np.eye(3)[label]], rtol=1e-12, atol=1e-15)
