"""A learned optimizer (Andrychowicz et al. 2016, equations 1 to 3): an LSTM takes the steps.

    theta_{k+1}, h_{k+1} = theta_k + scale m(grad f(theta_k), h_k; phi)      for each coordinate
    phi <- phi - beta grad_phi sum_k f(theta_k)

One small LSTM m serves all coordinates, each with a state h of its own, so that it can optimize
anything. The paper holds grad f(theta_k) constant when it differentiates by phi; exactly, that
gradient depends on theta_k, hence on phi, and its derivative is a second one. `first_order` is the
paper's, a `stop_gradient` one can see; without it the meta-gradient is exact.
"""

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from .. import ops
from ..core import tree
from ..core.grad import stop_gradient, value_and_grad
from ..core.tensor import asarray
from ..nn.init import glorot_uniform, normal
from ..nn.optim import Optimizer
from .adapt import count_tasks
from .method import Method


def learned_optimizer(
    objective: Callable,
    *,
    steps: int = 100,
    truncate: int | None = 20,
    hidden: int = 20,
    layers: int = 2,
    scale: float = 1.0,
    preprocessed: bool = False,
    first_order: bool = True,
) -> Method:
    """An optimizer as a Method; tasks are Problems(start, data).

    objective(theta, data) -> (T,), of theta like `start`; steps: of an episode; truncate: the
    gradient reaches back so many steps at most (None: all); hidden, layers: the LSTM's.
    `meta_grad` sums f over the steps 1 .. steps and averages over tasks; its loss is the mean over
    both. `predict(phi, problems, None)` -> f at each step, (T, 1 + steps).
    Raises ValueError if steps or truncate < 1.
    """
    if steps < 1 or truncate is not None and truncate < 1:
        raise ValueError(
            f"learned_optimizer: steps={steps} and truncate={truncate} must be at least 1"
        )

    def init(rng):
        sizes = [(2 if preprocessed else 1, hidden), *[(hidden, hidden)] * (layers - 1)]
        cells = [
            {
                "x": glorot_uniform(rng, (n, 4 * m)),
                "h": glorot_uniform(rng, (m, 4 * m)),
                "b": np.zeros(4 * m, np.float32),
            }
            for n, m in sizes
        ]
        return {"cells": cells, "out": normal(0.01)(rng, (hidden, 1))}

    def along(phi, problems, truncate, first_order):
        optimizer = lstm_optimizer(phi, scale=scale, preprocessed=preprocessed)
        return unroll(
            optimizer, objective, *problems, steps=steps, truncate=truncate, first_order=first_order
        )

    def meta_grad(phi, problems):
        def total(phi):
            _, *values = along(phi, problems, truncate, first_order)
            return sum(ops.mean(value) for value in values)

        value, grads = value_and_grad(total)(phi)
        return {"loss": value / steps}, grads

    def predict(phi, problems, x=None):
        return ops.stack(list(along(phi, problems, 1, True)), 1)

    return Method(init, meta_grad, predict)


def unroll(
    optimizer: Optimizer,
    objective: Callable,
    theta,
    data,
    *,
    steps: int,
    truncate: int | None = None,
    first_order: bool = True,
) -> Iterator:
    """f (T,) at theta_0, theta_1 .. theta_steps, where any optimizer takes the steps.

    After every `truncate` steps the path is cut: later values are not differentiated through it.
    Raises ValueError for an objective of another shape.
    """

    def total(theta):
        values, tasks = asarray(objective(theta, data)), count_tasks(theta)  # (T,)
        if values.shape != (tasks,):
            raise ValueError(
                f"unroll: the objective has the shape {values.shape} and must have "
                f"({tasks},), one number for each task"
            )
        return values.sum(), values

    state = optimizer.init(theta)
    for k in range(steps + 1):
        (_, values), g = value_and_grad(total, has_aux=True)(theta)
        yield values
        if k == steps:
            return
        g = stop_gradient(g) if first_order else g
        if truncate and k and k % truncate == 0:
            theta, state, g = stop_gradient((theta, state, g))
        theta, state = optimizer.update(g, state, theta)


def lstm_optimizer(phi, *, scale: float = 1.0, preprocessed: bool = False) -> Optimizer:
    """The optimizer that the weights `phi` are, for trees of (T, ..)."""

    def init(params):
        out = asarray(phi["out"])
        none = ops.zeros((*shape_of_coordinates(params), out.shape[0]), out.dtype)  # (T, D, H)
        return [(none, none) for _ in phi["cells"]]

    def update(grads, state, params):
        x = coordinates(grads)  # (T, D, 1)
        x = preprocess(x) if preprocessed else x
        new = []
        for cell, (h, c) in zip(phi["cells"], state):
            x, c = lstm(cell, x, h, c)
            new.append((x, c))
        step = scale * (x @ phi["out"])  # (T, D, 1)
        return tree.map(lambda p, s: asarray(p) + s, params, as_tree(step, params)), new

    return Optimizer(init, update)


def lstm(cell, x, h, c):
    """(h, c) (.., D, H) after the input x (.., D, C) (Hochreiter & Schmidhuber 1997, with a forget
    gate)."""
    size = h.shape[-1]
    z = x @ cell["x"] + h @ cell["h"] + cell["b"]  # (.., D, 4 H)
    into, forget, out, new = (z[..., k * size : (k + 1) * size] for k in range(4))
    c = ops.sigmoid(forget + 1.0) * c + ops.sigmoid(into) * ops.tanh(new)
    return ops.sigmoid(out) * ops.tanh(c), c


def preprocess(g, p: float = 10.0):
    """Gradients (.., 1) of any size as (.., 2) inputs near one: (log|g| / p, sign g), or
    (-1, e^p g) where |g| < e^-p (appendix A of the paper)."""
    size = ops.abs(g)
    large = size >= float(np.exp(-p))
    safe = ops.where(large, size, ops.ones_like(size))
    return ops.concatenate(
        [
            ops.where(large, ops.log(safe) / p, -ops.ones_like(size)),
            ops.where(large, ops.sign(g), float(np.exp(p)) * g),
        ],
        -1,
    )


def shape_of_coordinates(params) -> tuple[int, int]:
    """(T, D): tasks, and numbers in the tree for each."""
    shapes = [asarray(leaf).shape for leaf in tree.leaves(params)]
    return shapes[0][0], sum(prod(shape[1:]) for shape in shapes)


def coordinates(params):
    """A tree of (T, ..) as (T, D, 1), leaf after leaf."""
    flat = [asarray(leaf).reshape(len(leaf), -1, 1) for leaf in tree.leaves(params)]
    return ops.concatenate(flat, 1)


def as_tree(flat, like):
    """(T, D, 1) cut into a tree like `like`."""
    leaves, rebuild = tree.flatten(like)
    ends = np.cumsum([prod(asarray(leaf).shape[1:]) for leaf in leaves]).tolist()
    return rebuild(
        [
            flat[:, lo:hi, 0].reshape(asarray(leaf).shape)
            for leaf, lo, hi in zip(leaves, [0, *ends], ends)
        ]
    )
