"""Optimizers as pairs of functions.

They are `init(params) -> state` and `update(grads, state, params) -> (params, state)`.
They are made of operations on trees, so an update can be differentiated, the learning rate
included: `lr` is a number, an array or tensor, or a tree of them like the parameters. Adam, which
counts its updates, takes a schedule, too: a function of that count.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import ops
from ..core import tree
from ..core.checks import flag, whole
from ..core.tensor import Tensor, asarray

__all__ = ["AdamState", "Optimizer", "adam", "cosine", "momentum", "sgd"]


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(grads, state, params) -> (params, state)`, of trees."""

    init: Callable
    update: Callable


class AdamState(NamedTuple):
    """What Adam remembers: the count of its updates, the running mean of g and of its square."""

    count: Tensor  # updates done, as a 0-d float64: a device can keep it,
    # and 1 - 0.999^count stays exact
    mean: object  # running mean of the gradient, a tree like params
    square: object  # running mean of its square


def rates(lr, params):
    """`lr` as a tree like `params`."""
    return tree.map(lambda p: lr, params) if tree.children(lr) is None else lr


def zeros_of(params):
    return tree.map(ops.zeros_like, params)


def sgd(lr) -> Optimizer:
    """Gradient descent: theta <- theta - lr g.

    lr: a number, an array or tensor, or a tree of them like the parameters.
    """

    def update(grads, state, params):
        return tree.map(lambda p, g, a: asarray(p) - a * g, params, grads, rates(lr, params)), state

    return Optimizer(lambda params: None, update)


def momentum(lr, beta: float = 0.9, nesterov: bool = False) -> Optimizer:
    """Heavy ball: v <- beta v + g;  theta <- theta - lr v  (Polyak 1964).

    nesterov: theta <- theta - lr (g + beta v), the step that looks ahead (Sutskever et al. 2013).
    """
    flag("momentum", nesterov=nesterov)

    def update(grads, velocity, params):
        velocity = tree.map(lambda v, g: beta * v + g, velocity, grads)
        ahead = tree.map(lambda v, g: g + beta * v, velocity, grads) if nesterov else velocity
        params = tree.map(lambda p, v, a: asarray(p) - a * v, params, ahead, rates(lr, params))
        return params, velocity

    return Optimizer(zeros_of, update)


def cosine(lr: float, updates: int, least: float = 0.0) -> Callable:
    """A schedule for Adam: from `lr` down to `least` over so many updates, along half a cosine.

    Loshchilov & Hutter 2017, equation 5, without restarts. Raises ValueError if updates < 1.
    """
    whole("cosine", 0, updates=updates)
    if updates < 1:
        raise ValueError(f"cosine: a schedule needs at least 1 update, got {updates}")

    def at(count):
        done = ops.minimum((count - 1.0) / updates, 1.0)
        return least + 0.5 * (lr - least) * (1.0 + ops.cos(float(np.pi) * done))

    return at


def adam(lr, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """theta <- theta - lr m / (sqrt(s) + eps), by running means m of g and s of g^2, unbiased.

    Kingma & Ba 2015, algorithm 1. lr: as that of `sgd`, or a schedule such as `cosine`.
    At g = 0 the first step is 0 and its slope -lr / eps (sqrt'(0) := 0).
    """

    def init(params):
        return AdamState(asarray(np.zeros(())), zeros_of(params), zeros_of(params))

    def update(grads, state, params):
        count = state.count + 1.0
        mean = tree.map(lambda m, g: beta1 * m + (1.0 - beta1) * g, state.mean, grads)
        square = tree.map(
            lambda s, g: beta2 * s + (1.0 - beta2) * ops.square(g), state.square, grads
        )
        rate = lr(count) if callable(lr) else lr
        left1, left2 = (-ops.expm1(count * float(np.log(beta))) for beta in (beta1, beta2))

        def step(p, m, s, a):
            p = asarray(p)
            unbiased = ops.sqrt(s / ops.astype(left2, p.dtype)) + eps
            a = ops.astype(a, p.dtype) if callable(lr) else a
            return p - a * (m / ops.astype(left1, p.dtype)) / unbiased

        params = tree.map(step, params, mean, square, rates(rate, params))
        return params, AdamState(count, mean, square)

    return Optimizer(init, update)
