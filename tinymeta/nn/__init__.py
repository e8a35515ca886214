"""
Here     layers, models, losses and optimizers: pure functions of trees of parameters.
Imports  core ops
Never    kernels, data, a hidden state; a derivative rule.
Add one  a layer is `init(rng) -> params` and `layer(params, x)`,
         with and without a leading task axis.
Tests    tests/nn/

Shapes. Letters are used alike in all files: T tasks, N examples, H x W pixels, C channels or
features in, O out, K classes, D numbers of an embedding, P pairs. ".." stands for any number of
leading axes.

The task axis. Layers and losses work on the trailing axes and broadcast over what leads. So T, if
there is one, is the first axis of everything, and one call serves three cases:

    x (N, C),     w (C, O)      ->  (N, O)      one batch, one layer
    x (T, N, C),  w (C, O)      ->  (T, N, O)   T batches, one layer for all tasks
    x (T, N, C),  w (T, C, O)   ->  (T, N, O)   T batches, a layer of its own for each task

The third is MAML's inner loop: after a step each task has its own weights. Nothing is looped over
or vectorized by a transformation; `x @ w` is a batched product there. A parameter with fewer axes
than the activations gets axes of size 1 before its last: a bias (T, O) is added to (T, N, O) as
(T, 1, O). A loss averages over examples and keeps T: (T, N, ..) -> (T,).
"""

from . import init, losses, optim
from .layers import Conv2d, Dense, Flatten, GlobalAveragePooling, MaxPool2d, Sequential, SpatialMean
from .models import conv4, mlp
from .norms import BatchNorm, LayerNorm

__all__ = [
    "BatchNorm",
    "Conv2d",
    "Dense",
    "Flatten",
    "GlobalAveragePooling",
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
