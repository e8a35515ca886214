"""Normalisation: activations at zero mean and unit variance, then a learned scale and offset."""

from dataclasses import dataclass, replace

from .. import ops
from ..core.checks import one_of
from ..core.grad import stop_gradient
from ..core.tensor import asarray
from .fields import beside, check_fields, ones, params_of, speaks, zeros


@speaks
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
            mean, var = (
                beside(stop_gradient(params[name]), self.spatial) for name in ("mean", "var")
            )
        slope = ops.rsqrt(var + self.eps)
        if self.scale:
            slope = slope * beside(params["scale"], self.spatial)
        return (x - mean) * slope + beside(params["offset"], self.spatial)

    def check(self, params, x):
        """Raise ValueError for x of another shape, TypeError for another tree of parameters."""
        if x.ndim < 2 + self.spatial or x.shape[-1] != self.channels:
            shape = "(.., N, H, W, C)" if self.spatial else "(.., N, C)"
            raise ValueError(
                f"BatchNorm({self.channels}) needs x {shape} "
                f"with C = {self.channels}, got {x.shape}"
            )
        moments = ["mean", "var"] * (self.mode == "frozen")
        params_of("BatchNorm", params, "offset", *["scale"] * self.scale, *moments)

    def freeze(self, params, x):
        """The frozen layer, and the parameters with the moments of the batch `x` in them."""
        self.check(params, x := asarray(x))
        moments = [
            m.reshape(*m.shape[: -2 - self.spatial], self.channels)
            for m in map(stop_gradient, self.moments(x))
        ]
        return replace(self, mode="frozen"), dict(params, mean=moments[0], var=moments[1])


@speaks
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
            raise ValueError(
                f"LayerNorm({self.features}) needs x (.., N, {self.features}), got {x.shape}"
            )
        scale, offset = params_of("LayerNorm", params, "scale", "offset")
        centred = x - ops.mean(x, -1, keepdims=True)
        slope = ops.rsqrt(ops.mean(ops.square(centred), -1, keepdims=True) + self.eps)
        return centred * slope * beside(scale, 0) + beside(offset, 0)
