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

LAYOUT = "NHWC", "HWIO", "NHWC"  # of images, kernels, results
jax.config.update("jax_enable_x64", True)  # float32 stays float32, float64 is possible


def contenders(work: Work, loops: bool) -> dict[str, Callable]:
    params = [jnp.asarray(np.asarray(p)) for p in tm.tree.leaves(work.params)]
    data = [jnp.asarray(np.asarray(a)) for a in tm.tree.leaves(work.data)]

    def contender(run, *args):
        run = jax.jit(run)
        return lambda: [np.asarray(y) for y in run(*args)]

    if work.kind in OPERATIONS:
        return {"JAX, jit": contender(OPERATIONS[work.kind], *data)}
    if work.kind == "siamese":
        return {"JAX, jit": contender(jax.grad(siamese), params, *data)}
    forward, measure = {"conv4": (conv4, cross_entropy), "sinusoid": (mlp, squared)}[work.kind]

    def loss(p, x, y):
        return measure(forward(p, x), y)

    def mapped(over_tasks):
        return contender(
            jax.grad(over_tasks(after_learning(loss, work.lr, work.steps))), params, *data
        )

    found = {"JAX, jit and vmap": mapped(by_vmap)}
    return found | {"JAX, jit and lax.map": mapped(by_map)} if loops else found


def conv_and_gradients(x, w):
    def total(x, w):
        y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=LAYOUT)
        return (y * y).sum()

    value, grads = jax.value_and_grad(total, argnums=(0, 1))(x, w)
    return value, *grads


OPERATIONS = {
    "tanh": lambda x: (jnp.tanh(x),),
    "softmax": lambda x: (jax.nn.softmax(x),),
    "variance": jax.value_and_grad(lambda x: x.var((0, 1)).sum()),
    "conv": conv_and_gradients,
    "product": lambda x, y: (x @ y,),
    "products": lambda x, y: (x @ y,),
}


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
        bias, weight = params[k : k + 2]
        x = (jax.nn.relu(x) if k else x) @ weight + bias
    return x


def conv4(params, x):
    """x (N, 28, 28, 1); each block's leaves are bias, weight, offset, scale."""
    bias, weight = params[16:]
    return embedded(params, x) @ weight + bias


def embedded(params, x):
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k : k + 4]
        x = bias + lax.conv_general_dilated(x, weight, (2, 2), "SAME", dimension_numbers=LAYOUT)
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = jax.nn.relu((x - mean) * lax.rsqrt(var + 1e-3) * scale + offset)
    return x.mean((1, 2))


def siamese(params, a, b, different):
    apart = embedded(params, jnp.concatenate([a, b])).reshape(2, len(a), -1)
    squared = ((apart[0] - apart[1]) ** 2).sum(-1)
    hinge = jax.nn.relu(1 - jnp.sqrt(squared))
    return jnp.where(different, hinge**2, squared).mean()


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def squared(prediction, target):
    return ((prediction - target) ** 2).mean()
