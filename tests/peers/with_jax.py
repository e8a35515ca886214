"""The networks in JAX, in float64, differentiated by grad of grad, one task after another."""

import jax
import jax.numpy as jnp
from jax import lax
from networks import Network, of_layer

ACTIVATIONS = {"tanh": jnp.tanh, "softplus": jax.nn.softplus, "relu": jax.nn.relu}


def forward(network: Network, params, x):
    """x (N, H, W, C) or (N, D)."""
    for k, (kind, *options) in enumerate(network.layers):
        p = of_layer(params, k)
        if kind == "conv":
            stride, padding = options
            x = (
                lax.conv_general_dilated(
                    x,
                    p["w"],
                    (stride, stride),
                    padding.upper(),
                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                )
                + p["b"]
            )
        elif kind == "norm":
            mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            x = (x - mean) / jnp.sqrt(var + 1e-3) * p["scale"] + p["offset"]
        elif kind == "dense":
            x = x @ p["w"] + p["b"]
        elif kind == "pool":
            n, h, w, c = x.shape
            x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
        elif kind == "mean":
            x = x.mean((1, 2))
        else:
            x = ACTIVATIONS[kind](x)
    return x


def loss(network: Network, params, x, y):
    """The loss of one task, a scalar."""
    y_hat = forward(network, params, x)
    if network.loss == "mse":
        return ((y_hat - y) ** 2).mean()
    return -jax.nn.log_softmax(y_hat)[jnp.arange(len(y)), y].mean()


def slope(network: Network, params, batch, t):
    """The gradient of the loss of task t."""
    return jax.grad(lambda p: loss(network, p, *(a[t] for a in batch)))(params)


def meta_gradient(network: Network, lr: float, steps: int, first_order: bool = False) -> dict:
    """The gradient of the sum of the tasks' query losses, each after `steps` steps."""

    def after_learning(params, t):
        adapted = params
        for _ in range(steps):
            grads = slope(network, adapted, network.tasks.support, t)
            grads = lax.stop_gradient(grads) if first_order else grads
            adapted = {name: p - lr * grads[name] for name, p in adapted.items()}
        return loss(network, adapted, *(a[t] for a in network.tasks.query))

    def total(params):
        return sum(after_learning(params, t) for t in range(len(network.tasks.support.x)))

    with jax.enable_x64(True):
        return jax.grad(total)({name: jnp.asarray(p) for name, p in network.params.items()})


def hessian_vector(network: Network, direction: dict) -> dict:
    """The Hessian of the first task's support loss, times a direction: forward over reverse."""
    with jax.enable_x64(True):
        at = {name: jnp.asarray(p) for name, p in network.params.items()}
        along = {name: jnp.asarray(v) for name, v in direction.items()}
        return jax.jvp(lambda p: slope(network, p, network.tasks.support, 0), (at,), (along,))[1]
