"""Checks of a layer's fields and parameters, and how a parameter is aligned with activations."""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..core.checks import check_flag, check_function, check_real, check_whole, plain_integers, shown
from ..core.naming import with_error_prefix
from ..core.tensor import Tensor, asarray
from ..ops.conv import padding_of, pair_of

Layer = TypeVar("Layer", bound=type)

# What a field must be, by its name, which is the same in all layers.
# Each check is called as check(name of the layer, field=value).
_FIELD_CHECKS: dict[str, Callable] = {
    "inputs": check_whole,
    "outputs": check_whole,
    "kernel": check_whole,
    "channels": check_whole,
    "features": check_whole,
    "spatial": partial(check_whole, least=0),
    "bias": check_flag,
    "scale": check_flag,
    "scheme": check_function,
    "eps": partial(check_real, least=0),
    "padding": padding_of,
    "window": partial(pair_of, least=1),
    "stride": partial(pair_of, least=1),
}


def check_fields(layer: Any) -> None:
    """Raise ValueError or TypeError for a field of a dataclass that is not what its name says.

    Integers of NumPy become Python's, in place.
    """
    for field in fields(layer):
        value = getattr(layer, field.name)
        left_out = value is None and field.default is None
        if field.name in _FIELD_CHECKS and not left_out:
            check = _FIELD_CHECKS[field.name]
            check(type(layer).__name__, **{field.name: value})
    plain_integers(layer)


def check_params(layer: str, params: Any, names: list[str]) -> None:
    """Raise TypeError unless `params` is a dict with these names; layer: its name, for the text."""
    if not isinstance(params, dict) or not {*names} <= {*params}:
        raise TypeError(
            f"{layer}: its parameters are a dict of {', '.join(names)}, as init(rng) "
            f"makes them, got {shown(params)}"
        )


def named_errors(layer: Layer) -> Layer:
    """Class decorator: the errors that a layer's methods raise begin with the layer's name.

    A layer is a leaf of a tree: its fields are settings, its parameters are not in it.
    """
    layer.__tree_leaf__ = True  # type: ignore[attr-defined]
    for name in ("init", "freeze", "__call__"):
        if hasattr(layer, name):
            method = getattr(layer, name)
            setattr(layer, name, with_error_prefix(layer.__name__, method))
    return layer


def align_channels(p: Any, spatial: int) -> Tensor:
    """A parameter (.., C) with axes of size 1 put before C, so that it broadcasts.

    (.., 1, 1, 1, C), for activations (.., N, H, W, C), if spatial = 2;
    (.., 1, C), for activations (.., N, C), if spatial = 0.
    """
    p = asarray(p)
    new_axes = [None] * (1 + spatial)
    index = (..., *new_axes, slice(None))
    return p[index]


def zeros(n: int) -> np.ndarray:
    """(n,) float32."""
    return np.zeros(n, np.float32)


def ones(n: int) -> np.ndarray:
    """(n,) float32."""
    return np.ones(n, np.float32)
