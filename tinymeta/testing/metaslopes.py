"""The two sides of a comparison of meta-gradients: <g, v>, and the slope of F along v.

g is a tree of arrays that somebody returned, F a function of parameters that returns the losses
(T,) of the tasks. The directions v are orthogonal and of one length, so that the slopes along them
are coordinates, and two gradients can be compared by their cosine.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from .differences import slope
from .report import Row


def gradient_in(result: Any, theta: Any) -> Any:
    """The tree of arrays in what meta_grad returned: the gradient, or (metrics, gradient)."""
    paths = tree.paths(theta)
    is_pair = isinstance(result, tuple) and len(result) == 2
    if is_pair and tree.paths(result) != paths:  # parameters may be a pair themselves
        result = result[1]
    if tree.paths(result) != paths:
        raise AssertionError(
            f"check_meta_grad: the gradient has the leaves {tree.paths(result)}, "
            f"the parameters {paths}"
        )
    leaves, rebuild = tree.flatten(theta)
    gradients = [np.asarray(x, np.float64) for x in tree.leaves(result)]
    for path, x, g in zip(paths, leaves, gradients):
        if g.shape != x.shape:
            raise AssertionError(
                f"check_meta_grad: the gradient of {path or 'the parameters'} has "
                f"the shape {g.shape}, the parameter {x.shape}: "
                "are the tasks' gradients summed?"
            )
    return rebuild(gradients)


def orthogonal_directions(theta: Any, n: int, rng: np.random.Generator) -> list:
    """n trees like theta, or as many as there are parameters.

    Orthogonal and of one length, so that the slopes along them are the coordinates of a gradient's
    projection, and a cosine can be computed of them.
    """
    leaves, rebuild = tree.flatten(theta)
    size = sum(x.size for x in leaves)
    gaussian = rng.normal(size=(size, min(n, size)))
    orthonormal, _ = np.linalg.qr(gaussian)
    ends = np.cumsum([x.size for x in leaves])[:-1]
    found = []
    for vector in orthonormal.T * np.sqrt(size):  # as long as a random normal one
        parts = np.split(vector, ends)
        shaped = [part.reshape(x.shape) for part, x in zip(parts, leaves)]
        found.append(rebuild(shaped))
    return found


def compare(objective: Callable, weight: float, theta: Any, g: Any, v: Any, number: int = 1) -> Row:
    """<g, v> against the slope of `weight * objective.sum()` along v."""

    def terms(t: float) -> np.ndarray:
        moved = tree.map(lambda x, d: x + t * d, theta, v)
        losses = objective(moved)
        return weight * np.asarray(losses, np.float64).ravel()

    products = tree.leaves(tree.map(np.multiply, g, v))
    parts = np.concatenate([x.ravel() for x in products])
    analytic = float(parts.sum())
    size = float(np.abs(parts).sum())
    # What is rounded: the losses, and theta, which counts by how much F changes with it.
    sensitivities = tree.leaves(tree.map(np.multiply, g, theta))
    sensitivity = sum(float(np.abs(x).sum()) for x in sensitivities)
    losses_size = float(np.abs(terms(0.0)).sum())
    numeric = slope(terms, losses_size + sensitivity)
    return Row(1, "rev", number, analytic, numeric, size)


def cosine_and_ratio(rows: tuple[Row, ...]) -> tuple[float, float]:
    """The cosine and the ratio of norms of the two gradients; two zeros count as equal."""
    analytic = np.array([row.analytic for row in rows])
    numeric = np.array([row.numeric.value for row in rows])
    a, b = np.linalg.norm(analytic), np.linalg.norm(numeric)
    if a == b == 0:
        return 1.0, 1.0
    cosine = analytic @ numeric / (a * b)
    return float(cosine), float(a / b)
