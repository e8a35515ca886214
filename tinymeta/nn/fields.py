"""What a layer is made of, its fields and its parameters: checked by their names, made, aligned."""

from dataclasses import fields
from functools import partial

import numpy as np

from ..core.checks import flag, function, real, shown, whole
from ..core.naming import with_error_prefix
from ..core.tensor import Tensor, asarray
from ..ops.conv import padding_of, pair_of

FIELDS = {
    **dict.fromkeys(["inputs", "outputs", "kernel", "channels", "features"], whole),
    "spatial": partial(whole, least=0),
    "bias": flag,
    "scale": flag,
    "scheme": function,
    "eps": partial(real, least=0),
    "padding": padding_of,
    "window": partial(pair_of, least=1),
    "stride": partial(pair_of, least=1),
}


def check_fields(layer) -> None:
    """Raise ValueError or TypeError for a field that is not what its name says."""
    for field in fields(layer):
        value = getattr(layer, field.name)
        if field.name in FIELDS and not (value is None and field.default is None):
            FIELDS[field.name](type(layer).__name__, **{field.name: value})


def params_of(who: str, params, *names: str) -> list:
    """The named parameters of a layer. Raises TypeError for another tree."""
    if not isinstance(params, dict) or not {*names} <= {*params}:
        raise TypeError(
            f"{who}: its parameters are a dict of {', '.join(names)}, as init(rng) "
            f"makes them, got {shown(params)}"
        )
    return [params[name] for name in names]


def speaks(layer: type) -> type:
    """A decorator of a layer, whose errors then begin with its name."""
    for name in {"init", "freeze", "__call__"} & {*dir(layer)}:
        setattr(layer, name, with_error_prefix(layer.__name__, getattr(layer, name)))
    return layer


def beside(p: Tensor, spatial: int) -> Tensor:
    """A parameter (.., C), aligned with activations.

    These are (.., N, H, W, C) or, for spatial = 0, (.., N, C).
    """
    return asarray(p)[(..., *[None] * (1 + spatial), slice(None))]


def zeros(n: int) -> np.ndarray:
    return np.zeros(n, np.float32)


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)
