"""The operators and methods of a Tensor: which operation each of them calls.

tensor.py imports no operation, as operations are made of tensors; so the class gets these here,
from `install`, when the operations are there.
"""

from collections.abc import Callable
from typing import Any

from ..core.naming import with_error_prefix
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from .compose import mean
from .elementwise import (
    abs,
    add,
    div,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    mul,
    neg,
    not_equal,
    power,
    relu,
    sub,
)
from .from_text import Elementwise
from .index_arrays import getitem
from .join import stack
from .logic import invert, logical_and, logical_or, logical_xor
from .matmul import matmul
from .more_elementwise import floor_divide, mod
from .movement import astype, matrix_transpose, reshape, transpose
from .reduce import max, min, sum


def _unchanged(x: Tensor) -> Tensor:
    """+x: the tensor itself."""
    return x


def _namespace(x: Tensor, api_version: str | None = None) -> Any:
    """The functions for arrays under the names of the array API standard: standard.py.

    Raises ValueError for a version of it that is not known.
    """
    from . import standard  # which is made of all of them

    return standard.checked_version(api_version)


# fmt: off
_OPERATORS: dict[str, Callable] = {
    "__add__": add,        "__neg__": neg,          "__and__": logical_and,  "__eq__": equal,
    "__sub__": sub,        "__pos__": _unchanged,   "__or__": logical_or,    "__ne__": not_equal,
    "__mul__": mul,        "__abs__": abs,          "__xor__": logical_xor,  "__lt__": less,
    "__truediv__": div,    "__invert__": invert,    "__pow__": power,        "__gt__": greater,
    "__matmul__": matmul,  "__getitem__": getitem,  "__le__": less_equal,   "__ge__": greater_equal,
    "__mod__": mod,        "__floordiv__": floor_divide}
_REFLECTED: dict[str, Callable] = {
    "__radd__": add,       "__rsub__": sub,         "__rmul__": mul,         "__rtruediv__": div,
    "__rmatmul__": matmul, "__rpow__": power,       "__rand__": logical_and, "__ror__": logical_or,
    "__rxor__": logical_xor, "__rmod__": mod,       "__rfloordiv__": floor_divide}
_METHODS: dict[str, Callable] = {
    "astype": astype,      "reshape": reshape,      "transpose": transpose,
    "sum": sum,            "mean": mean,            "max": max,              "min": min,
    "relu": relu}
# fmt: on


def public(operation: Callable) -> Callable:
    """The function as users call it, with its own name in errors."""
    if isinstance(operation, Primitive):  # Elementwise sees to that itself
        return operation
    return with_error_prefix(operation.__name__, operation)


def _as_method(name: str, operation: Callable) -> Callable:
    """A function for the class: Python binds `self` to functions, not to Elementwise objects."""
    if not isinstance(operation, Elementwise):
        return public(operation)

    def method(*inputs: Any) -> Tensor:
        return operation(*inputs)

    method.__name__, method.__doc__ = name, operation.__doc__
    method.__signature__ = operation.__signature__  # type: ignore[attr-defined]
    return method


def _as_reflected_method(name: str, operation: Callable) -> Callable:
    """What `1 + tensor` calls on the tensor, which is the second input."""

    def method(b: Tensor, a: Any) -> Tensor:
        return operation(a, b)

    method.__name__, method.__doc__ = name, operation.__doc__
    return method


def install() -> None:
    """Put the operators and methods on Tensor."""
    for name, operation in (_OPERATORS | _METHODS).items():
        setattr(Tensor, name, _as_method(name, operation))
    for name, operation in _REFLECTED.items():
        setattr(Tensor, name, _as_reflected_method(name, public(operation)))
    Tensor.stacked = staticmethod(stack)
    Tensor.T = property(transpose, doc="The axes in reverse order: of a matrix, its transpose.")
    Tensor.mT = property(matrix_transpose, doc="Each matrix, the last two axes, transposed.")
    Tensor.__array_namespace__ = _namespace
