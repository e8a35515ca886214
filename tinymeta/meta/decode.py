"""From JSON to typed values, by their annotations: what does not fit is named by its path."""

import types
from typing import Any, get_args, get_origin, get_type_hints


def decode(value: Any, kind: Any, path: str) -> Any:
    """What json.loads returned, as a value of the type `kind`.

    kind: int, float (an int is one, too), dict, or made of such: a NamedTuple, written as the list
    of its fields, tuple[X, ...], dict[str, X] and X | None.
    path: where the value is, for the ValueError that is raised if it is not of that type.
    """
    origin = get_origin(kind) or kind  # of tuple[int, ...] the class tuple, and args (int, ...)
    args = get_args(kind)
    if origin is types.UnionType:  # X | None
        return None if value is None else decode(value, args[0], path)
    if origin is float and type(value) is int:
        return value
    if type(value) is origin and not args:
        return value
    if origin is dict and type(value) is dict:
        of_values = args[1]
        decoded = {}
        for key, part in value.items():
            place = f"{path}[{key!r}]"
            decoded[key] = decode(part, of_values, place)
        return decoded
    if origin is tuple and type(value) is list:
        of_items = args[0]
        items = []
        for k, part in enumerate(value):
            place = f"{path}[{k}]"
            items.append(decode(part, of_items, place))
        return tuple(items)
    fields = getattr(origin, "_fields", ())  # of a NamedTuple, which JSON has as a list
    if fields and type(value) is list and len(value) == len(fields):
        hints = get_type_hints(origin)
        parts = []
        for name, part in zip(fields, value):
            place = f"{path}.{name}"
            parts.append(decode(part, hints[name], place))
        return origin(*parts)
    kind_name = getattr(kind, "__name__", kind)
    raise ValueError(f"{path} is {value!r:.50}, which is no {kind_name}")
