"""
Here     layers, models, losses and optimizers: pure functions of trees of parameters.
Imports  core ops
Never    kernels, data, a hidden state; a derivative rule.
Add one  a layer is `init(rng) -> params` and `layer(params, x)`,
         with and without a leading task axis.
Tests    tests/nn/
"""

from . import init, losses, optim
from .layers import Conv2d, Dense, Flatten, MaxPool2d, Sequential, SpatialMean
from .models import conv4, mlp
from .norms import BatchNorm, LayerNorm

__all__ = [
    "BatchNorm",
    "Conv2d",
    "Dense",
    "Flatten",
    "LayerNorm",
    "MaxPool2d",
    "Sequential",
    "SpatialMean",
    "conv4",
    "init",
    "losses",
    "mlp",
    "optim",
]
