"""Random networks, each described once and run by three engines: tinymeta, PyTorch and JAX.

A network is a list of layers, (kind, options); its parameters are a flat dict of float64 arrays,
"0.w" being w of layer 0. The foreign engines see one task at a time, never a task axis: what they
compute is the textbook's loop over tasks, so the leading axis of ours is checked as well.
"""

from typing import NamedTuple

import numpy as np

import tinymeta as tm
from tinymeta import nn


class Network(NamedTuple):
    """A network, parameters for it, and the tasks it is trained on."""

    layers: list  # ("conv", stride, padding), ("norm",), ("dense",), ("pool",), ("mean",), ..
    params: dict
    tasks: tm.Tasks  # with a task axis
    loss: str  # "cross_entropy" or "mse"


def of_layer(params: dict, k: int) -> dict:
    """The parameters of layer k, by their own names."""
    return {name.split(".")[1]: p for name, p in params.items() if name.startswith(f"{k}.")}


def conv_net(seed: int, activation: str = "tanh", pool: bool = False) -> Network:
    """Two blocks of [conv, batch norm, activation] of random sizes, mean over space, linear."""
    rng = np.random.default_rng(seed)
    layers, params, inputs = [], {}, int(rng.integers(1, 3))
    channels = inputs
    for _ in range(2):
        stride = 1 if pool else int(rng.integers(1, 3))
        kernel, filters = int(rng.integers(2, 4)), int(rng.integers(2, 5))
        k = len(layers)
        layers += [("conv", stride, str(rng.choice(["same", "valid"]))), ("norm",), (activation,)]
        layers += [("pool",)] if pool else []
        params |= {
            f"{k}.w": rng.normal(size=(kernel, kernel, channels, filters)) / kernel,
            f"{k}.b": rng.normal(size=filters),
            f"{k + 1}.scale": rng.uniform(0.5, 1.5, filters),
            f"{k + 1}.offset": rng.normal(size=filters),
        }
        channels = filters
    k = len(layers) + 1
    layers += [("mean",), ("dense",)]
    params |= {f"{k}.w": rng.normal(size=(channels, 3)), f"{k}.b": rng.normal(size=3)}
    side = 10 if pool else 8

    def batch(n):
        x = rng.normal(size=(3, n, side, side + 1, inputs))
        return tm.Batch(x, rng.integers(3, size=(3, n)))

    return Network(layers, params, tm.Tasks(batch(5), batch(4)), "cross_entropy")


def dense_net(seed: int, activation: str = "softplus") -> Network:
    """A regression net of one to three hidden layers."""
    rng = np.random.default_rng(seed)
    sizes = [2, *(int(n) for n in rng.integers(3, 8, size=rng.integers(1, 4))), 2]
    layers, params = [], {}
    for n, m in zip(sizes, sizes[1:]):
        k = len(layers)
        params |= {f"{k}.w": rng.normal(size=(n, m)) / np.sqrt(n), f"{k}.b": rng.normal(size=m)}
        layers += [("dense",), (activation,)]
    x, y = rng.normal(size=(2, 2, 3, 6, 2))
    return Network(layers[:-1], params, tm.Tasks(tm.Batch(x[0], y[0]), tm.Batch(x[1], y[1])), "mse")


# ---- ours ----------------------------------------------------------------------------------------

margins = []  # the distances from relu's kink seen in a run


def relu(x):
    margins.append(np.abs(x.numpy()).min())
    return tm.relu(x)


def forward(network: Network, params, x):
    """x (.., N, H, W, C) or (.., N, D), with a task axis if params have one."""
    for k, (kind, *options) in enumerate(network.layers):
        p = of_layer(params, k)
        if kind == "conv":
            stride, padding = options
            x = nn.Conv2d(x.shape[-1], p["w"].shape[-1], stride=stride, padding=padding)(p, x)
        elif kind == "norm":
            x = nn.BatchNorm(x.shape[-1])(p, x)
        elif kind == "dense":
            x = nn.Dense(*p["w"].shape[-2:])(p, x)
        elif kind == "pool":
            x = nn.MaxPool2d(2)(None, x)
        elif kind == "mean":
            x = nn.GlobalAveragePooling()(None, x)
        else:
            x = relu(x) if kind == "relu" else getattr(tm, kind)(x)
    return x


def loss(network: Network):
    """loss(params, batch): (T,) with a task axis, else 0-d."""
    criterion = getattr(tm.losses, network.loss)
    return lambda params, batch: criterion(forward(network, params, batch.x), batch.y)
