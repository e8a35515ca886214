"""Initial values: each scheme is a function (rng, shape) -> array.

The last two axes of a weight are in, out.
"""

from collections.abc import Callable
from math import prod

import numpy as np

Init = Callable[[np.random.Generator, tuple], np.ndarray]


def fans(shape: tuple) -> tuple[int, int]:
    """Inputs and outputs of one unit, by the shape of its weights.

    (C, O) of a dense weight (C, O), (h w C, h w O) of a kernel (h, w, C, O).
    """
    window = prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def normal(std: float) -> Init:
    """The scheme N(0, std^2)."""
    return lambda rng, shape: rng.normal(0.0, std, shape).astype(np.float32)


def truncated_normal(std: float) -> Init:
    """The scheme N(0, std^2), drawn again where it lies beyond two standard deviations."""
    def draw(rng, shape):
        x = rng.normal(0.0, 1.0, shape)
        while (far := np.abs(x) > 2).any():
            x[far] = rng.normal(0.0, 1.0, int(far.sum()))
        return (std * x).astype(np.float32)
    return draw


def glorot_uniform(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """U[-a, a], a = sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, equation 16.

    shape: (.., C, O); the fans follow from it.
    """
    bound = np.sqrt(6.0 / sum(fans(shape)))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def he_normal(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """N(0, 2 / fan_in), for ReLU: He et al. 2015, equation 10. shape: (.., C, O)."""
    return normal(np.sqrt(2.0 / fans(shape)[0]))(rng, shape)
