"""Test your gradient in five lines: a JAX function, `custom_vjp` and pytree of parameters.

pip install jax 'tinymeta[test]' && pytest examples/gradcheck/test_jax.py
"""

import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy


@jax.custom_vjp
def log1pexp(x):
    return jnp.logaddexp(x, 0.0)


log1pexp.defvjp(lambda x: (log1pexp(x), x), lambda x, g: (g * jax.nn.sigmoid(x),))


def test_a_custom_vjp(gradcheck):  # in float64, whatever jax_enable_x64 says, and in float32
    gradcheck(log1pexp, jnp.array([-1.0, 0.5, 2.0]))


@jax.tree_util.register_pytree_node_class
class Dense:
    """A layer that is its own pytree of parameters, as Equinox's and Flax's are."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def __call__(self, x):
        return jnp.tanh(x @ self.weight + self.bias)

    def tree_flatten(self):
        return (self.weight, self.bias), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def dense():
    return Dense(jax.random.normal(jax.random.key(0), (4, 3)), jnp.ones(3))


def test_a_layer_by_its_parameters_and_its_input(gradcheck):
    gradcheck(dense(), jax.random.normal(jax.random.key(1), (5, 4)))


def test_a_loss_of_a_tree_of_parameters(gradcheck):
    def loss(params, x, labels):
        logits = params["layer"](x) * params["scale"]
        return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()

    x = jax.random.normal(jax.random.key(1), (5, 4))
    gradcheck(loss, {"layer": dense(), "scale": jnp.array(2.0)}, x, jnp.array([0, 1, 2, 1, 0]))


def test_what_a_mistake_looks_like(gradcheck):
    wrong = jax.custom_vjp(lambda x: jnp.logaddexp(x, 0.0))
    wrong.defvjp(lambda x: (wrong(x), x), lambda x, g: (1.001 * g * jax.nn.sigmoid(x),))
    with pytest.raises(AssertionError, match=r"(?s)of order 1 is wrong.*smallest input"):
        gradcheck(wrong, jnp.array([-1.0, 0.5]))
