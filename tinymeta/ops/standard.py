"""What is here of the Python array API standard (data-apis.org), under its names.

`x.__array_namespace__()` returns this module, so a function that is written for the standard, for
NumPy, PyTorch or JAX as well, takes tensors, and has a gradient:

    def scaled(x):
        xp = x.__array_namespace__()
        return xp.subtract(x, xp.mean(x)) / xp.std(x)

What the standard calls as NumPy does is the operation itself; what it calls otherwise is in
_OTHER_NAMES; where its arguments differ there is a function here. What is not here, tinymeta has
not: `hasattr(xp, name)` says so, as it does for any library.
"""

import builtins
import sys
from math import e, inf, nan, pi
from types import ModuleType
from typing import Any

import numpy as np

from .. import ops
from ..core.checks import as_dtype
from ..core.tensor import Tensor
from ..core.tensor import asarray as _asarray
from . import linalg
from .movement import matrix_transpose
from .promote import promote

__all__ = [  # and what is in the tables below
    "asarray",
    "astype",
    "broadcast_arrays",
    "e",
    "finfo",
    "from_dlpack",
    "iinfo",
    "inf",
    "isdtype",
    "linalg",
    "matrix_transpose",
    "nan",
    "newaxis",
    "pi",
    "positive",
    "reshape",
    "result_type",
    "sum",
    "unstack",
    "vecdot",
]
_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
__array_api_version__ = _VERSIONS[-1]
newaxis = None

# The standard's name of an elementwise function, a search or a set of axes, and ours.
# fmt: off
_OTHER_NAMES = {
    "subtract": "sub",          "multiply": "mul",           "divide": "div",
    "negative": "neg",          "pow": "power",              "concat": "concatenate",
    "permute_dims": "transpose", "acos": "arccos",           "acosh": "arccosh",
    "asin": "arcsin",           "asinh": "arcsinh",          "atan": "arctan",
    "atan2": "arctan2",         "atanh": "arctanh",          "remainder": "mod",
    "cumulative_sum": "cumsum", "cumulative_prod": "cumprod", "logical_not": "invert"}
_SAME_NAMES = """
    abs add ceil clip cos cosh equal exp expm1 floor floor_divide greater greater_equal isfinite
    isinf isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_or logical_xor
    maximum minimum not_equal round sign sin sinh sqrt square tan tanh trunc
    all any argmax argmin argsort max mean min prod sort std var
    arange broadcast_to expand_dims eye flip full linspace matmul moveaxis ones ones_like
    outer repeat roll squeeze stack take take_along_axis tensordot tile tril triu where
    zeros zeros_like
""".split()
# fmt: on
_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "float32", "float64"),
)
_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "numeric": "iuf",
}


def _collected() -> dict[str, Any]:
    """What the two tables name, and the dtypes."""
    names = {name: name for name in _SAME_NAMES} | _OTHER_NAMES
    found = {name: getattr(ops, ours) for name, ours in names.items()}
    return found | {name: np.dtype(name) for name in _DTYPES}


def checked_version(version: str | None) -> ModuleType:
    """This module; ValueError for a version of the standard that it does not know."""
    if version is not None and version not in _VERSIONS:
        raise ValueError(f"__array_namespace__: api_version {version!r} is none of {_VERSIONS}")
    return sys.modules[__name__]


# ---- where the standard's arguments are others ---------------------------------------------------


def asarray(
    obj: Any, /, *, dtype: Any = None, device: str | None = None, copy: bool | None = None
) -> Tensor:
    """A tensor of data; copy: tensors cannot be changed, so True alone makes a difference."""
    if copy and isinstance(obj, np.ndarray):
        obj = obj.copy()
    made = _asarray(obj)
    made = made if dtype is None else ops.astype(made, dtype)
    return made if device is None else made.to(device)


def from_dlpack(x: Any, /) -> Tensor:
    """A tensor in the memory of another library's array."""
    return _asarray(x)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Tensor:
    """`x` in another dtype."""
    return ops.astype(x, dtype)


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The same elements in another shape."""
    return ops.reshape(x, shape)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The inner products along an axis."""
    return ops.sum(ops.mul(x1, x2), axis)


def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis`; of float32 in float32."""
    return ops.sum(x if dtype is None else ops.astype(x, dtype), axis, keepdims)


def positive(x: Any, /) -> Tensor:
    """`x` itself."""
    return _asarray(x)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts along an axis, without it."""
    return tuple(ops.moveaxis(x, axis, 0))


def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    """All in their common shape."""
    shape = np.broadcast_shapes(*(_asarray(x).shape for x in arrays))
    return tuple(ops.broadcast_to(x, shape) for x in arrays)


# ---- dtypes --------------------------------------------------------------------------------------


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype of a computation with these; TypeError for float32 with float64."""
    arrays = []
    for x in arrays_and_dtypes:
        is_dtype = isinstance(x, (np.dtype, type))
        arrays.append(np.zeros((), x) if is_dtype else x)
    return promote("result_type", tuple(arrays))[0].dtype


def isdtype(dtype: Any, kind: Any) -> builtins.bool:
    """Is it of this kind, a word such as "integral", or this dtype, or one of several such?"""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    dtype = as_dtype(dtype)
    return builtins.any(dtype.kind in _KINDS[k] if k in _KINDS else dtype == k for k in kinds)


finfo, iinfo = np.finfo, np.iinfo

_found = _collected()
globals().update(_found)
__all__.extend(_found)
