"""Normalisation: activations at zero mean and unit variance, then a learned scale and offset.

    y = (x - mean) / sqrt(var + eps) * scale + offset

What differs is over what the mean and the variance are taken. Both broadcast over a task axis, see
`nn/__init__.py`: the moments are then each task's own.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import ops
from ..core.checks import check_one_of
from ..core.grad import stop_gradient
from ..core.tensor import Tensor, asarray
from .fields import align_channels, check_fields, check_params, named_errors, ones, zeros


@named_errors
@dataclass(frozen=True)
class BatchNorm:
    """(x - mean) / sqrt(var + eps) * scale + offset, per channel and per task.

    Ioffe & Szegedy 2015, algorithm 1.
    x is (.., N, H, W, C) for spatial = 2, (.., N, C) for spatial = 0; the result is of its shape.
    mode "batch": mean and variance are those of the batch at hand, in training and in test, and lie
    inside the derivative, as in MAML: a query batch is normalised together.
    mode "frozen": they are constants in `params`, measured once by `freeze`; the result of an
    example then does not depend on the others.
    scale: whether there is one. A call raises ValueError for x of another shape, TypeError for
    another tree of parameters.
    """

    channels: int
    spatial: int = 2
    mode: str = "batch"
    scale: bool = True
    eps: float = 1e-3

    def __post_init__(self) -> None:
        check_fields(self)
        check_one_of("BatchNorm", ("batch", "frozen"), mode=self.mode)

    def init(self, rng: np.random.Generator) -> dict:
        """{"offset", "scale"}, and "mean", "var" of a frozen one: each (C,), float32."""
        params = {"offset": zeros(self.channels)}
        if self.scale:
            params["scale"] = ones(self.channels)
        if self.mode == "frozen":
            params["mean"] = zeros(self.channels)
            params["var"] = ones(self.channels)
        return params

    def moments(self, x: Any) -> tuple[Tensor, Tensor]:
        """Mean and variance of a batch `x`, each (.., 1, 1, 1, C), or (.., 1, C)."""
        examples = -2 - self.spatial  # the axis N
        axes = tuple(range(examples, -1))  # N and, of images, H and W: all but the last, C
        mean = ops.mean(x, axes, keepdims=True)
        var = ops.mean(ops.square(x - mean), axes, keepdims=True)
        return mean, var

    def __call__(self, params: Any, x: Any) -> Tensor:
        x = asarray(x)
        self.check(params, x)
        mean: Any
        var: Any
        if self.mode == "batch":
            mean, var = self.moments(x)
        else:
            mean = align_channels(stop_gradient(params["mean"]), self.spatial)
            var = align_channels(stop_gradient(params["var"]), self.spatial)
        slope = ops.rsqrt(var + self.eps)
        if self.scale:
            slope = slope * align_channels(params["scale"], self.spatial)
        return (x - mean) * slope + align_channels(params["offset"], self.spatial)

    def check(self, params: Any, x: Tensor) -> None:
        """Raise ValueError for x of another shape, TypeError for another tree of parameters."""
        if x.ndim < 2 + self.spatial or x.shape[-1] != self.channels:
            shape = "(.., N, H, W, C)" if self.spatial else "(.., N, C)"
            raise ValueError(
                f"BatchNorm({self.channels}) needs x {shape} "
                f"with C = {self.channels}, got {x.shape}"
            )
        names = ["offset"]
        if self.scale:
            names.append("scale")
        if self.mode == "frozen":
            names += ["mean", "var"]
        check_params("BatchNorm", params, names)

    def freeze(self, params: Any, x: Any) -> tuple["BatchNorm", dict]:
        """The frozen layer, and `params` with the moments of the batch `x`, each (.., C), in it."""
        x = asarray(x)
        self.check(params, x)
        moments = []
        for moment in self.moments(x):
            constant = stop_gradient(moment)
            leading = constant.shape[: -2 - self.spatial]
            moments.append(constant.reshape(*leading, self.channels))
        mean, var = moments
        return replace(self, mode="frozen"), dict(params, mean=mean, var=var)


@named_errors
@dataclass(frozen=True)
class LayerNorm:
    """(x - mean) / sqrt(var + eps) * scale + offset, over the features of each example.

    Ba, Kiros & Hinton 2016, equation 4. x (.., N, D) -> (.., N, D); features: D.
    A call raises ValueError for x of another shape, TypeError for another tree of parameters.
    """

    features: int
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_fields(self)

    def init(self, rng: np.random.Generator) -> dict:
        """{"scale": (D,), "offset": (D,)}, float32: ones and zeros."""
        return {"scale": ones(self.features), "offset": zeros(self.features)}

    def __call__(self, params: Any, x: Any) -> Tensor:
        x = asarray(x)
        if x.ndim < 2 or x.shape[-1] != self.features:
            raise ValueError(
                f"LayerNorm({self.features}) needs x (.., N, {self.features}), got {x.shape}"
            )
        check_params("LayerNorm", params, ["scale", "offset"])
        mean: Any = ops.mean(x, -1, keepdims=True)
        centred = x - mean
        var: Any = ops.mean(ops.square(centred), -1, keepdims=True)
        slope = ops.rsqrt(var + self.eps)
        scaled = centred * slope * align_channels(params["scale"], spatial=0)
        return scaled + align_channels(params["offset"], spatial=0)
