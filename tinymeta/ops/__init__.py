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
API standard. Which operation an operator or method of a Tensor is, operators.py says.
What takes functions is in derivatives.py (hvp, jacobian), checkpoint.py, custom.py (a derivative
that is given) and implicit.py (that of what a solver solves, by linear.py). What people bring from
NumPy and PyTorch besides is listed in more.py, and is made of what is here.
"""

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
from .from_text import elementwise
from .implicit import implicit
from .index import take, take_along_axis
from .join import concatenate, pad, stack
from .logic import invert, logical_and, logical_or, logical_xor
from .matmul import matmul
from .more import *  # noqa: F403
from .more_conv import conv2d
from .more_pool import avg_pool2d, max_pool2d
from .movement import astype, expand_dims, flip, moveaxis, reshape, squeeze, swapaxes, transpose
from .operators import install, public
from .reduce import argmax, max, min, sum

# What `tinymeta` has under the same names; numpy.py and standard.py have what else is here, too.
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
# Those that take functions, whose errors stay theirs.
_TAKE_FUNCTIONS = {"checkpoint", "custom_vjp", "hessian", "hvp", "implicit", "jacobian"}

for _name in {*__all__} - _TAKE_FUNCTIONS:
    globals()[_name] = public(globals()[_name])
install()
