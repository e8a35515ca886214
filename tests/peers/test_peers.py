"""Outside witnesses: the meta-gradients of whole random networks, by PyTorch and by JAX.

Everything is float64 and must agree to 1e-11 of a gradient's largest entry. A run with ReLUs must
keep clear of their kink, or both answers would be right and different.
"""

import importlib
import warnings

import networks
import numpy as np
import pytest
from networks import conv_net, dense_net

import tinymeta as tm

pytestmark = pytest.mark.peers


@pytest.fixture(params=["torch", "jax"])
def peer(request):
    with warnings.catch_warnings():  # of what they do while they are imported
        warnings.simplefilter("ignore")
        pytest.importorskip(request.param)
        return importlib.import_module(f"with_{request.param}")


def ours(network, lr, steps, first_order=False):
    networks.margins.clear()
    loss = networks.loss(network)

    def outer(params):
        return tm.meta.maml_loss(
            loss, params, network.tasks, lr=lr, steps=steps, first_order=first_order
        ).sum()

    return tm.grad(outer)(network.params)


def largest_difference(mine, theirs):
    """Over all parameters, relative to the largest entry of the gradient."""
    scale = max(np.abs(np.asarray(g)).max() for g in theirs.values())
    return max(np.abs(mine[name].numpy() - np.asarray(theirs[name])).max() for name in mine) / scale


def clear_of_kinks():
    return min(networks.margins, default=1.0) > 1e-7


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["tanh", "softplus", "relu"])
def test_conv_nets(peer, seed, steps, activation):
    network = conv_net(seed, activation)
    mine = ours(network, lr=0.3, steps=steps)
    assert clear_of_kinks()
    assert largest_difference(mine, peer.meta_gradient(network, lr=0.3, steps=steps)) < 1e-11


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("activation", ["tanh", "softplus", "relu"])
def test_dense_nets(peer, seed, steps, activation):
    network = dense_net(seed, activation)
    mine = ours(network, lr=0.1, steps=steps)
    assert clear_of_kinks()
    assert largest_difference(mine, peer.meta_gradient(network, lr=0.1, steps=steps)) < 1e-11


@pytest.mark.parametrize("make", [conv_net, dense_net])
def test_first_order(peer, make):
    network = make(5)
    mine = ours(network, lr=0.2, steps=2, first_order=True)
    theirs = peer.meta_gradient(network, lr=0.2, steps=2, first_order=True)
    assert largest_difference(mine, theirs) < 1e-11
    assert largest_difference(ours(network, lr=0.2, steps=2), theirs) > 1e-3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_hessian_vector_products_of_max_pool_nets(peer, seed, activation):
    network = conv_net(seed, activation, pool=True)
    rng = np.random.default_rng(seed)
    direction = {name: rng.normal(size=p.shape) for name, p in network.params.items()}
    first = tm.Batch(network.tasks.support.x[0], network.tasks.support.y[0])
    networks.margins.clear()
    mine = tm.hvp(lambda p: networks.loss(network)(p, first), network.params, direction)
    assert clear_of_kinks()
    assert largest_difference(mine, peer.hessian_vector(network, direction)) < 1e-11
