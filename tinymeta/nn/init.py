"""Initial values: a scheme is a function (rng, shape) -> float32 array.

The last two axes of a weight are inputs and outputs: (C, O) of a dense layer, (h, w, C, O) of a
convolution.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..core.checks import check_generator, check_real, is_whole, shown

Init = Callable[[np.random.Generator, tuple], np.ndarray]


def normal(std: float) -> Init:
    """The scheme N(0, std^2). Raises ValueError for a std that is negative or not finite."""
    check_real("normal", 0, std=std)

    def draw(rng, shape):
        _check_draw("normal", rng, shape)
        return rng.normal(0.0, std, shape).astype(np.float32)

    return draw


def truncated_normal(std: float) -> Init:
    """The scheme N(0, std^2), drawn again where it lies beyond two standard deviations.

    Raises ValueError for a std that is negative or not finite.
    """
    check_real("truncated_normal", 0, std=std)

    def draw(rng, shape):
        _check_draw("truncated_normal", rng, shape)
        x = rng.normal(0.0, 1.0, shape)  # in units of std: what is beyond 2 is drawn again
        beyond = np.abs(x) > 2
        while beyond.any():
            x[beyond] = rng.normal(0.0, 1.0, int(beyond.sum()))
            beyond = np.abs(x) > 2
        return (std * x).astype(np.float32)

    return draw


def glorot_uniform(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """U[-a, a], a = sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, equation 16.

    shape: (.., C, O), which the fans follow from. float32.
    """
    _check_draw("glorot_uniform", rng, shape, axes=2)
    fan_in, fan_out = _fans(shape)
    bound = np.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def he_normal(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """N(0, 2 / fan_in), for ReLU: He et al. 2015, equation 10. shape: (.., C, O); float32."""
    _check_draw("he_normal", rng, shape, axes=2)
    fan_in, _ = _fans(shape)
    draw = normal(np.sqrt(2.0 / fan_in))
    return draw(rng, shape)


def _fans(shape: tuple) -> tuple[int, int]:
    """(fan_in, fan_out): how many inputs and outputs one unit has, by the shape of the weights.

    (C, O) of a dense weight (C, O), (h w C, h w O) of a kernel (h, w, C, O).
    """
    *window, inputs, outputs = shape
    positions = prod(window)
    return positions * inputs, positions * outputs


def _check_draw(scheme: str, rng: Any, shape: Any, axes: int = 0) -> None:
    """Raise TypeError unless rng is a generator, ValueError unless shape is a tuple of sizes.

    axes: how many there must be at least; where a number is asked for, no size may be 0.
    """
    check_generator(scheme, rng)
    least = 1 if axes else 0
    are_sizes = isinstance(shape, tuple) and all(is_whole(n) and n >= least for n in shape)
    if not are_sizes or len(shape) < axes:
        raise ValueError(
            f"{scheme}: the shape must be a tuple of {axes} sizes >= {least} or more, "
            f"got {shown(shape)}"
        )
