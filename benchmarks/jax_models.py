"""The nets and losses of the works in JAX, of parameters as a list in tinymeta's order."""

import jax
import jax.numpy as jnp
from jax import Array, lax

from .work import TRUNCATE

LAYOUT = "NHWC", "HWIO", "NHWC"  # of images, kernels, results
Params = list[Array]


def mlp(params: Params, x: Array) -> Array:
    """Dense layers with ReLU between them; each one's leaves are bias, weight."""
    for k in range(0, len(params), 2):
        bias, weight = params[k : k + 2]
        if k:
            x = jax.nn.relu(x)
        x = x @ weight + bias
    return x


def conv4(params: Params, x: Array) -> Array:
    """Logits (N, 5) of x (N, 28, 28, 1)."""
    bias, weight = params[16:]
    return _embed(params, x) @ weight + bias


def _embed(params: Params, x: Array) -> Array:
    """Four blocks of x (N, 28, 28, 1), then the mean over places; a block's leaves are bias,
    weight, offset, scale."""
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k : k + 4]
        x = lax.conv_general_dilated(x, weight, (2, 2), "SAME", dimension_numbers=LAYOUT)
        x = bias + x
        x = jax.nn.relu(_normalize(x, offset, scale))
    return x.mean((1, 2))


def pooled_conv4(params: Params, x: Array) -> Array:
    """Logits (N, 5) of x (N, 84, 84, 3)."""
    bias, weight = params[16:]
    return _embed_pooled(params, x) @ weight + bias


def _embed_pooled(params: Params, x: Array) -> Array:
    """Four blocks of x (N, H, W, C) with max pooling -> all of the last map."""
    window = (1, 2, 2, 1)
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k : k + 4]
        x = bias + lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=LAYOUT)
        x = jax.nn.relu(_normalize(x, offset, scale))
        x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    return x.reshape(len(x), -1)


def _normalize(x: Array, offset: Array, scale: Array) -> Array:
    """Batch norm of x (N, H, W, C) by its own mean and variance; offset, scale (C,)."""
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * lax.rsqrt(var + 1e-3) * scale + offset


def prototypical(params: Params, x: Array, y: Array, x_query: Array, y_query: Array) -> Array:
    """The loss of one task: images x (N, 28, 28, 1), labels y (N,), N of which are classes."""
    support, query = _embed_pooled(params, x), _embed_pooled(params, x_query)
    member = jax.nn.one_hot(y, len(x), dtype=support.dtype)  # (N, K)
    means = member.T @ support / member.sum(0)[:, None]  # (K, D)
    squared = ((query[:, None] - means) ** 2).sum(-1)  # (Q, K)
    return cross_entropy(-squared, y_query)


def learned_optimizer(params: Params, start: Array, w: Array, y: Array, steps: int) -> Array:
    """The sum over steps of the mean of |W theta - y|^2, as the LSTM's steps change theta.

    start, y (T, D), w (T, D, D). The gradients that the LSTM sees are constants, and so is all
    that lies TRUNCATE steps back. The steps are a `lax.scan`, as unrolled they
    would take minutes to compile.
    """
    *cells, out = params

    def squares(theta: Array) -> Array:  # of each problem (T,)
        return (((w @ theta[..., None])[..., 0] - y) ** 2).sum(-1)

    def step(carry: tuple, k: Array) -> tuple:
        cut = (k > 0) & (k % TRUNCATE == 0)
        theta, states = jax.tree.map(lambda a: jnp.where(cut, lax.stop_gradient(a), a), carry)
        x = lax.stop_gradient(jax.grad(lambda theta: squares(theta).sum())(theta))[..., None]
        new_states = []
        for (bias, hidden_weight, weight), (h, c) in zip((cells[:3], cells[3:]), states):
            gates = x @ weight + h @ hidden_weight + bias
            put, forget, show, candidate = jnp.split(gates, 4, -1)
            c = jax.nn.sigmoid(forget + 1) * c + jax.nn.sigmoid(put) * jnp.tanh(candidate)
            x = jax.nn.sigmoid(show) * jnp.tanh(c)
            new_states.append((x, c))
        theta = theta + (x @ out)[..., 0]
        return (theta, new_states), squares(theta).mean()

    zeros = jnp.zeros((*start.shape, len(out)), start.dtype)
    _, losses = lax.scan(step, (start, [(zeros, zeros)] * 2), jnp.arange(steps))
    return losses.sum()


def siamese(params: Params, a: Array, b: Array, different: Array) -> Array:
    """The contrastive loss of pairs of images a, b (P, 28, 28, 1)."""
    first, second = _embed(params, jnp.concatenate([a, b])).reshape(2, len(a), -1)
    square = ((first - second) ** 2).sum(-1)  # (P,), of the distance
    hinge = jax.nn.relu(1 - jnp.sqrt(square))
    return jnp.where(different, hinge**2, square).mean()


def cross_entropy(logits: Array, labels: Array) -> Array:
    """The mean over examples of -log p of their label."""
    log_p = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(log_p, labels[:, None], 1).mean()


def squared(prediction: Array, target: Array) -> Array:
    """The mean squared error."""
    return ((prediction - target) ** 2).mean()
