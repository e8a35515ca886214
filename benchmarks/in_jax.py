"""The same work in JAX, compiled: tasks mapped by vmap, and one after another by lax.map.

Layouts are tinymeta's, which JAX takes as they are; so are the parameters, as a list of leaves.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import tinymeta as tm

from .work import Work

jax.config.update("jax_enable_x64", True)           # float32 stays float32; float64 becomes possible


def contenders(work: Work, loops: bool) -> dict[str, Callable]:
    params = [jnp.asarray(np.asarray(p)) for p in tm.tree.leaves(work.params)]
    data = [jnp.asarray(a) for batch in work.tasks for a in batch]
    forward, measure = {"conv4": (conv4, cross_entropy), "sinusoid": (mlp, squared)}[work.name]

    def loss(p, x, y):
        return measure(forward(p, x), y)

    def contender(over_tasks):
        gradient = jax.jit(jax.grad(over_tasks(after_learning(loss, work.lr, work.steps))))
        return lambda: [np.asarray(g) for g in gradient(params, *data)]

    found = {"JAX, jit and vmap": contender(by_vmap)}
    return found | {"JAX, jit and lax.map": contender(by_map)} if loops else found


def after_learning(loss, lr: float, steps: int):
    def of_task(p, x, y, x_query, y_query):
        for _ in range(steps):
            p = [w - lr * g for w, g in zip(p, jax.grad(loss)(p, x, y))]
        return loss(p, x_query, y_query)
    return of_task


def by_vmap(of_task):
    return lambda p, *data: jax.vmap(lambda *one: of_task(p, *one))(*data).mean()


def by_map(of_task):
    return lambda p, *data: lax.map(lambda one: of_task(p, *one), data).mean()


def mlp(params, x):
    for k in range(0, len(params), 2):
        bias, weight = params[k:k + 2]
        x = (jax.nn.relu(x) if k else x) @ weight + bias
    return x


def conv4(params, x):
    """x (N, 28, 28, 1); each block's leaves are bias, weight, offset, scale."""
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k:k + 4]
        x = bias + lax.conv_general_dilated(x, weight, (2, 2), "SAME",
                                            dimension_numbers=("NHWC", "HWIO", "NHWC"))
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = jax.nn.relu((x - mean) * lax.rsqrt(var + 1e-3) * scale + offset)
    bias, weight = params[16:]
    return x.mean((1, 2)) @ weight + bias


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def squared(prediction, target):
    return ((prediction - target) ** 2).mean()
