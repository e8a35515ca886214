"""From JSON to typed values, by their annotations: what does not fit is named by its place."""

import types
from typing import get_args, get_origin, get_type_hints


def decoded(value, kind, place: str):
    """What json.loads gave as a value of the type `kind`; raises ValueError where it is none.

    kind: int, float (an int is one, too), dict, or made of such: a NamedTuple, written as the list
    of its fields, tuple[X, ...], dict[str, X] and X | None.
    """
    args, wants = get_args(kind), get_origin(kind) or kind
    if wants is types.UnionType:
        return None if value is None else decoded(value, args[0], place)
    if wants is float and type(value) is int or type(value) is wants and not args:
        return value
    if wants is dict and type(value) is dict:
        return {key: decoded(part, args[1], f"{place}[{key!r}]") for key, part in value.items()}
    if wants is tuple and type(value) is list:
        return tuple(decoded(part, args[0], f"{place}[{k}]") for k, part in enumerate(value))
    fields = getattr(wants, "_fields", ())
    if fields and type(value) is list and len(value) == len(fields):
        hints = get_type_hints(wants)
        return wants(
            *(decoded(part, hints[name], f"{place}.{name}") for name, part in zip(fields, value))
        )
    raise ValueError(f"{place} is {value!r:.50}, which is no {getattr(kind, '__name__', kind)}")
