"""The parts that a primitive is defined by: checked before it is registered, shown by `help`."""

import inspect
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from .checks import check_function


def checked_rules(name: str, vjps: Any) -> tuple[Callable | None, ...] | Callable:
    """The derivative rules as a tuple, or the one function for any number of inputs.

    Raises TypeError for anything else, such as `(rule)`: without its comma it is no tuple.
    """
    if callable(vjps):
        signature = inspect.signature(vjps)
        if any(p.kind is Parameter.VAR_POSITIONAL for p in signature.parameters.values()):
            return vjps
        raise TypeError(
            f"{name}: vjps is one function, of {signature}: write "
            "(rule,) with its comma for the rule of one input, or "
            "rule(i, g, y, *inputs) for any number of inputs"
        )
    if not isinstance(vjps, (tuple, list)):
        raise TypeError(
            f"{name}: vjps must be a tuple of a rule, or None, for each input, "
            f"not {type(vjps).__name__}"
        )
    for rule in vjps:
        if rule is not None and not callable(rule):
            raise TypeError(
                f"{name}: a derivative rule is a function or None, not {type(rule).__name__}"
            )
    return tuple(vjps)


def call_signature(name: str, shape: Callable, vjps: Any, result: type) -> Signature:
    """How the operation is called: arrays by position, static metadata by keyword.

    The parameters are those of its shape rule; the first are arrays, one for each derivative rule.
    Raises TypeError if `shape` is no function.
    """
    check_function(name, shape=shape)
    parameters = list(inspect.signature(shape).parameters.values())
    if not callable(vjps):
        arrays = len(vjps)
        for k, p in enumerate(parameters):
            if p.kind is Parameter.POSITIONAL_OR_KEYWORD:
                kind = Parameter.POSITIONAL_ONLY if k < arrays else Parameter.KEYWORD_ONLY
                parameters[k] = p.replace(kind=kind)
    return Signature(parameters, return_annotation=result)


def help_heading(op: Any) -> str:
    """The first line of its docstring: `help` shows no signature of an object, as of a function."""
    return f"{op.name}{op.__signature__.replace(return_annotation=Signature.empty)} -> Tensor"


def checked_kernel(name: str, where: str, kernel: Callable) -> Callable:
    """A kernel that a user wrote, which raises TypeError when it returns what would be lost.

    That is anything but None or, as a NumPy ufunc does, `out`. where: the device.
    """
    check_function(name, **{f"its {where} kernel": kernel})

    def checked(out: Any, *arrays: Any, **static: Any) -> None:
        result = kernel(out, *arrays, **static)
        if result is not None and result is not out:
            raise TypeError(
                f"{name}: its {where} kernel returned a {type(result).__name__}: a "
                "kernel fills `out`, as in out[...] = result, and returns None"
            )

    return checked
