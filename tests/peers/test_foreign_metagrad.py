"""MAML written in PyTorch, checked by differences; nothing of this engine's computes anything."""

import warnings

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import check_meta_grad

pytestmark = pytest.mark.peers

T, RATE, STEPS = 3, 0.1, 2
rng = np.random.default_rng(0)
PARAMS = {"v": rng.normal(size=(3, 1)), "w": rng.normal(size=(2, 3))}
TASKS = tm.Tasks(
    *[tm.Batch(rng.normal(size=(T, 5, 2)), rng.normal(size=(T, 5, 1))) for _ in range(2)]
)


@pytest.fixture
def torch():
    with warnings.catch_warnings():  # of what it does while it is imported
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


def maml_in(torch, create_graph=True):
    """(meta_grad, loss, adapt), of arrays and to arrays."""

    def objective(p, batch):  # tensors (T, ...) -> (T,)
        x, y = map(torch.as_tensor, batch)
        return ((torch.tanh(x @ p["w"]) @ p["v"] - y) ** 2).mean((1, 2))

    def inner(p, support):
        for _ in range(STEPS):
            g = torch.autograd.grad(
                objective(p, support).sum(), list(p.values()), create_graph=create_graph
            )
            p = {name: x - RATE * d for (name, x), d in zip(p.items(), g)}
        return p

    def tracked(params):
        return {name: torch.tensor(x, requires_grad=True) for name, x in params.items()}

    def meta_grad(params, tasks):
        p = tracked(params)
        copies = {name: x.expand(T, *x.shape) for name, x in p.items()}
        objective(inner(copies, tasks.support), tasks.query).mean().backward()
        return {name: x.grad.numpy() for name, x in p.items()}

    def loss(params, batch):
        return objective(tracked(params), batch).detach().numpy()

    def adapt(params, support):
        return {name: x.detach().numpy() for name, x in inner(tracked(params), support).items()}

    return meta_grad, loss, adapt


def test_with_create_graph_it_is_right(torch):
    report = check_meta_grad(*maml_in(torch), PARAMS, TASKS, n_dirs=9)
    assert report.cosine == pytest.approx(1) and report.norm_ratio == pytest.approx(1)


def test_without_create_graph_what_is_missing_is_named(torch):
    with pytest.raises(AssertionError, match="first-order MAML gradient.*missing create_graph"):
        check_meta_grad(*maml_in(torch, create_graph=False), PARAMS, TASKS)


def test_single_precision_is_no_mistake_and_is_named(torch):
    meta_grad, loss, adapt = maml_in(torch)
    single = lambda tree: tm.tree.map(lambda x: x.astype(np.float32), tree)
    with pytest.raises(AssertionError, match="is wrong: it is right to four digits: was it comput"):
        check_meta_grad(
            lambda p, tasks: meta_grad(single(p), single(tasks)), loss, adapt, PARAMS, TASKS
        )


def test_a_module_stands_for_its_named_parameters(torch):
    net = torch.nn.Linear(2, 1)

    def objective(p, batch):
        x, y = batch
        return ((x @ p["weight"].mT + p["bias"][..., None, :] - y) ** 2).mean((1, 2))

    def inner(p, support):
        leaves = [x if x.requires_grad else x.requires_grad_() for x in p.values()]
        p = dict(zip(p, leaves))
        grads = torch.autograd.grad(objective(p, support).sum(), leaves, create_graph=True)
        return {name: x - RATE * g for (name, x), g in zip(p.items(), grads)}

    def meta_grad(p, tasks, scale=1.0):
        copies = {name: x.expand(T, *x.shape) for name, x in p.items()}
        loss = objective(inner(copies, tasks.support), tasks.query).mean()
        return {k: scale * g for k, g in zip(p, torch.autograd.grad(loss, list(p.values())))}

    check_meta_grad(meta_grad, objective, inner, net, TASKS)
    with pytest.raises(AssertionError, match="the meta-gradient is wrong"):
        check_meta_grad(lambda p, t: meta_grad(p, t, 1.01), objective, inner, net, TASKS)
