"""A learned optimizer (Andrychowicz et al. 2016, equations 1 to 3): an LSTM takes the steps.

    theta_{k+1}, h_{k+1} = theta_k + scale m(grad f(theta_k), h_k; phi)      for each coordinate
    phi <- phi - beta grad_phi sum_k f(theta_k)

One small LSTM m serves all coordinates, each with a state h of its own, so that it can optimize
anything. The paper holds grad f(theta_k) constant when it differentiates by phi; exactly, that
gradient depends on theta_k, hence on phi, and its derivative is a second one. `first_order` is the
paper's, by a `stop_gradient` in `unroll`; without it the meta-gradient is exact.

Shapes: T tasks, D coordinates (all numbers of theta), H hidden units, C inputs of a cell.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .. import ops
from ..core import tree
from ..core.grad import value_and_grad
from ..core.tensor import Tensor, asarray
from ..nn.init import glorot_uniform, normal
from ..nn.optim import Optimizer
from .method import Method
from .recompute import check_remat, run_steps
from .unroll import checked_objective, step_of, unroll


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
    remat: str | None = None,
    mode: str = "reverse",
) -> Method:
    """An optimizer as a Method; tasks are Problems(start, data).

    objective(theta, data) -> (T,), of theta like `start`; steps: of an episode; truncate: the
    gradient reaches back so many steps at most (None: all); hidden, layers: the LSTM's;
    scale: multiplies its output; preprocessed: whether gradients pass `preprocess` first; remat,
    mode: what is held of the steps for the backward pass, as in `adapt`.
    `meta_grad` sums f over the steps 1 .. steps and averages over tasks; its loss is the mean over
    both. `predict(phi, problems, None)` -> f at each step, (T, 1 + steps).
    Raises ValueError if steps or truncate < 1.
    """
    if steps < 1 or truncate is not None and truncate < 1:
        raise ValueError(
            f"learned_optimizer: steps={steps} and truncate={truncate} must be at least 1"
        )
    check_remat("learned_optimizer", remat, mode)

    def init(rng):
        cells = []
        first_inputs = 2 if preprocessed else 1
        for inputs in [first_inputs, *[hidden] * (layers - 1)]:
            cell = {
                "x": glorot_uniform(rng, (inputs, 4 * hidden)),
                "h": glorot_uniform(rng, (hidden, 4 * hidden)),
                "b": np.zeros(4 * hidden, np.float32),
            }
            cells.append(cell)
        return {"cells": cells, "out": normal(0.01)(rng, (hidden, 1))}

    def meta_grad(phi, problems):
        start, data = problems

        def total_loss(phi):
            optimizer = lstm_optimizer(phi, scale=scale, preprocessed=preprocessed)
            step = step_of(optimizer, objective, data, truncate, first_order, mode)

            def step_and_loss(k, state):
                theta, memory, total = state
                values, theta, memory = step(k, theta, memory)
                if k:  # f(theta_0) does not depend on phi
                    mean = ops.mean(values)
                    total = mean if total is None else total + mean
                return theta, memory, total

            first = (start, optimizer.init(start), None)
            theta, _, total = run_steps(step_and_loss, first, steps, remat)
            last = ops.mean(checked_objective(objective, theta, data))
            return last if total is None else total + last

        total, grads = value_and_grad(total_loss)(phi)
        return {"loss": total / steps}, grads

    def predict(phi, problems, x=None):
        # Nothing is differentiated by phi, so the path is cut after each step: it needs no memory.
        optimizer = lstm_optimizer(phi, scale=scale, preprocessed=preprocessed)
        values = unroll(optimizer, objective, *problems, steps=steps, truncate=1)
        return ops.stack(list(values), 1)

    return Method(init, meta_grad, predict)


def lstm_optimizer(phi: Any, *, scale: float = 1.0, preprocessed: bool = False) -> Optimizer:
    """The optimizer whose weights are `phi`, for trees of (T, ..)."""

    def init(params):
        out = asarray(phi["out"])
        tasks, coordinates = _coordinates_shape(params)
        zeros = ops.zeros((tasks, coordinates, out.shape[0]), out.dtype)  # (T, D, H)
        return [(zeros, zeros) for _ in phi["cells"]]

    def update(grads, state, params):
        x = _flatten_coordinates(grads)  # (T, D, 1)
        if preprocessed:
            x = preprocess(x)
        new_state = []
        for cell, (h, c) in zip(phi["cells"], state):
            h, c = _lstm_cell(cell, x, h, c)
            new_state.append((h, c))
            x = h
        step = scale * (x @ phi["out"])  # (T, D, 1)
        steps = _unflatten_coordinates(step, params)
        return tree.map(lambda p, s: asarray(p) + s, params, steps), new_state

    return Optimizer(init, update)


def preprocess(g: Any, p: float = 10.0) -> Tensor:
    """Gradients (.., 1) of any size as (.., 2) inputs near one: (log|g| / p, sign g), or
    (-1, e^p g) where |g| < e^-p (appendix A of the paper)."""
    size: Any = ops.abs(g)
    large = size >= float(np.exp(-p))
    # The logarithm is taken of 1 where it is not used: of 0 its derivative would be infinite.
    safe = ops.where(large, size, ops.ones_like(size))
    scaled_log = ops.log(safe) / p
    one: Any = ops.ones_like(size)
    magnitude = ops.where(large, scaled_log, -one)
    direction = ops.where(large, ops.sign(g), float(np.exp(p)) * g)
    return ops.concatenate([magnitude, direction], -1)


def _lstm_cell(cell: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """(h, c) (.., D, H) after the input x (.., D, C): Hochreiter & Schmidhuber 1997.

    With a forget gate (Gers, Schmidhuber & Cummins 2000), whose bias begins at 1.
    """
    size = h.shape[-1]
    z = x @ cell["x"] + h @ cell["h"] + cell["b"]  # (.., D, 4 H)
    input_gate = z[..., :size]
    forget_gate = z[..., size : 2 * size]
    output_gate = z[..., 2 * size : 3 * size]
    candidate = z[..., 3 * size : 4 * size]
    c = ops.sigmoid(forget_gate + 1.0) * c + ops.sigmoid(input_gate) * ops.tanh(candidate)
    return ops.sigmoid(output_gate) * ops.tanh(c), c


def _coordinates_shape(params: Any) -> tuple[int, int]:
    """(T, D): tasks, and numbers in the tree for each."""
    shapes = [asarray(leaf).shape for leaf in tree.leaves(params)]
    tasks = shapes[0][0]
    return tasks, sum(prod(shape[1:]) for shape in shapes)


def _flatten_coordinates(params: Any) -> Tensor:
    """A tree of (T, ..) as (T, D, 1), leaf after leaf."""
    leaves: list[Any] = [asarray(leaf) for leaf in tree.leaves(params)]
    flat = [leaf.reshape(len(leaf), -1, 1) for leaf in leaves]
    return ops.concatenate(flat, 1)


def _unflatten_coordinates(flat: Any, like: Any) -> Any:
    """(T, D, 1) as a tree like `like`."""
    leaves, rebuild = tree.flatten(like)
    parts = []
    start = 0
    for leaf in leaves:
        shape = asarray(leaf).shape
        end = start + prod(shape[1:])
        parts.append(flat[:, start:end, 0].reshape(shape))
        start = end
    return rebuild(parts)
