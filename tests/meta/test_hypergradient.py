"""Derivatives by hyperparameters through a whole descent: closed forms, and bytes that are held."""

import tracemalloc

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import hypergradient, recompute
from tinymeta.meta.recompute import REMATS

D = 3
EVERY = pytest.mark.parametrize("remat", [None, *REMATS])


def quadratic(seed=0):
    """(A, c) of f(t) = (t - c)'A(t - c) / 2, and where the descent begins."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D))
    return root @ root.T, rng.normal(size=D), rng.normal(size=D)


def descent(A, c, steps, **options):
    """Of a rate for each step, and a pull to 0 in every one; the outer loss is |theta|^2 / 2."""

    def step(theta, hyper, k):
        gradient = (theta - c) @ A + hyper["pull"] * theta
        return theta - tm.take(hyper["rates"], k) * gradient

    def outer_loss(theta, hyper):
        return 0.5 * (theta * theta).sum() + hyper["pull"] ** 2

    return hypergradient(step, outer_loss, steps=steps, **options)


def closed_form(A, c, start, rates, pull):
    """(loss, by rates, by pull, by start): each step is affine, theta <- M_k theta + r_k A c."""
    thetas = [start]
    for rate in rates:
        theta = thetas[-1]
        thetas.append(theta - rate * (A @ (theta - c) + pull * theta))
    by_rates, by_pull, cotangent = np.zeros_like(rates), 2 * pull, thetas[-1]
    for k in reversed(range(len(rates))):
        theta = thetas[k]
        by_rates[k] = -cotangent @ (A @ (theta - c) + pull * theta)
        by_pull -= rates[k] * (cotangent @ theta)
        cotangent = cotangent - rates[k] * (A @ cotangent + pull * cotangent)
    return 0.5 * thetas[-1] @ thetas[-1] + pull**2, by_rates, by_pull, cotangent, thetas[-1]


CASES = [(remat, steps, False) for remat in (None, *REMATS) for steps in (1, 2, 9, 10)]


@pytest.mark.parametrize("remat, steps, compiled", [*CASES, ("nested", 10, True)])
def test_a_quadratic(monkeypatch, remat, steps, compiled):
    monkeypatch.setattr(recompute, "_MOST_PARTS", 2)
    A, c, start = quadratic()
    hyper = {"rates": np.linspace(0.05, 0.15, steps), "pull": np.array(0.3)}
    found = descent(A, c, steps, remat=remat, compiled=compiled)(hyper, start)
    ours = found.loss, found.grads["rates"], found.grads["pull"], found.start_grads, found.state
    for a, b in zip(ours, closed_form(A, c, start, hyper["rates"], 0.3)):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("remat", REMATS)
def test_to_third_order(remat):
    """The first is by hypergradient itself, the others by grad of it; without, all are by grad."""
    A, c, start = quadratic()

    def loss(rate, remat):
        hyper = {"rates": tm.broadcast_to(rate, (4,)), "pull": np.array(0.3)}
        run = descent(A, c, 4, remat=remat, compiled=False)
        return run(hyper, start).grads["rates"].sum()

    def plain(rate):
        theta = start
        for _ in range(4):
            theta = theta - rate * ((theta - c) @ A + 0.3 * theta)
        return 0.5 * (theta * theta).sum()

    ours, plain = (lambda rate: loss(rate, remat)), tm.grad(plain)
    for _ in range(3):
        rate = np.float64(0.1)
        assert np.asarray(ours(rate)) == pytest.approx(np.asarray(plain(rate)), rel=1e-11)
        ours, plain = tm.grad(ours), tm.grad(plain)


def test_momentum_and_a_weight_for_each_example():
    """A state that is a tuple of trees, in float32 as in the example."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    net, optimizer = tm.nn.mlp(2, 3, 1, activation=tm.tanh), tm.optim.momentum(0.1)
    params = tm.tree.map(lambda p: np.asarray(p, np.float64), net.init(rng))

    def step(state, weights, k):
        params, velocity = state
        residual = lambda p: (weights[:, None] * (net(p, x) - y) ** 2).mean()
        return optimizer.update(tm.grad(residual)(params), velocity, params)

    def outer_loss(state, weights):
        return ((net(state[0], x) - 1.0) ** 2).mean()

    start, weights = (params, optimizer.init(params)), rng.uniform(0.5, 1.5, 6)
    found, plain = (
        hypergradient(step, outer_loss, steps=7, remat=remat, compiled=False)(weights, start)
        for remat in ("nested", None)
    )
    assert np.abs(np.asarray(plain.grads)).min() > 1e-6
    for a, b in zip(tm.tree.leaves(found), tm.tree.leaves(plain)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def peak(steps, remat):
    """The most bytes that a hypergradient holds at once; a state has 8 KB, a step's tape more."""
    start, A = np.ones(1000), 1.0 + np.arange(1000.0) / 1000

    def step(theta, rate, k):
        return theta - rate * tm.tanh(theta * A)

    run = hypergradient(
        step, lambda theta, rate: theta.sum(), steps=steps, remat=remat, compiled=False
    )
    tracemalloc.start()
    try:
        run(np.array(0.01), start)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_few_states_are_held(monkeypatch):
    state = 8000
    assert peak(100, "steps") > 100 * state
    assert peak(100, "nested") < 50 * state  # two levels of 10
    monkeypatch.setattr(recompute, "_MOST_PARTS", 5)
    assert peak(100, "nested") < 40 * state  # three levels of 5


# ---- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, said",
    [
        ({"steps": 0}, "hypergradient: steps=0 must be a whole number >= 1"),
        ({"steps": 3, "remat": "all"}, "hypergradient: remat 'all' is not 'steps' or"),
    ],
)
def test_bad_arguments(options, said):
    with pytest.raises(ValueError, match=said):
        hypergradient(lambda s, h, k: s, lambda s, h: s.sum(), **options)


@EVERY
@pytest.mark.parametrize(
    "step, said",
    [
        (lambda s, h, k: {"v": s["w"]}, r"step returned state\['v'\] for state\['w'\]: it must"),
        (lambda s, h, k: {"w": s["w"][:2]}, r"step made float64\(2,\) of state\['w'\], float64"),
        (lambda s, h, k: {"w": s["w"].astype("float32")}, "a state keeps its shapes and dtypes"),
    ],
)
def test_a_step_that_makes_another_state(remat, step, said):
    run = hypergradient(step, lambda s, h: s["w"].sum(), steps=2, remat=remat, compiled=False)
    with pytest.raises(ValueError, match=f"hypergradient: .*{said}"):
        run(np.array(1.0), {"w": np.ones(3)})
