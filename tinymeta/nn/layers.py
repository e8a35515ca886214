"""Layers: `init(rng)` makes parameters without a task axis, `layer(params, x)` applies them.

Everything works on trailing axes, so a task axis rides along: x (T, N, ..) with parameters (T, ..)
gives every task its own layer, x (T, N, ..) with parameters (..) one layer for all, x (N, ..) is a
plain batch. Parameters align by inserting axes: a bias (T, O) is b[..., None, :] beside (T, N, O).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from .. import ops
from ..core.checks import function, one_of, shown
from ..core.grad import stop_gradient
from ..core.naming import speaking
from ..core.tensor import Tensor, asarray
from ..ops.pool import as_image
from .fields import check_fields, params_of
from .init import glorot_uniform


def beside(p: Tensor, spatial: int) -> Tensor:
    """A parameter (.., C), aligned with activations.

    These are (.., N, H, W, C) or, for spatial = 0, (.., N, C).
    """
    return asarray(p)[(..., *[None] * (1 + spatial), slice(None))]


def zeros(n: int) -> np.ndarray:
    return np.zeros(n, np.float32)


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)


@dataclass(frozen=True)
class Dense:
    """y = x w + b:  x (.., N, C), w (.., C, O), b (.., O) -> (.., N, O).

    C: inputs, O: outputs. bias: whether there is a b. scheme: draws w, as those of `nn.init`.
    """
    inputs: int
    outputs: int
    bias: bool = True
    scheme: Callable = glorot_uniform

    __post_init__ = check_fields

    def init(self, rng):
        """{"w": (C, O), "b": (O,)}, float32; b begins at zero."""
        w = self.scheme(rng, (self.inputs, self.outputs))
        return {"w": w, "b": zeros(self.outputs)} if self.bias else {"w": w}

    def __call__(self, params, x):
        x = asarray(x)
        if x.ndim < 2 or x.shape[-1] != self.inputs:
            raise ValueError(f"Dense({self.inputs}, {self.outputs}) needs x "
                             f"(.., N, {self.inputs}), got {x.shape}")
        w, *b = params_of("Dense", params, "w", *["b"] * self.bias)
        y = x @ w                                                               # (.., N, O)
        return y + beside(b[0], 0) if b else y


@dataclass(frozen=True)
class Conv2d:
    """2-D convolution; see ops.conv2d.

    x (.., N, H, W, C), w (.., h, w, C, O), b (.., O) -> (.., N, H', W', O).
    C: inputs, O: outputs, h = w: kernel. bias, scheme: as those of `Dense`.
    """
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: object = "same"
    bias: bool = True
    scheme: Callable = glorot_uniform

    __post_init__ = check_fields

    def init(self, rng):
        """{"w": (h, w, C, O), "b": (O,)}, float32; b begins at zero."""
        w = self.scheme(rng, (self.kernel, self.kernel, self.inputs, self.outputs))
        return {"w": w, "b": zeros(self.outputs)} if self.bias else {"w": w}

    def __call__(self, params, x):
        w, *b = params_of("Conv2d", params, "w", *["b"] * self.bias)
        y = ops.conv2d(x, w, stride=self.stride, padding=self.padding)          # (.., N, H', W', O)
        return y + beside(b[0], 2) if b else y


@dataclass(frozen=True)
class BatchNorm:
    """(x - mean) / sqrt(var + eps) * scale + offset, per channel and per task.

    Ioffe & Szegedy 2015, algorithm 1.
    x is (.., N, H, W, C) for spatial = 2, (.., N, C) for spatial = 0.
    mode "batch": mean and variance are those of the batch at hand, in training and in test, and lie
    inside the derivative, as in MAML: a query batch is normalised together.
    mode "frozen": they are constants in `params`, measured once by `freeze`; examples then do not
    meet.
    """
    channels: int
    spatial: int = 2
    mode: str = "batch"
    scale: bool = True
    eps: float = 1e-3

    def __post_init__(self):
        check_fields(self)
        one_of("BatchNorm", ("batch", "frozen"), mode=self.mode)

    def init(self, rng):
        """{"offset", "scale"}, and "mean", "var" of a frozen one: each (C,), float32."""
        params = {"offset": zeros(self.channels)}
        if self.scale:
            params["scale"] = ones(self.channels)
        if self.mode == "frozen":
            params |= {"mean": zeros(self.channels), "var": ones(self.channels)}
        return params

    def moments(self, x):
        """Mean and variance of a batch, each (.., 1, 1, 1, C), or (.., 1, C)."""
        axes = tuple(range(-2 - self.spatial, -1))
        mean = ops.mean(x, axes, keepdims=True)
        return mean, ops.mean(ops.square(x - mean), axes, keepdims=True)

    def __call__(self, params, x):
        self.check(params, x := asarray(x))
        if self.mode == "batch":
            mean, var = self.moments(x)
        else:
            mean, var = (beside(stop_gradient(params[name]), self.spatial)
                         for name in ("mean", "var"))
        slope = ops.rsqrt(var + self.eps)
        if self.scale:
            slope = slope * beside(params["scale"], self.spatial)
        return (x - mean) * slope + beside(params["offset"], self.spatial)

    def check(self, params, x):
        """Raise ValueError for x of another shape, TypeError for another tree of parameters."""
        if x.ndim < 2 + self.spatial or x.shape[-1] != self.channels:
            shape = "(.., N, H, W, C)" if self.spatial else "(.., N, C)"
            raise ValueError(f"BatchNorm({self.channels}) needs x {shape} "
                             f"with C = {self.channels}, got {x.shape}")
        moments = ["mean", "var"] * (self.mode == "frozen")
        params_of("BatchNorm", params, "offset", *["scale"] * self.scale, *moments)

    def freeze(self, params, x):
        """The frozen layer, and the parameters with the moments of the batch `x` in them."""
        self.check(params, x := asarray(x))
        moments = [m.reshape(*m.shape[:-2 - self.spatial], self.channels)
                   for m in map(stop_gradient, self.moments(x))]
        return replace(self, mode="frozen"), dict(params, mean=moments[0], var=moments[1])


@dataclass(frozen=True)
class LayerNorm:
    """(x - mean) / sqrt(var + eps) * scale + offset, over the features of each example.

    x (.., N, D), D: features (Ba et al. 2016).
    """
    features: int
    eps: float = 1e-5

    __post_init__ = check_fields

    def init(self, rng):
        """{"scale": (D,), "offset": (D,)}, float32: ones and zeros."""
        return {"scale": ones(self.features), "offset": zeros(self.features)}

    def __call__(self, params, x):
        x = asarray(x)
        if x.ndim < 2 or x.shape[-1] != self.features:
            raise ValueError(f"LayerNorm({self.features}) needs x (.., N, {self.features}), "
                             f"got {x.shape}")
        scale, offset = params_of("LayerNorm", params, "scale", "offset")
        centred = x - ops.mean(x, -1, keepdims=True)
        slope = ops.rsqrt(ops.mean(ops.square(centred), -1, keepdims=True) + self.eps)
        return centred * slope * beside(scale, 0) + beside(offset, 0)


class Fixed:
    """A layer without parameters."""

    def init(self, rng):
        """None: there are no parameters."""


@dataclass(frozen=True)
class MaxPool2d(Fixed):
    """The largest value of each window: (.., N, H, W, C) -> (.., N, H', W', C).

    window, stride, padding: as in `tm.max_pool2d`.
    """
    window: int = 2
    stride: int | None = None
    padding: object = "valid"

    __post_init__ = check_fields

    def __call__(self, params, x):
        return ops.max_pool2d(x, self.window, stride=self.stride, padding=self.padding)


@dataclass(frozen=True)
class Flatten(Fixed):
    """Each image as one row: (.., N, H, W, C) -> (.., N, H W C)."""

    def __call__(self, params, x):
        x = as_image("Flatten", x)
        return x.reshape(*x.shape[:-3], prod(x.shape[-3:]))


@dataclass(frozen=True)
class SpatialMean(Fixed):
    """The mean over the map: (.., N, H, W, C) -> (.., N, C)."""

    def __call__(self, params, x):
        return ops.mean(as_image("SpatialMean", x), (-3, -2))


class Sequential:
    """Layers one after another.

    layers: any with `init(rng)` and a call `(params, x)`; a plain function such as `tm.relu` is one
    without parameters. Parameters are a list, one entry a layer, None for such a function.
    """

    def __init__(self, *layers):
        function("Sequential", **{f"layer {k}": layer for k, layer in enumerate(layers)})
        self.layers = layers

    def init(self, rng):
        """The list of the layers' parameters, drawn in their order from `rng`."""
        return [layer.init(rng) if hasattr(layer, "init") else None for layer in self.layers]

    def __call__(self, params, x):
        count = len(params) if isinstance(params, (list, tuple)) else shown(params)
        if count != len(self.layers):
            raise ValueError(f"Sequential of {len(self.layers)} layers got parameters "
                             f"for {count}: use its own init(rng), or a tree like it")
        for layer, p in zip(self.layers, params):
            x = layer(p, x) if hasattr(layer, "init") else layer(x)
        return x

    def freeze(self, params, x):
        """(model, params) with every batch norm frozen.

        Each is frozen at the moments it sees when the batch `x` passes through.
        """
        layers, frozen = [], []
        for layer, p in zip(self.layers, params):
            after = layer(p, x) if hasattr(layer, "init") else layer(x)
            if hasattr(layer, "freeze"):
                layer, p = layer.freeze(p, x)
            layers.append(layer)
            frozen.append(p)
            x = after
        return Sequential(*layers), frozen

    def __repr__(self):
        names = (getattr(layer, "__name__", None) or repr(layer) for layer in self.layers)
        return f"Sequential({', '.join(names)})"


# Not Sequential: which of its layers it was is what one wants to know.
for _layer in (BatchNorm, Conv2d, Dense, Flatten, LayerNorm, MaxPool2d, SpatialMean):
    _layer.__call__ = speaking(_layer.__name__, _layer.__call__)
    _layer.init = speaking(_layer.__name__, _layer.init)
BatchNorm.freeze = speaking("BatchNorm", BatchNorm.freeze)
