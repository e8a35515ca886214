"""Functions written in PyTorch and JAX, their derivatives checked through arrays to third order."""

import warnings

import numpy as np
import pytest

from tinymeta.testing import Foreign, Kink, check_grads, check_identities, check_taylor

pytestmark = pytest.mark.peers

rng = np.random.default_rng(0)
X, W = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
PARAMS, LABELS = {"w": W, "b": rng.normal(size=2)}, np.array([1, 0, 1])


@pytest.fixture
def torch():
    with warnings.catch_warnings():  # of what it does while it is imported
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


def of_torch(torch, f):
    return Foreign(f, vjp=torch.func.vjp, asarray=torch.as_tensor)


def test_a_torch_function_of_a_tree_and_labels(torch):
    def loss(p, x, labels):
        z = torch.tanh(x @ p["w"]) + p["b"]
        return torch.nn.functional.cross_entropy(z, labels), z

    f = of_torch(torch, loss)
    assert (
        len(check_grads(f, PARAMS, X, LABELS, order=3, modes=("rev", "fwd"), n_dirs=1).rows) == 14
    )
    check_identities(f, PARAMS, X, LABELS)
    check_taylor(f, PARAMS, X, LABELS, order=2)
    single = {name: p.astype(np.float32) for name, p in PARAMS.items()}
    rows = check_grads(f, single, X.astype(np.float32), LABELS).rows
    assert {row.dtype for row in rows} == {"float32", "float64"}


def test_a_torch_function_that_detaches_is_red(torch):
    with pytest.raises(AssertionError, match="derivative of cut of order 1 is wrong"):
        check_grads(of_torch(torch, cut := named("cut", lambda x: x * x.detach())), X)
    once = named("once", lambda x: torch.exp(x.detach()) * x)
    assert cut and check_grads(of_torch(torch, named("exp", torch.exp)), X, order=1)
    with pytest.raises(AssertionError, match="derivative of once of order 1 is wrong"):
        check_grads(of_torch(torch, once), X)


def test_a_torch_autograd_function_that_forgets_its_second_derivative_is_red(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * x.detach()

    f = of_torch(torch, named("square", Square.apply))
    check_grads(f, X, order=1)
    with pytest.raises(AssertionError, match="derivative of square of order 2 is wrong"):
        check_grads(f, X)


def test_a_kink_in_torch_is_no_mistake(torch):
    with pytest.raises(Kink, match="a function that tells no branches"):
        check_grads(of_torch(torch, torch.relu), np.array([0.0, 1.0]), order=1)
    check_grads(of_torch(torch, torch.relu), np.array([0.0, 1.0]), order=1, kinks="one-sided")


def test_a_jax_function(jax):
    jnp = jax.numpy
    f = Foreign(lambda p, x: {"z": jnp.tanh(x @ p["w"]) + p["b"]}, vjp=jax.vjp)
    check_grads(f, PARAMS, X, order=3)
    check_identities(f, PARAMS, X)


def test_a_wrong_custom_vjp_in_jax_is_red(jax):
    @jax.custom_vjp
    def exp(x):
        return jax.numpy.exp(x)

    exp.defvjp(lambda x: (jax.numpy.exp(x), x), lambda x, g: (1.001 * g * jax.numpy.exp(x),))
    with pytest.raises(AssertionError, match="derivative of exp of order 1 is wrong"):
        check_grads(Foreign(named("exp", lambda x: exp(x)), vjp=jax.vjp), X)


def test_jax_in_single_precision_is_told_or_the_option_to_enable_is_named(jax):
    jax.config.update("jax_enable_x64", False)
    exp = Foreign(lambda x: jax.numpy.exp(x), vjp=jax.vjp)
    assert "computed in float32" in str(check_grads(exp, X))
    with pytest.raises(ValueError, match="returns float32 for float64 inputs.*jax_enable_x64"):
        check_taylor(exp, X)


def named(name, f):
    f_named = lambda *args: f(*args)
    f_named.__name__ = name
    return f_named
