"""The fixture with the real frameworks: functions and modules as they come.

The pages of examples/gradcheck are tests themselves: python -m pytest examples/gradcheck.
"""

import warnings
from typing import NamedTuple

import numpy as np
import pytest

from tinymeta.testing import check_batch, check_grads, check_taylor
from tinymeta.testing.fixture import Gradcheck

pytestmark = pytest.mark.peers


@pytest.fixture
def torch():
    with warnings.catch_warnings():  # of what it does while it is imported
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


class Item(NamedTuple):
    """What the fixture reads and writes of pytest's test."""

    nodeid: str
    user_properties: list


fixture_gradcheck = Gradcheck(lambda: (Item("a test", []), {}))


def dtypes(report):
    return {row.dtype for row in report.rows}


# ---- PyTorch ------------------------------------------------------------------------------------


def test_float32_samples_are_checked_in_both_dtypes(torch):
    assert dtypes(check_grads(torch.tanh, torch.randn(3))) == {"float32", "float64"}
    assert dtypes(check_grads(torch.tanh, torch.randn(3).double())) == {"float64"}


def test_what_requires_a_gradient_is_differentiated_and_nothing_else(torch):
    x, w = torch.randn(5, 4), torch.randn(4, 3)
    cut = lambda x, w: x.detach() @ w
    check_grads(cut, x, w.clone().requires_grad_())
    with pytest.raises(AssertionError, match="worst entry: argument .0."):
        check_grads(cut, x, w)


def test_a_module_is_the_same_function_each_time(torch):
    norm = torch.nn.BatchNorm1d(3)
    before = norm.running_mean.clone()
    check_grads(torch.nn.Sequential(torch.nn.Linear(4, 3), norm), torch.randn(5, 4))
    assert torch.equal(norm.running_mean, before) and norm.num_batches_tracked == 0
    with pytest.raises(AssertionError, match="Dropout gives two values for one input"):
        check_grads(torch.nn.Dropout(), torch.randn(50))


def test_frozen_parameters_stay_and_integers_are_no_inputs(torch):
    layer = torch.nn.Linear(4, 3)
    layer.bias.requires_grad_(False)
    table = torch.nn.Embedding(5, 4)

    def wrong_in(name):
        class Wrong(torch.nn.Linear):
            def forward(self, x):
                parts = {"weight": self.weight, "bias": self.bias}
                parts[name] = parts[name].detach()
                return torch.nn.functional.linear(x, **parts)

        return Wrong(4, 3)

    check_grads(layer, torch.randn(5, 4))
    check_grads(table, torch.tensor([1, 2, 2]))
    for name in ("weight", "bias"):
        with pytest.raises(AssertionError, match=rf"argument \[0\]\['{name}'\]"):
            check_grads(wrong_in(name), torch.randn(5, 4))


def test_what_cannot_be_called_is_a_sentence(torch):
    w, x = torch.randn(4, 3), torch.randn(5, 4)
    with pytest.raises(
        TypeError, match="cannot be called with float64: .*that it closes over keep"
    ):
        check_taylor(lambda x: x @ w, x)
    assert "computed in float32" in str(check_grads(lambda x: x @ w, x))
    with pytest.raises(TypeError, match="^check_grads: f must be a function, got 3"):
        check_grads(3, x)
    with pytest.raises(TypeError, match="^gradcheck: f must be a function, got 3"):
        fixture_gradcheck(3, x)


def test_a_backward_by_hand_of_tensors(torch):
    """Of a function that PyTorch cannot differentiate, whose samples are tensors nevertheless."""
    gradcheck = fixture_gradcheck
    sine, x = torch.no_grad()(torch.sin), torch.randn(3)
    gradcheck(sine, x, backward=lambda g, x: g * torch.cos(x))
    gradcheck(torch.sin, x, vjp=torch.func.vjp)
    with pytest.raises(AssertionError, match="is wrong"):
        gradcheck(sine, x, backward=lambda g, x: 1.01 * g * torch.cos(x))


def test_a_batch_of_a_module(torch):
    """Its parameters come first, and are shared."""
    x = torch.randn(5, 4)
    assert check_batch(torch.nn.Linear(4, 3), x) == 5
    with pytest.raises(AssertionError, match="of example 0 is another alone"):
        check_batch(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(0)), x)


def test_results_of_every_kind_are_read(torch):
    x = torch.randn(3, 4).double()
    check_grads(lambda x: x.max(1), x)  # values and places, in a tuple of torch's own
    check_grads(lambda x: {"a": x * 2, "b": [x.sin(), 3]}, x)
    check_grads(lambda x: torch.complex(x, x * x) ** 2, x)


def test_values_and_gradients_of_the_users_tensors_are_left_alone(torch):
    w = torch.randn(4, requires_grad=True)
    check_grads(lambda w: (w**3).sum(), w)
    assert w.grad is None and w.is_leaf


# ---- JAX ----------------------------------------------------------------------------------------


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


def test_jax_is_checked_with_64_bits_and_stays_as_it_was(jax):
    before = jax.config.jax_enable_x64
    x = jax.numpy.asarray(np.ones(3, np.float32))
    assert dtypes(check_grads(jax.numpy.tanh, x)) == {"float32", "float64"}
    assert jax.config.jax_enable_x64 == before


def test_a_function_that_looks_at_values_cannot_be_traced_and_is_checked(jax):
    def f(x):
        return x**3 if x.sum() > 0 else -x

    check_grads(f, jax.numpy.ones(3))
    with pytest.raises(AssertionError, match="of order 2 is wrong"):
        check_grads(lambda x: f(x) + cut_off(jax, x), x_of(jax))


def cut_off(jax, x):
    """A square without a second derivative."""
    function = jax.custom_vjp(lambda x: x * x)
    function.defvjp(lambda x: (x * x, x), lambda x, g: (2 * g * jax.lax.stop_gradient(x),))
    return function(x)


def x_of(jax):
    return jax.numpy.array([0.5, 1.5])


def test_mapped_and_compiled_functions_pass(jax):
    x = x_of(jax)
    check_grads(jax.vmap(lambda x: jax.numpy.sin(x) * x), x)
    check_grads(jax.jit(jax.grad(lambda x: jax.numpy.sin(x).sum())), x)
