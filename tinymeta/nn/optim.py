"""Optimizers as pairs of functions.

They are `init(params) -> state` and `update(grads, state, params) -> (params, state)`, pure
functions of trees that are made of operations; nothing is changed in place. So an update can be
differentiated, the learning rate included: `lr` is a number, an array or tensor, or a tree of them
like the parameters. Adam, which counts its updates, takes a schedule, too: a function of that
count. Parameters keep their dtype.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..core import tree
from ..core.checks import check_flag, check_whole
from ..core.tensor import Tensor, asarray

__all__ = ["AdamState", "Optimizer", "adam", "cosine", "momentum", "sgd"]


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(grads, state, params) -> (params, state)`, of trees.

    elementwise: the update of an element depends on that element of the gradient, of the parameters
    and of those parts of the state that are trees like them, and on the other parts, which depend
    on none; so parts of the parameters can be updated apart.
    """

    init: Callable
    update: Callable
    elementwise: bool = False


class AdamState(NamedTuple):
    """The state of Adam: the count of its updates, the running mean of g and of its square."""

    # A 0-d float64 tensor: so a device can keep it, and 1 - 0.999^count stays exact.
    count: Tensor  # type: ignore[assignment]  # tuple has a method of this name
    mean: Any  # running mean of the gradient, a tree like params
    square: Any  # running mean of its square, a tree like params


def sgd(lr: Any) -> Optimizer:
    """Gradient descent: theta <- theta - lr g.

    lr: a number, an array or tensor, or a tree of them like the parameters.
    """

    def init(params):
        return None

    def update(grads, state, params):
        def step(p, g, rate):
            return asarray(p) - rate * g

        return tree.map(step, params, grads, rate_tree(lr, params)), state

    return Optimizer(init, update, _is_one_rate(lr))


def momentum(lr: Any, beta: float = 0.9, nesterov: bool = False) -> Optimizer:
    """Heavy ball: v <- beta v + g;  theta <- theta - lr v  (Polyak 1964).

    nesterov: theta <- theta - lr (g + beta v), the step that looks ahead (Sutskever et al. 2013).
    lr: as that of `sgd`.
    """
    check_flag("momentum", nesterov=nesterov)

    def update(grads, velocity, params):
        velocity = tree.map(lambda v, g: beta * v + g, velocity, grads)
        direction = velocity
        if nesterov:
            direction = tree.map(lambda v, g: g + beta * v, velocity, grads)

        def step(p, d, rate):
            return asarray(p) - rate * d

        return tree.map(step, params, direction, rate_tree(lr, params)), velocity

    return Optimizer(_zeros_like, update, _is_one_rate(lr))


def adam(lr: Any, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """theta <- theta - lr m / (sqrt(s) + eps), by running means m of g and s of g^2, unbiased.

    m <- beta1 m + (1 - beta1) g,  s <- beta2 s + (1 - beta2) g^2, both zero at first; after t
    updates they are divided by 1 - beta1^t and 1 - beta2^t (Kingma & Ba 2015, algorithm 1).
    lr: as that of `sgd`, or a schedule such as `cosine`, called with t from 1 on.
    At g = 0 the first step is 0 and its slope -lr / eps (sqrt'(0) := 0).
    """
    scheduled = callable(lr)

    def init(params):
        return AdamState(asarray(np.zeros(())), _zeros_like(params), _zeros_like(params))

    def update(grads, state, params):
        def mean_of(m, g):
            return beta1 * m + (1.0 - beta1) * g

        def square_of(s, g):
            return beta2 * s + (1.0 - beta2) * ops.square(g)

        count = state.count + 1.0
        mean = tree.map(mean_of, state.mean, grads)
        square = tree.map(square_of, state.square, grads)
        lr_now = lr(count) if scheduled else lr
        correction1 = _one_minus_power(beta1, count)
        correction2 = _one_minus_power(beta2, count)

        def step(p, m, s, rate):
            p = asarray(p)
            denominator = ops.sqrt(s / ops.astype(correction2, p.dtype)) + eps
            if scheduled:  # computed from the count, in float64
                rate = ops.astype(rate, p.dtype)
            numerator = rate * (m / ops.astype(correction1, p.dtype))
            return p - numerator / denominator

        params = tree.map(step, params, mean, square, rate_tree(lr_now, params))
        return params, AdamState(count, mean, square)

    return Optimizer(init, update, scheduled or _is_one_rate(lr))


def cosine(lr: float, updates: int, least: float = 0.0) -> Callable:
    """A schedule for Adam: from `lr` down to `least` over so many updates, along half a cosine.

    least + (lr - least) (1 + cos(pi k / updates)) / 2 for the update after k others, `least` from
    k = updates on: Loshchilov & Hutter 2017, equation 5, without restarts.
    Raises ValueError if updates < 1.
    """
    (updates,) = check_whole("cosine", 0, updates=updates)
    if updates < 1:
        raise ValueError(f"cosine: a schedule needs at least 1 update, got {updates}")

    def rate(count):
        progress = ops.minimum((count - 1.0) / updates, 1.0)  # from 0 to 1
        return least + 0.5 * (lr - least) * (1.0 + ops.cos(float(np.pi) * progress))

    return rate


def rate_tree(lr: Any, params: Any) -> Any:
    """`lr` as a tree like `params`: as it is if it is a tree, else the same rate at every leaf."""
    if tree.children(lr) is not None:
        return lr
    return tree.map(lambda p: lr, params)


def _is_one_rate(lr: Any) -> bool:
    """Whether one number is the rate of all elements."""
    return tree.children(lr) is None and getattr(lr, "ndim", 0) == 0


def _zeros_like(params: Any) -> Any:
    return tree.map(ops.zeros_like, params)


def _one_minus_power(beta: float, count: Any) -> Any:
    """1 - beta^count, without the cancellation where beta^count is near 1."""
    exponent: Any = ops.expm1(count * float(np.log(beta)))
    return -exponent
