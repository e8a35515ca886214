"""Layers: `init(rng)` makes parameters without a task axis, `layer(params, x)` applies them.

Everything works on trailing axes, so a task axis rides along: x (T, N, ..) with parameters (T, ..)
gives every task its own layer, x (T, N, ..) with parameters (..) one layer for all, x (N, ..) is a
plain batch. Parameters align by inserting axes: a bias (T, O) is b[..., None, :] beside (T, N, O).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from .. import ops
from ..core.checks import function, shown
from ..core.tensor import asarray
from ..ops.pool import as_image
from .fields import beside, check_fields, params_of, speaks, zeros
from .init import glorot_uniform


@speaks
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
            raise ValueError(
                f"Dense({self.inputs}, {self.outputs}) needs x "
                f"(.., N, {self.inputs}), got {x.shape}"
            )
        w, *b = params_of("Dense", params, "w", *["b"] * self.bias)
        y = x @ w  # (.., N, O)
        return y + beside(b[0], 0) if b else y


@speaks
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
        y = ops.conv2d(x, w, stride=self.stride, padding=self.padding)  # (.., N, H', W', O)
        return y + beside(b[0], 2) if b else y


class Fixed:
    """A layer without parameters."""

    def init(self, rng):
        """None: there are no parameters."""


@speaks
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


@speaks
@dataclass(frozen=True)
class Flatten(Fixed):
    """Each image as one row: (.., N, H, W, C) -> (.., N, H W C)."""

    def __call__(self, params, x):
        x = as_image("Flatten", x)
        return x.reshape(*x.shape[:-3], prod(x.shape[-3:]))


@speaks
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
            raise ValueError(
                f"Sequential of {len(self.layers)} layers got parameters "
                f"for {count}: use its own init(rng), or a tree like it"
            )
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
