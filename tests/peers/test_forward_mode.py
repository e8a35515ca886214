"""Forward mode, custom derivatives and implicit ones beside PyTorch, to third order in float64."""

import itertools
import warnings

import numpy as np
import pytest

import tinymeta as tm

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),
]

rng = np.random.default_rng(0)
X, Y, W = (rng.normal(size=size) for size in ((6, 3), (6, 2), (3, 2)))
V = [rng.normal(size=W.shape) for _ in range(3)]


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():  # of what it does while it is imported
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


def loss(w):
    return (tm.log_softmax(tm.tanh(X @ w)) * Y).sum() + (tm.sigmoid(w) ** 3).sum()


def loss_in_torch(torch):
    x, y = torch.as_tensor(X), torch.as_tensor(Y)
    return lambda w: (
        (torch.log_softmax(torch.tanh(x @ w), -1) * y).sum() + (torch.sigmoid(w) ** 3).sum()
    )


def forward(f, v):
    return lambda x: tm.jvp(f, (x,), (v,))[1]


def reverse(f, v):
    return lambda x: (tm.grad(f)(x) * v).sum()


def test_third_derivatives_along_directions_in_every_mix_of_modes(torch):
    theirs = loss_in_torch(torch)
    for v in V:
        tensor = torch.as_tensor(v)
        theirs = (lambda f, v: lambda x: torch.func.jvp(f, (x,), (v,))[1])(theirs, tensor)
    expected = theirs(torch.as_tensor(W)).item()
    for modes in itertools.product([forward, reverse], repeat=3):
        f = loss
        for mode, v in zip(modes, V):
            f = mode(f, v)
        np.testing.assert_allclose(f(W).item(), expected, rtol=1e-12)


def test_jacobians_by_both_modes(torch):
    x = torch.as_tensor(X)
    theirs = torch.func.jacfwd(lambda w: torch.softmax(x @ w, -1))(torch.as_tensor(W))
    for mode in ("forward", "reverse"):
        mine = tm.jacobian(lambda w: tm.softmax(X @ w), mode=mode)(W)
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-12, atol=1e-15)


def test_a_custom_derivative(torch):
    """PyTorch differentiates log(1 + exp(x)) as it is written; where it does not overflow."""
    softplus = tm.custom_vjp(
        tm.softplus, lambda x: (tm.softplus(x), x), lambda x, g: (g * tm.sigmoid(x),)
    )
    mine = tm.grad(lambda w: (tm.grad(lambda w: (softplus(w) ** 2).sum())(w) ** 2).sum())
    square = lambda w: (torch.log(1 + torch.exp(w)) ** 2).sum()
    theirs = torch.func.grad(lambda w: (torch.func.grad(square)(w) ** 2).sum())
    np.testing.assert_allclose(mine(W), theirs(torch.as_tensor(W)).numpy(), rtol=1e-12)


@pytest.mark.parametrize("linear", ["cg", "dense"])
def test_implicit_derivatives_of_ridge_regression(torch, linear):
    """PyTorch differentiates through the solution in closed form."""

    def solve(s, y):
        return np.linalg.solve(X.T @ X + np.asarray(s) * np.eye(3), X.T @ np.asarray(y))

    solution = tm.implicit(solve, lambda w, s, y: X.T @ (X @ w - y) + s * w, linear=linear)
    x = torch.as_tensor(X)

    def solution_in_torch(s, y):
        return torch.linalg.solve(x.T @ x + s * torch.eye(3, dtype=x.dtype), x.T @ y)

    mine = lambda s, y: (solution(s, y) ** 3).sum()
    theirs = lambda s, y: (solution_in_torch(s, y) ** 3).sum()
    s, y = np.array(0.7), Y[:, 0]
    arguments = torch.as_tensor(0.7, dtype=torch.float64), torch.as_tensor(y)
    for _ in range(3):
        mine = (lambda f: lambda s, y: sum((g**2).sum() for g in tm.grad(f, (0, 1))(s, y)))(mine)
        theirs = (
            lambda f: lambda s, y: sum((g**2).sum() for g in torch.func.grad(f, (0, 1))(s, y))
        )(theirs)
        np.testing.assert_allclose(mine(s, y).item(), theirs(*arguments).item(), rtol=1e-9)
