"""Linear systems A x = b that are known by products A v alone: conjugate gradients, elimination.

In: a function v -> A v of trees, and the tree b. Out: x, a tree like b. They are made of
operations, so they can be traced, and are not meant to be differentiated: implicit.py says what
the derivative of a solution is, whoever found it.

Cost: conjugate gradients, one product a step, and as many steps as A has different eigenvalues;
elimination, n products and the factors of the matrix of n unknowns, which has to be small.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from .checkpoint import pack, unpack
from .create import zeros_like
from .elementwise import abs, sqrt, where
from .factor import lu_p, pivots, solution
from .join import stack
from .reduce import sum


def conjugate_gradient(apply_system: Callable, b: Any, steps: int) -> Any:
    """x with apply_system(x) = b, for each task: Hestenes & Stiefel 1952.

    apply_system(v) = A v is linear and symmetric, of trees (T, ..); b and x are such trees.
    With r the residual b - A x and d the direction, from x = 0 and d = r = b:

        x <- x + s d,    r <- r - s A d,    s = |r|^2 / d'A d;    d <- r + (|r new|^2 / |r|^2) d

    One product A d a step, and the exact x after as many steps as A has different eigenvalues, in
    exact arithmetic. Each task has its own s. A task stands still once its residual is rounding.
    Where the curvature d'A d is zero, as it can be if the system is singular or indefinite, there
    is no next step: ValueError; while a program is traced, where values cannot be looked at, that
    task becomes NaN.
    """
    x, residual, direction = tree.map(zeros_like, b), b, b
    square: Any = inner_product(residual, residual)  # |r|^2 (T,)
    eps = float(np.finfo(square.dtype).eps)
    solved = eps * eps * square  # |r|^2 where |r| = eps |b|
    for _ in range(steps):
        moving = square > solved
        if isinstance(moving.value, np.ndarray) and not moving.value.any():
            break  # further steps would be of length 0
        image = apply_system(direction)  # A d
        curvature = inner_product(direction, image)  # d'A d
        size = sqrt(inner_product(direction, direction) * inner_product(image, image))
        is_zero = abs(curvature) <= eps * size
        stuck = where(moving, is_zero, False)
        require(stuck, _refuse_stuck)
        # Where a task stands still, 1 is divided by and 0 is taken: the quotient could be NaN.
        quotient = square / where(moving, curvature, 1.0)
        step: Any = where(moving, quotient, 0.0)
        step = where(stuck, np.nan, step)
        x = _add_scaled(x, step, direction)
        residual = _add_scaled(residual, -step, image)
        square_before = square
        square = inner_product(residual, residual)
        ratio = square / where(moving, square_before, 1.0)
        direction = _add_scaled(residual, ratio, direction)
    return x


def inner_product(a: Any, b: Any) -> Any:
    """The inner product of two trees (T, ..), task by task: (T,)."""
    total: Any = 0
    for x, y in zip(tree.leaves(a), tree.leaves(b)):
        product = asarray(x) * y
        total = total + sum(product.reshape(len(product), -1), 1)
    return total


def _add_scaled(base: Any, scale: Any, vector: Any) -> Any:
    """base + scale vector: trees (T, ..), and a number for each task (T,)."""

    def of_leaf(v: Tensor, p: Any) -> Tensor:
        ones = [1] * (v.ndim - 1)
        return asarray(p) + scale.reshape(-1, *ones) * v

    return tree.map(of_leaf, vector, base)


def _refuse_stuck(stuck: np.ndarray) -> None:
    if stuck.any():
        raise ValueError(
            "conjugate_gradient: the curvature along a direction is 0 in "
            f"{stuck.sum()} of {len(stuck)} systems, which are singular or "
            "indefinite: regularize them (imaml: a larger strength), or come nearer to a "
            "minimum (more steps)"
        )


def eliminate(apply_system: Callable, b: Any) -> Any:
    """x with apply_system(x) = b, of one system, by the factors of its matrix (factor.py).

    The matrix is made of one product for each unknown. Raises ValueError for a singular one, where
    values are known.
    """
    leaves, rebuild = tree.flatten(b)
    right: Any = pack(leaves)
    if not right.size:
        return b
    units = [asarray(unit) for unit in np.eye(right.size, dtype=right.dtype)]
    columns = [pack(tree.leaves(apply_system(rebuild(unpack(e, leaves))))) for e in units]
    matrix = stack(columns, 1)  # (n, n)
    factors = lu_p(matrix)
    sizes: Any = abs(pivots(factors))
    least = sizes.min() / (right.size * np.finfo(right.dtype).eps)
    require(least <= abs(matrix).max(), _refuse_singular)
    found: Any = solution(factors, right[:, None])
    return rebuild(unpack(found[:, 0], leaves))


def _refuse_singular(is_zero: np.ndarray) -> None:
    if is_zero:
        raise ValueError(
            "implicit: the linear system is singular, a pivot of its matrix is 0: the solution "
            "is not unique there and has no derivative; regularize it"
        )
