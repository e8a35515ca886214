"""Initial values: each scheme is a function (rng, shape) -> array.

The last two axes of a weight are in, out.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from ..core.checks import generator, is_whole, real, shown

Init = Callable[[np.random.Generator, tuple], np.ndarray]


def check(who: str, rng, shape, axes: int = 0) -> None:
    """Raise TypeError for what draws no numbers, ValueError for what is no shape.

    axes: how many it has at least; if any, no size is 0.
    """
    generator(who, rng)
    least = 1 if axes else 0
    sizes = isinstance(shape, tuple) and all(is_whole(n) and n >= least for n in shape)
    if not sizes or len(shape) < axes:
        raise ValueError(
            f"{who}: the shape must be a tuple of {axes} sizes >= {least} or more, "
            f"got {shown(shape)}"
        )


def fans(shape: tuple) -> tuple[int, int]:
    """Inputs and outputs of one unit, by the shape of its weights.

    (C, O) of a dense weight (C, O), (h w C, h w O) of a kernel (h, w, C, O).
    """
    window = prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def normal(std: float) -> Init:
    """The scheme N(0, std^2)."""
    real("normal", 0, std=std)

    def draw(rng, shape):
        check("normal", rng, shape)
        return rng.normal(0.0, std, shape).astype(np.float32)

    return draw


def truncated_normal(std: float) -> Init:
    """The scheme N(0, std^2), drawn again where it lies beyond two standard deviations."""
    real("truncated_normal", 0, std=std)

    def draw(rng, shape):
        check("truncated_normal", rng, shape)
        x = rng.normal(0.0, 1.0, shape)
        while (far := np.abs(x) > 2).any():
            x[far] = rng.normal(0.0, 1.0, int(far.sum()))
        return (std * x).astype(np.float32)

    return draw


def glorot_uniform(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """U[-a, a], a = sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, equation 16.

    shape: (.., C, O); the fans follow from it.
    """
    check("glorot_uniform", rng, shape, 2)
    bound = np.sqrt(6.0 / sum(fans(shape)))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def he_normal(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """N(0, 2 / fan_in), for ReLU: He et al. 2015, equation 10. shape: (.., C, O)."""
    check("he_normal", rng, shape, 2)
    return normal(np.sqrt(2.0 / fans(shape)[0]))(rng, shape)
