"""What a layer is made of, its fields and its parameters: looked at by their names."""

from dataclasses import fields
from functools import partial

from ..core.checks import flag, function, real, shown, whole
from ..ops.conv import padding_of, pair_of

FIELDS = {**dict.fromkeys(["inputs", "outputs", "kernel", "channels", "features"], whole),
          "spatial": partial(whole, least=0), "bias": flag, "scale": flag, "scheme": function,
          "eps": partial(real, least=0), "padding": padding_of,
          "window": partial(pair_of, least=1), "stride": partial(pair_of, least=1)}


def check_fields(layer) -> None:
    """Raise ValueError or TypeError for a field that is not what its name says."""
    for field in fields(layer):
        value = getattr(layer, field.name)
        if field.name in FIELDS and not (value is None and field.default is None):
            FIELDS[field.name](type(layer).__name__, **{field.name: value})


def params_of(who: str, params, *names: str) -> list:
    """The named parameters of a layer. Raises TypeError for another tree."""
    if not isinstance(params, dict) or not {*names} <= {*params}:
        raise TypeError(f"{who}: its parameters are a dict of {', '.join(names)}, as init(rng) "
                        f"makes them, got {shown(params)}")
    return [params[name] for name in names]
