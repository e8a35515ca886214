"""Hypothesis strategies, all in one place; and the profile to test gradients with.

Arrays, cases of a primitive, what meta-learning is made of, random differentiable programs.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings

from .. import ops
from ..core.grad import vjp
from ..core.tensor import Tensor
from .arrays import bools, broadcastable, distinct, integers, off_kinks, positive, shapes, tensors
from .cases import TABLE, register, strategy_for
from .contraction_operands import conv_cases, geometries, matmul_cases, pool_cases
from .learning import Network, episodes, networks, pairs
from .operands import Case
from .programs import programs

__all__ = [
    "TABLE",
    "Case",
    "Network",
    "bools",
    "broadcastable",
    "conv_cases",
    "distinct",
    "episodes",
    "geometries",
    "integers",
    "load_profile",
    "matmul_cases",
    "networks",
    "off_kinks",
    "pairs",
    "pool_cases",
    "positive",
    "programs",
    "register",
    "shapes",
    "strategy_for",
    "tensors",
]

settings.register_profile(
    "tinymeta",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)


def load_profile() -> None:
    """Load the hypothesis profile "tinymeta", its kernels compiled before the first example.

    The profile has no deadline, and fixed examples where the environment variable CI is set. The
    kernels come from Numba's cache in a fraction of a second, or take some seconds the first time.
    """
    _compile_kernels()
    settings.load_profile("tinymeta")


def _compile_kernels() -> None:
    """Run whatever Numba compiles once, forward and backward, for float32 and float64."""
    places = np.zeros((2, 3), np.int64)

    def windows(x: Any, w: Any) -> Tensor:
        return ops.max_pool2d(ops.conv2d(x, w))

    def take(x: Any) -> Tensor:
        return ops.take(x, places[0], axis=1)

    def take_along(x: Any) -> Tensor:
        return ops.take_along_axis(x, places, axis=0)

    for dtype in (np.float32, np.float64):
        x, w = np.ones((1, 3, 3, 1), dtype), np.ones((2, 2, 1, 1), dtype)
        calls: list[tuple[Callable, tuple]] = [
            (windows, (x, w)),
            (take, (x,)),
            (take_along, (x[0, ..., 0],)),
        ]
        for f, inputs in calls:
            y, pull = vjp(f, *inputs)
            pull(np.ones(y.shape, dtype))
