"""What people bring from NumPy, SciPy and PyTorch, gathered: none of it is needed to read the rest.

    more_elementwise.py   rows of the elementwise table: log2, arctan2, erf, floor, mod, isnan, ..
    along.py              cumsum, cumprod, cummax, sort, argsort, topk, median: two primitives
    more_reduce.py        prod, any, all, argmin, linspace
    arrange.py            split and its family, repeat, tile, roll, vstack, hstack, dstack, ..
    index_arrays.py       index arrays and masks in x[...], scatter_add
    more_conv.py          groups, dilation, conv1d, conv_transpose2d;  more_pool.py
    diagonals.py          tril, triu, diag, diagonal, trace
    contractions.py       dot, inner, outer, kron, tensordot;  einsum.py
    activations.py        gelu, silu, elu, leaky_relu, the hard ones

All but the rows and the two primitives are compositions, whose derivatives are those of what they
are made of.
"""

from .activations import elu, gelu, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, relu6, silu
from .along import argsort, cummax, cumprod, cumsum, median, sort, topk
from .arrange import (
    array_split,
    column_stack,
    dsplit,
    dstack,
    hsplit,
    hstack,
    repeat,
    roll,
    split,
    tile,
    vsplit,
    vstack,
)
from .contractions import dot, inner, kron, outer, tensordot
from .diagonals import diag, diagonal, trace, tril, triu
from .einsum import einsum
from .index_arrays import scatter_add
from .more_conv import conv1d, conv_transpose2d
from .more_elementwise import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    ceil,
    cosh,
    erf,
    exp2,
    floor,
    floor_divide,
    isfinite,
    isinf,
    isnan,
    log2,
    log10,
    logaddexp,
    mod,
    round,
    sinh,
    tan,
    trunc,
)
from .more_reduce import all, any, argmin, linspace, prod

# fmt: off
__all__ = [
    "all", "any", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "argmin", "argsort", "array_split", "ceil", "column_stack", "conv1d", "conv_transpose2d",
    "cosh", "cummax", "cumprod", "cumsum", "diag", "diagonal", "dot", "dsplit", "dstack",
    "einsum", "elu", "erf", "exp2", "floor", "floor_divide", "gelu", "hard_sigmoid",
    "hard_silu", "hard_tanh", "hsplit", "hstack", "inner", "isfinite", "isinf", "isnan", "kron",
    "leaky_relu", "linspace", "log10", "log2", "logaddexp", "median", "mod", "outer", "prod",
    "relu6", "repeat", "roll", "round", "scatter_add", "silu", "sinh", "sort", "split", "tan",
    "tensordot", "tile", "topk", "trace", "tril", "triu", "trunc", "vsplit", "vstack",
]
# fmt: on
