"""Generated kernels run by Python itself: no compiler, so a thousand programs take a minute.

What a pass may get wrong (which output, which stride, which dtype, what is stored where) is in the
source of a kernel and in its arguments, and shows just as well when Python interprets them. An
interpreted kernel has an address like a compiled one, and is called on the same memory by the same
threads. What it cannot show is what Numba makes of the source: for that, programs are compiled,
too.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache, wraps
from math import prod
from typing import Any
from unittest.mock import patch

import numpy as np

from ..cpu import along, conv, factor, index, pool, reduce
from ..cpu.erf import erf_of_array
from ..cpu.pointers import POINTERS
from ..jit import pieces, replay, tree_sum
from ..jit.signatures import jit

_KERNEL_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))


# ---- what the source of a kernel may name -------------------------------------------------------


class _MemoryPointer:
    """An address at which elements of one dtype lie; indexed like a pointer of C."""

    def __init__(self, dtype: type, address: int):
        self.dtype, self.address = dtype, address
        self.element, pointer_type = _c_types(dtype)
        self.elements = ctypes.cast(address, pointer_type)

    def __getitem__(self, index: Any) -> Any:
        return self.dtype(self.elements[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(value) is not self.dtype:
            value = self.dtype(value)
        self.elements[index] = value.item()

    def moved(self, index: Any) -> "_MemoryPointer":
        """The pointer to the element at an index: `at(pointer, index)` in a kernel."""
        size = ctypes.sizeof(self.element)
        return _MemoryPointer(self.dtype, self.address + int(index) * size)


@cache
def _c_types(dtype: type) -> tuple[Any, Any]:
    """The type of C for elements of a dtype, and that of a pointer to them."""
    element = np.ctypeslib.as_ctypes_type(dtype)
    return element, ctypes.POINTER(element)


def _array_at(pointer: _MemoryPointer, shape: tuple) -> np.ndarray:
    """The interpreted `carray(pointer, shape)`: an array in the memory of an arena."""
    size = prod(map(int, shape))
    elements = (pointer.element * max(size, 1)).from_address(pointer.address)
    return np.ctypeslib.as_array(elements)[:size].reshape(shape)


def _pointer_function(name: str) -> Callable:
    """The interpreted `float32_at(arena, byte)`, and its like for other dtypes."""
    dtype = getattr(np, name.removesuffix("_at"))
    return lambda arena, byte: _MemoryPointer(dtype, arena + byte)


_UFUNCS = (
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan arcsin arccos arctan arctan2 "
    "sinh cosh tanh arcsinh arccosh arctanh floor ceil trunc rint absolute sign power fmod "
    "remainder floor_divide hypot copysign isnan isfinite square reciprocal maximum minimum"
).split()
_DTYPES = "float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
_NAMESPACE: dict[str, Any] = {name: getattr(np, name) for name in (*_UFUNCS, *_DTYPES)}
_NAMESPACE |= {name: _pointer_function(name) for name in POINTERS}
_NAMESPACE |= {
    "inf": np.inf,
    "nan": np.nan,
    "pi": np.pi,
    "e": np.e,
    "bool": np.bool_,
    "at": _MemoryPointer.moved,
    "added": np.add,
    "ordered": lambda x: x,  # np.maximum heeds NaN itself
    "from_ordered": lambda x: x,
    "max": np.maximum,
    "erf": erf_of_array,
    "carray": _array_at,
    "where": lambda c, a, b: a if c else b,
}
for _function in (
    conv.im2col,
    conv.col2im,
    index.take_contiguous,
    index.take_along_contiguous,
    index.scatter_add_contiguous,
    index.scatter_add_along_contiguous,
    pool.window_argmax_contiguous,
    reduce.argmax_contiguous,
    factor.cholesky_contiguous,
    factor.lu_contiguous,
    factor.triangular_solve_contiguous,
    along.cumulative_sum_contiguous,
    along.argsort_contiguous,
):
    _NAMESPACE[_function.__name__] = _function


# ---- kernels ------------------------------------------------------------------------------------


class _InterpretedKernel:
    """The kernel of a source: `address`, to be called with an arena and its arguments."""

    cache_hits = True  # as of a Numba cfunc that was loaded

    def __init__(self, source: str):
        namespace = dict(_NAMESPACE)
        exec(source, namespace)  # the text that codegen.py has written
        kernel = namespace["kernel"]

        def call(arena: Any, args: Any) -> None:
            with np.errstate(all="ignore"):
                kernel(arena, args)

        self._callback = _KERNEL_TYPE(call)  # kept alive, as only its address is handed on
        self.address = ctypes.cast(self._callback, ctypes.c_void_p).value


_kernels: dict[str, _InterpretedKernel] = {}


def _interpret(source: str) -> _InterpretedKernel:
    """The interpreted kernel of a source, one for each source."""
    if source not in _kernels:
        _kernels[source] = _InterpretedKernel(source)
    return _kernels[source]


@contextmanager
def without_compiling() -> Iterator[None]:
    """Programs that are built in this block run interpreted kernels."""
    nothing_missing = patch.object(replay, "second_process", nullcontext)
    with ExitStack() as patches:
        patches.enter_context(nothing_missing)
        for module in (pieces, replay, tree_sum):
            patches.enter_context(patch.object(module, "load_or_compile", _interpret))
        yield


def interpreted_jit(f: Callable) -> Callable:
    """`tm.jit(f)` with interpreted kernels: all that jit does but for the machine code."""
    compiled_f = jit(f)

    @wraps(f)
    def call(*args, **kwargs):
        with without_compiling():
            return compiled_f(*args, **kwargs)

    return call
