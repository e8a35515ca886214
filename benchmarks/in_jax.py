"""The same work in JAX, compiled: tasks mapped by vmap, and one after another by lax.map.

Layouts are tinymeta's, which JAX takes as they are; parameters are a list of leaves in tinymeta's
order. The results are checked against tinymeta's, in float64, by whoever times them.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

import tinymeta as tm

from . import jax_models as models
from .jax_models import LAYOUT
from .work import Work

jax.config.update("jax_enable_x64", True)  # float32 stays float32, float64 is possible

NETS = {  # of the works that are MAML: the net and its loss
    "conv4": (models.conv4, models.cross_entropy),
    "pooled conv4": (models.pooled_conv4, models.cross_entropy),
    "dense": (models.mlp, models.cross_entropy),
    "sinusoid": (models.mlp, models.squared),
}
Loss = Callable[[list[Array], Array, Array], Array]  # of parameters, x, y


def contenders(work: Work, loops: bool) -> dict[str, Callable]:
    """JAX's ways of doing a work, by name; with `loops`, one task after another as well."""
    params = [jnp.asarray(np.asarray(leaf)) for leaf in tm.tree.leaves(work.params)]
    data = [jnp.asarray(np.asarray(leaf)) for leaf in tm.tree.leaves(work.data)]

    def contender(run: Callable, *args: object) -> Callable:
        compiled = jax.jit(run)
        return lambda: [np.asarray(array) for array in compiled(*args)]

    if work.kind in OPERATIONS:
        return {"JAX, jit": contender(OPERATIONS[work.kind], *data)}
    if work.kind == "siamese":
        return {"JAX, jit": contender(jax.grad(models.siamese), params, *data)}
    if work.kind == "prototypical":
        by_vmap = jax.grad(_mean_by_vmap(models.prototypical))
        return {"JAX, jit and vmap": contender(by_vmap, params, *data)}
    if work.kind == "learned optimizer":
        total = functools.partial(models.learned_optimizer, steps=work.steps)
        return {"JAX, jit and lax.scan": contender(jax.grad(total), params, *data)}
    forward, criterion = NETS[work.kind]

    def loss(params: list[Array], x: Array, y: Array) -> Array:
        return criterion(forward(params, x), y)

    task_loss = _loss_after_learning(loss, work.lr, work.steps)
    by_vmap = jax.grad(_mean_by_vmap(task_loss))
    by_map = jax.grad(_mean_by_map(task_loss))
    ways = {"JAX, jit and vmap": contender(by_vmap, params, *data)}
    if loops:
        ways["JAX, jit and lax.map"] = contender(by_map, params, *data)
    return ways


def _conv_and_gradients(x: Array, w: Array) -> tuple[Array, ...]:
    """The sum of squares of a convolution, and its gradients of x (N, H, W, C), w (h, w, C, O)."""

    def total(x: Array, w: Array) -> Array:
        y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=LAYOUT)
        return (y * y).sum()

    value, grads = jax.value_and_grad(total, argnums=(0, 1))(x, w)
    return value, *grads


OPERATIONS = {
    "tanh": lambda x: (jnp.tanh(x),),
    "softmax": lambda x: (jax.nn.softmax(x),),
    "variance": jax.value_and_grad(lambda x: x.var((0, 1)).sum()),
    "conv": _conv_and_gradients,
    "product": lambda x, y: (x @ y,),
    "products": lambda x, y: (x @ y,),
}


def _loss_after_learning(loss: Loss, lr: float, steps: int) -> Callable:
    """The loss of one task on its query after some steps of gradient descent on its support."""

    def task_loss(params: list[Array], x: Array, y: Array, x_query: Array, y_query: Array) -> Array:
        for _ in range(steps):
            grads = jax.grad(loss)(params, x, y)
            params = [w - lr * g for w, g in zip(params, grads)]
        return loss(params, x_query, y_query)

    return task_loss


def _mean_by_vmap(task_loss: Callable) -> Callable:
    """The mean of the losses of all tasks, which are computed at once."""
    return lambda params, *data: jax.vmap(lambda *task: task_loss(params, *task))(*data).mean()


def _mean_by_map(task_loss: Callable) -> Callable:
    """The mean of the losses of all tasks, which are computed one after another."""
    return lambda params, *data: lax.map(lambda task: task_loss(params, *task), data).mean()
