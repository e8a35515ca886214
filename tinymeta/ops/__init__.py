"""
Here     what an operation means: its shape and its derivative; functions composed of operations.
Imports  core
Never    kernels, devices, training.
Add one  an entry in the family file -> kernel of the same name in cpu/ and cuda/
         -> strategy in the table of testing/cases.py
Tests    tests/ops/

A primitive whose public function checks arguments first has that one's name and `_p`: pad_p, sum_p.
The families are closed under differentiation: whatever a derivative rule calls is in the table
again. So a gradient is an ordinary computation, and gradients of any order come free.

family         members                                        the derivative of a member is made of
elementwise    add sub mul div neg square exp log tanh ...    elementwise
movement       reshape transpose flip astype                  the same operation, the other way
               slice <-> pad, concatenate (join.py)           each the other; slice
               broadcast_to (broadcast.py)                    sum
reduce         sum                                            broadcast_to
               max                                            broadcast_to, times a mask that has
                                                              no derivative
index          take <-> scatter_add                           each the other
               take_along <-> scatter_add_along               each the other
matmul         matmul                                         matmul, transpose
factor         cholesky, lu, triangular_solve                 triangular_solve, matmul
conv           conv, conv_input, conv_weight                  the three partial derivatives of
                                                              <g, conv(x, w)>
along          cumulative_sum                                 the same, from the other end
no derivative  equal less ... sign tie_weight argmax argsort          (they choose;
               window_argmax                                   what they choose has one)

What is made of factors is in linalg.py, under NumPy's names; standard.py has the names of the array
API standard.
What takes functions is in derivatives.py (hvp, jacobian), checkpoint.py, custom.py (a derivative
that is given) and implicit.py (that of what a solver solves, by linear.py). What people bring from
NumPy and PyTorch besides is listed in more.py, and is made of what is here.
"""

from collections.abc import Callable
from typing import Any

from ..core.naming import with_error_prefix
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from . import linalg, more
from .broadcast import broadcast_to
from .checkpoint import checkpoint
from .compose import log_softmax, logsumexp, mean, norm, softmax, std, var
from .create import arange, eye, full, one_hot, ones, ones_like, zeros, zeros_like
from .custom import custom_vjp
from .derivatives import hessian, hvp, jacobian
from .elementwise import (
    abs,
    add,
    clip,
    cos,
    div,
    equal,
    exp,
    expm1,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    power,
    relu,
    rsqrt,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    sub,
    tanh,
    where,
)
from .from_text import Elementwise, elementwise
from .implicit import implicit
from .index import take, take_along_axis
from .index_arrays import getitem
from .join import concatenate, pad, stack
from .logic import invert, logical_and, logical_or, logical_xor
from .matmul import matmul
from .more import *  # noqa: F403
from .more_conv import conv2d
from .more_pool import avg_pool2d, max_pool2d
from .movement import astype, expand_dims, flip, moveaxis, reshape, squeeze, swapaxes, transpose
from .reduce import argmax, max, min, sum

# What `tinymeta` has under the same names; what else is here, Tensor's operators are made of.
__all__ = [
    "abs",
    "add",
    "arange",
    "argmax",
    "astype",
    "avg_pool2d",
    "broadcast_to",
    "checkpoint",
    "clip",
    "concatenate",
    "conv2d",
    "cos",
    "custom_vjp",
    "div",
    "elementwise",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "eye",
    "flip",
    "full",
    "greater",
    "greater_equal",
    "hessian",
    "hvp",
    "implicit",
    "jacobian",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "mul",
    "neg",
    "norm",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "pad",
    "power",
    "relu",
    "reshape",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tanh",
    "transpose",
    "var",
    "where",
    "zeros",
    "zeros_like",
    *more.__all__,
]


def _unchanged(x: Tensor) -> Tensor:
    """+x: the tensor itself."""
    return x


def _matrix_transpose(x: Tensor) -> Tensor:
    return swapaxes(x, -1, -2)


def _namespace(x: Tensor, api_version: str | None = None) -> Any:
    """The functions for arrays under the names of the array API standard: standard.py.

    Raises ValueError for a version of it that is not known.
    """
    from . import standard  # which is made of this file's functions

    return standard.checked_version(api_version)


# fmt: off
OPERATORS: dict[str, Callable] = {
    "__add__": add,        "__neg__": neg,          "__and__": logical_and,  "__eq__": equal,
    "__sub__": sub,        "__pos__": _unchanged,   "__or__": logical_or,    "__ne__": not_equal,
    "__mul__": mul,        "__abs__": abs,          "__xor__": logical_xor,  "__lt__": less,
    "__truediv__": div,    "__invert__": invert,    "__pow__": power,        "__gt__": greater,
    "__matmul__": matmul,  "__getitem__": getitem,  "__le__": less_equal,   "__ge__": greater_equal,
    "__mod__": more.mod,   "__floordiv__": more.floor_divide}
_REFLECTED: dict[str, Callable] = {
    "__radd__": add,       "__rsub__": sub,         "__rmul__": mul,         "__rtruediv__": div,
    "__rmatmul__": matmul, "__rpow__": power,       "__rand__": logical_and, "__ror__": logical_or,
    "__rxor__": logical_xor, "__rmod__": more.mod, "__rfloordiv__": more.floor_divide}
METHODS: dict[str, Callable] = {
    "astype": astype,      "reshape": reshape,      "transpose": transpose,
    "sum": sum,            "mean": mean,            "max": max,              "min": min,
    "relu": relu}
# fmt: on
# Those that take functions, whose errors stay theirs.
_TAKE_FUNCTIONS = {"checkpoint", "custom_vjp", "hessian", "hvp", "implicit", "jacobian"}


def _public(operation: Callable) -> Callable:
    """The function as users call it, with its own name in errors."""
    if isinstance(operation, Primitive):  # Elementwise sees to that itself
        return operation
    return with_error_prefix(operation.__name__, operation)


def _as_method(name: str, operation: Callable) -> Callable:
    """A function for the class: Python binds `self` to functions, not to Elementwise objects."""
    if not isinstance(operation, Elementwise):
        return _public(operation)

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


def _install() -> None:
    """Put the operators and methods on Tensor, and the error prefixes on the public functions."""
    for name, operation in (OPERATORS | METHODS).items():
        setattr(Tensor, name, _as_method(name, operation))
    for name, operation in _REFLECTED.items():
        setattr(Tensor, name, _as_reflected_method(name, _public(operation)))
    Tensor.stacked = staticmethod(stack)
    Tensor.T = property(transpose, doc="The axes in reverse order: of a matrix, its transpose.")
    Tensor.mT = property(_matrix_transpose, doc="Each matrix, the last two axes, transposed.")
    Tensor.__array_namespace__ = _namespace
    for name in {*__all__} - _TAKE_FUNCTIONS:
        globals()[name] = _public(globals()[name])


_install()
