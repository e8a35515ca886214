"""
Here     what an operation means: its shape and its derivative; functions composed of operations.
Imports  core
Never    kernels, devices, training.
Add one  row in the family file -> kernel of the same name in cpu/ and cuda/
         -> strategy in the table of testing/cases.py
Tests    tests/ops/

The families are closed under differentiation: whatever a derivative rule calls is in the table
again. So a gradient is an ordinary computation, and gradients of any order come free.

family         members                                        the derivative of a member is made of
elementwise    add sub mul div neg square exp log tanh ...    elementwise
movement       reshape transpose flip astype                  the same operation, the other way
               slice <-> pad, concatenate                     each the other; slice
               broadcast_to                                   sum
reduce         sum                                            broadcast_to
               max                                            broadcast_to, times a mask that has
                                                              no derivative
index          take <-> scatter_add                           each the other
               take_along <-> scatter_add_along               each the other
matmul         matmul                                         matmul, transpose
conv           conv, conv_input, conv_weight                  the three partial derivatives of
                                                              <g, conv(x, w)>
no derivative  equal less ... sign wins argmax window_argmax  (they choose;
                                                              what they choose has one)
"""

from ..core.naming import with_error_prefix
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from .checkpoint import checkpoint
from .compose import log_softmax, logsumexp, mean, norm, softmax, var
from .conv import conv2d
from .create import arange, eye, full, one_hot, ones, ones_like, zeros, zeros_like
from .derivatives import hessian, hvp, jacobian, jvp
from .elementwise import (
    Elementwise,
    abs,
    add,
    clip,
    cos,
    div,
    elementwise,
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
from .index import take, take_along_axis
from .logic import both, differ, either, invert
from .matmul import matmul
from .movement import (
    astype,
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    getitem,
    moveaxis,
    pad,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from .pool import avg_pool2d, max_pool2d
from .reduce import argmax, max, min, sum

# What `tinymeta` has under the same names; all else here is for the other rooms.
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
    "jacobian",
    "jvp",
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
]


def unchanged(x) -> Tensor:
    """+x: the tensor itself."""
    return x


# fmt: off
OPERATORS = {
    "__add__": add,        "__neg__": neg,           "__and__": both,       "__eq__": equal,
    "__sub__": sub,        "__pos__": unchanged,     "__or__": either,      "__ne__": not_equal,
    "__mul__": mul,        "__abs__": abs,           "__xor__": differ,     "__lt__": less,
    "__truediv__": div,    "__invert__": invert,     "__pow__": power,      "__le__": less_equal,
    "__matmul__": matmul,  "__gt__": greater,        "__ge__": greater_equal,
    "__getitem__": getitem}
REFLECTED = {
    "__radd__": add,       "__rsub__": sub,          "__rmul__": mul,       "__rtruediv__": div,
    "__rmatmul__": matmul, "__rpow__": power,        "__rand__": both,      "__ror__": either,
    "__rxor__": differ}
METHODS = {
    "astype": astype,      "reshape": reshape,       "transpose": transpose,
    "sum": sum,            "mean": mean,             "max": max,            "min": min}
# fmt: on
TAKE_FUNCTIONS = {"checkpoint", "hessian", "hvp", "jacobian", "jvp"}  # whose errors stay theirs


def door(operation):
    """What users call, which says its own name in errors."""
    if isinstance(operation, Primitive):  # it does so itself
        return operation
    return with_error_prefix(operation.__name__, operation)


def method(name: str, operation):
    """The same as a function, since a class binds no other objects."""
    if not isinstance(operation, Elementwise):
        return door(operation)

    def called(*inputs):
        return operation(*inputs)

    called.__name__, called.__doc__ = name, operation.__doc__
    called.__signature__ = operation.__signature__
    return called


def reflected(name: str, operation):
    """What `1 + tensor` calls on the tensor, which is the second input."""

    def called(b, a):
        return operation(a, b)

    called.__name__, called.__doc__ = name, operation.__doc__
    return called


for _name, _operation in (OPERATORS | METHODS).items():
    setattr(Tensor, _name, method(_name, _operation))
for _name, _operation in REFLECTED.items():
    setattr(Tensor, _name, reflected(_name, door(_operation)))
Tensor.stacked = staticmethod(stack)
Tensor.T = property(transpose, doc="The axes in reverse order: of a matrix, its transpose.")
for _name in {*__all__} - TAKE_FUNCTIONS:
    globals()[_name] = door(globals()[_name])
