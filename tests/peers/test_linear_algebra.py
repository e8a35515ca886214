"""`tm.linalg` beside PyTorch and JAX: values, gradients, and Hessian products, in float64."""

import warnings

import numpy as np
import pytest

import tinymeta as tm

pytestmark = pytest.mark.peers
rng = np.random.default_rng(0)
a = rng.normal(size=(3, 6, 6)) + 3 * np.eye(6)
b = rng.normal(size=(3, 6, 2))
FUNCTIONS = {
    "cholesky": lambda linalg, a, b: linalg.cholesky(a @ a.mT),
    "solve": lambda linalg, a, b: linalg.solve(a, b),
    "inv": lambda linalg, a, b: linalg.inv(a) @ b,
    "det": lambda linalg, a, b: linalg.det(a),
    "slogdet": lambda linalg, a, b: linalg.slogdet(a)[1],
}


def of_ours(name, v):
    def loss(a):
        return (FUNCTIONS[name](tm.linalg, a, b) ** 2 * weights(name)).sum()

    return [x.numpy() for x in (tm.grad(loss)(a), tm.hvp(loss, a, v))]


def weights(name):
    shape = {"cholesky": (3, 6, 6), "solve": (3, 6, 2), "inv": (3, 6, 2)}.get(name, (3,))
    return np.random.default_rng(1).normal(size=shape)


def of_torch(name, v):
    torch = pytest.importorskip("torch")
    tensors = torch.tensor(a, requires_grad=True), torch.tensor(b)
    loss = (FUNCTIONS[name](torch.linalg, *tensors) ** 2 * torch.tensor(weights(name))).sum()
    (g,) = torch.autograd.grad(loss, tensors[0], create_graph=True)
    (h,) = torch.autograd.grad((g * torch.tensor(v)).sum(), tensors[0])
    return [g.detach().numpy(), h.numpy()]


def of_jax(name, v):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def loss(a):
        return (FUNCTIONS[name](jax.numpy.linalg, a, b) ** 2 * weights(name)).sum()

    g, h = jax.jvp(jax.grad(loss), (jax.numpy.asarray(a),), (jax.numpy.asarray(v),))
    return [np.asarray(g), np.asarray(h)]


@pytest.mark.parametrize("peer", [of_torch, of_jax], ids=["torch", "jax"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_and_hessian_products(name, peer):
    v = rng.normal(size=a.shape)
    for mine, theirs in zip(of_ours(name, v), peer(name, v)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())
