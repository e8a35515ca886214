"""Test your meta-gradient: loops as with higher, learn2learn, TorchOpt and JAX, written out.

    pip install torch jax 'tinymeta[test]' && pytest examples/gradcheck/test_meta_gradients.py

Each is compared with differences of the whole inner loop, and what most often comes out instead
(first order, the plain gradient, the support loss, the sum for the mean) is called by its name.
"""

import copy
from functools import partial

import numpy as np
import pytest

from tinymeta.testing import check_meta_grad

torch = pytest.importorskip("torch")
RATE, STEPS, TASKS = 0.1, 2, 3
rng = np.random.default_rng(0)
DATA = [(rng.normal(size=(TASKS, 5, 2)), rng.normal(size=(TASKS, 5, 1))) for _ in range(2)]
PARAMS = {"v": torch.randn(3, 1), "w": torch.randn(2, 3)}


def loss(p, batch):  # of one task
    x, y = batch
    return ((torch.tanh(x @ p["w"]) @ p["v"] - y) ** 2).mean()


def one_step(p, support, create_graph=True):
    grads = torch.autograd.grad(loss(p, support), list(p.values()), create_graph=create_graph)
    return {name: x - RATE * g for (name, x), g in zip(p.items(), grads)}


def adapt(p, support):
    for _ in range(STEPS):
        p = one_step(p, support)
    return p


def check(meta_grad, **options):
    return check_meta_grad(meta_grad, loss, adapt, PARAMS, DATA, per_task=True, **options)


def tasks_of(data):
    support, query = data
    return [(tuple(a[i] for a in support), tuple(a[i] for a in query)) for i in range(TASKS)]


def like_higher(p, data, create_graph=True):
    """`higher`: a functional copy of the parameters, its steps tracked, one backward a task."""
    for support, query in tasks_of(data):
        fast = dict(p)
        for _ in range(STEPS):
            fast = one_step(fast, support, create_graph)
        (loss(fast, query) / TASKS).backward()
    return {name: x.grad for name, x in p.items()}


class Learner:
    """learn2learn's MAML: `clone` shares the graph, `adapt` puts new tensors into the clone."""

    def __init__(self, params):
        self.params = params

    def clone(self):
        cloned = copy.copy(self)
        cloned.params = {name: x.clone() for name, x in self.params.items()}
        return cloned

    def adapt(self, support):
        self.params = one_step(self.params, support)


def like_learn2learn(p, data):
    learner, total = Learner(p), 0.0
    for support, query in tasks_of(data):
        clone = learner.clone()
        for _ in range(STEPS):
            clone.adapt(support)
        total = total + loss(clone.params, query) / TASKS
    return dict(zip(p, torch.autograd.grad(total, list(p.values()))))


class MetaSGD:
    """TorchOpt's: an optimizer whose `step` is differentiable, and whose state is put back."""

    def __init__(self, params):
        self.params, self.start = dict(params), dict(params)

    def step(self, loss):
        grads = torch.autograd.grad(loss, list(self.params.values()), create_graph=True)
        updated = {name: x - RATE * g for (name, x), g in zip(self.params.items(), grads)}
        self.params = updated

    def recover(self):
        self.params = dict(self.start)


def like_torchopt(p, data, recover=True):
    optimizer, total = MetaSGD(p), 0.0
    for support, query in tasks_of(data):
        for _ in range(STEPS):
            optimizer.step(loss(optimizer.params, support))
        total = total + loss(optimizer.params, query) / TASKS
        if recover:
            optimizer.recover()
    return dict(zip(p, torch.autograd.grad(total, list(p.values()))))


@pytest.mark.parametrize("meta_grad", [like_higher, like_learn2learn, like_torchopt])
def test_a_loop_in_torch(meta_grad):
    assert check(meta_grad).cosine == pytest.approx(1)


def test_a_loop_without_create_graph_is_called_first_order():
    with pytest.raises(AssertionError, match="first-order MAML gradient.*missing create_graph"):
        check(lambda p, data: like_higher(p, data, create_graph=False))


def test_an_optimizer_that_is_not_put_back_is_wrong():
    with pytest.raises(AssertionError, match="the meta-gradient is wrong"):
        check(lambda p, data: like_torchopt(p, data, recover=False))


def test_maml_in_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    def loss(p, batch):
        x, y = batch
        return ((jnp.tanh(x @ p["w"]) @ p["v"] - y) ** 2).mean()

    def adapt(p, support):
        for _ in range(STEPS):
            p = jax.tree.map(lambda x, g: x - RATE * g, p, jax.grad(loss)(p, support))
        return p

    def meta_grad(p, data, stop=lambda x: x):
        one = lambda p, support, query: loss(stop(adapt(p, support)), query)
        return jax.grad(lambda p: jax.vmap(one, (None, 0, 0))(p, *data).mean())(p)

    params = {name: jnp.asarray(x.numpy()) for name, x in PARAMS.items()}
    check = partial(
        check_meta_grad, loss=loss, adapt=adapt, params=params, tasks=DATA, per_task=True
    )
    check(meta_grad)
    with pytest.raises(AssertionError, match="is wrong: it is zero"):
        check(lambda p, data: meta_grad(p, data, jax.lax.stop_gradient))
