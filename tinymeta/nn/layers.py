"""Layers: `init(rng)` makes parameters without a task axis, `layer(params, x)` applies them.

A layer is a frozen dataclass of its settings and holds no parameters: it is a pure function of
(params, x). All of them broadcast over leading axes, written "..", a task axis among them: T copies
of the parameters, (T, ..), are applied to T batches in one call (`nn/__init__.py`). Parameters and
activations are float32 or float64, alike. `named_errors` puts the layer's name before its errors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import ops
from ..core.checks import check_function, shown
from ..core.tensor import Tensor, asarray
from ..ops.pool import as_image
from .fields import align_channels, check_fields, check_params, named_errors, zeros
from .init import glorot_uniform


@named_errors
@dataclass(frozen=True)
class Dense:
    """y = x w + b:  x (.., N, C), w (.., C, O), b (.., O) -> (.., N, O).

    inputs: C. outputs: O. bias: whether there is a b. scheme: draws w, as those of `nn.init` do.
    A call raises ValueError for x of another shape, TypeError for another tree of parameters.
    """

    inputs: int
    outputs: int
    bias: bool = True
    scheme: Callable = glorot_uniform

    def __post_init__(self) -> None:
        check_fields(self)

    def init(self, rng: np.random.Generator) -> dict:
        """{"w": (C, O), "b": (O,)}, float32; b begins at zero."""
        params = {"w": self.scheme(rng, (self.inputs, self.outputs))}
        if self.bias:
            params["b"] = zeros(self.outputs)
        return params

    def __call__(self, params: Any, x: Any) -> Tensor:
        x = asarray(x)
        if x.ndim < 2 or x.shape[-1] != self.inputs:
            raise ValueError(
                f"Dense({self.inputs}, {self.outputs}) needs x "
                f"(.., N, {self.inputs}), got {x.shape}"
            )
        check_params("Dense", params, ["w", "b"] if self.bias else ["w"])
        y = x @ params["w"]  # (.., N, O)
        if self.bias:
            y = y + align_channels(params["b"], spatial=0)  # (.., 1, O)
        return y


@named_errors
@dataclass(frozen=True)
class Conv2d:
    """Two-dimensional convolution, see `tm.conv2d`, and a bias.

    x (.., N, H, W, C), w (.., h, w, C, O), b (.., O) -> (.., N, H', W', O).
    inputs: C. outputs: O. kernel: h = w. stride, padding: as in `tm.conv2d`. bias, scheme: as those
    of `Dense`. A call raises as that of `Dense` does.
    """

    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: object = "same"
    bias: bool = True
    scheme: Callable = glorot_uniform

    def __post_init__(self) -> None:
        check_fields(self)

    def init(self, rng: np.random.Generator) -> dict:
        """{"w": (h, w, C, O), "b": (O,)}, float32; b begins at zero."""
        shape = (self.kernel, self.kernel, self.inputs, self.outputs)
        params = {"w": self.scheme(rng, shape)}
        if self.bias:
            params["b"] = zeros(self.outputs)
        return params

    def __call__(self, params: Any, x: Any) -> Tensor:
        check_params("Conv2d", params, ["w", "b"] if self.bias else ["w"])
        y: Any = ops.conv2d(x, params["w"], stride=self.stride, padding=self.padding)
        if self.bias:
            y = y + align_channels(params["b"], spatial=2)  # (.., 1, 1, 1, O)
        return y


class _WithoutParameters:
    """A layer that has nothing to learn."""

    def init(self, rng: np.random.Generator) -> None:
        """None: there are no parameters."""


@named_errors
@dataclass(frozen=True)
class MaxPool2d(_WithoutParameters):
    """The largest value of each window: (.., N, H, W, C) -> (.., N, H', W', C).

    window, stride, padding: as in `tm.max_pool2d`.
    """

    window: int = 2
    stride: int | None = None
    padding: object = "valid"

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, params: None, x: Any) -> Tensor:
        return ops.max_pool2d(x, self.window, stride=self.stride, padding=self.padding)


@named_errors
@dataclass(frozen=True)
class Flatten(_WithoutParameters):
    """Each image as one row: (.., N, H, W, C) -> (.., N, H W C)."""

    def __call__(self, params: None, x: Any) -> Tensor:
        x = as_image("Flatten", x)
        *leading, height, width, channels = x.shape
        return x.reshape(*leading, prod((height, width, channels)))


@named_errors
@dataclass(frozen=True)
class GlobalAveragePooling(_WithoutParameters):
    """The mean of each channel over the image: (.., N, H, W, C) -> (.., N, C).

    Lin, Chen & Yan 2014, section 3.2. Raises ValueError for x with fewer than four axes.
    """

    def __call__(self, params: None, x: Any) -> Tensor:
        x = as_image("GlobalAveragePooling", x)
        return ops.mean(x, (-3, -2))


SpatialMean = GlobalAveragePooling  # its name until now; the alias stays for one release


class Sequential:
    """Layers one after another.

    layers: any with `init(rng)` and a call `(params, x)`; a plain function such as `tm.relu` is one
    without parameters. Parameters are a list, one entry a layer, None for such a function.
    """

    def __init__(self, *layers: Any) -> None:
        numbered = {f"layer {k}": layer for k, layer in enumerate(layers)}
        check_function("Sequential", **numbered)
        self.layers = layers

    def init(self, rng: np.random.Generator) -> list:
        """The list of the layers' parameters, drawn in their order from `rng`."""
        params = []
        for layer in self.layers:
            has_params = hasattr(layer, "init")
            params.append(layer.init(rng) if has_params else None)
        return params

    def __call__(self, params: Any, x: Any) -> Tensor:
        count = len(params) if isinstance(params, (list, tuple)) else shown(params)
        if count != len(self.layers):
            raise ValueError(
                f"Sequential of {len(self.layers)} layers got parameters "
                f"for {count}: use its own init(rng), or a tree like it"
            )
        for layer, layer_params in zip(self.layers, params):
            x = _apply(layer, layer_params, x)
        return x

    def freeze(self, params: Any, x: Any) -> tuple["Sequential", list]:
        """(model, params) in which every batch norm uses constant moments, see `BatchNorm.freeze`.

        Each gets the moments of its own input when the batch `x` passes through the layers.
        """
        layers, frozen_params = [], []
        for layer, layer_params in zip(self.layers, params):
            output = _apply(layer, layer_params, x)
            if hasattr(layer, "freeze"):
                layer, layer_params = layer.freeze(layer_params, x)
            layers.append(layer)
            frozen_params.append(layer_params)
            x = output
        return Sequential(*layers), frozen_params

    def __repr__(self) -> str:
        names = [getattr(layer, "__name__", None) or repr(layer) for layer in self.layers]
        return f"Sequential({', '.join(names)})"


def _apply(layer: Any, params: Any, x: Any) -> Any:
    """layer(params, x), or function(x) of a plain function."""
    if hasattr(layer, "init"):
        return layer(params, x)
    return layer(x)
