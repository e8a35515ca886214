"""Generated kernels run by Python itself: no compiler, so a thousand programs take a minute.

What a pass may get wrong (which output, which stride, which dtype, what is stored where) is in the
text of a kernel and in the numbers it runs on, and shows just as well when Python follows them. An
interpreted kernel has an address like a compiled one and is called on the same memory, by the same
threads. What it cannot show is what Numba makes of the text: for that, programs are compiled, too.
"""

import ctypes
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from unittest.mock import patch

import numpy as np

from ..jit import replay
from ..jit.compile import jit
from ..jit.machine import POINTERS

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))
UFUNCS = (
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan arcsin arccos arctan arctan2 "
    "sinh cosh tanh arcsinh arccosh arctanh floor ceil trunc rint absolute sign power fmod "
    "hypot copysign isnan isfinite square reciprocal maximum minimum"
).split()


class Pointer:
    """A place in memory where elements of one dtype lie, behind and before it."""

    def __init__(self, dtype: type, address: int):
        self.dtype, self.address = dtype, address
        self.element = np.ctypeslib.as_ctypes_type(dtype)
        self.size = np.dtype(dtype).itemsize

    def at(self, index: int):
        return self.element.from_address(self.address + int(index) * self.size)

    def __getitem__(self, index):
        return self.dtype(self.at(index).value)

    def __setitem__(self, index, value):
        self.at(index).value = self.dtype(value).item()

    def moved(self, index: int) -> "Pointer":
        return Pointer(self.dtype, self.address + int(index) * self.size)


def opened(name: str):
    """float32_at(arena, byte), and its like."""
    dtype = getattr(np, name.removesuffix("_at"))
    return lambda arena, byte: Pointer(dtype, arena + byte)


NAMES = {name: getattr(np, name) for name in UFUNCS}
NAMES |= {name: opened(name) for name in POINTERS}
NAMES |= {
    name: getattr(np, name)
    for name in (
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    )
}
NAMES |= {
    "inf": np.inf,
    "nan": np.nan,
    "pi": np.pi,
    "e": np.e,
    "bool": np.bool_,
    "at": Pointer.moved,
    "added": np.add,
    "where": lambda c, a, b: a if c else b,
}


class Interpreted:
    """The kernel of a source: `address`, to be called with an arena and a row of int64."""

    cache_hits = True

    def __init__(self, source: str):
        space = dict(NAMES)
        exec(source, space)  # the text that codegen.py has written
        kernel = space["kernel"]

        def run(arena, row):
            with np.errstate(all="ignore"):
                kernel(arena, row)

        self.called = KERNEL(run)  # kept: the address is its
        self.address = ctypes.cast(self.called, ctypes.c_void_p).value


kernels: dict[str, Interpreted] = {}


def interpreted(source: str) -> Interpreted:
    if source not in kernels:
        kernels[source] = Interpreted(source)
    return kernels[source]


@contextmanager
def without_compiling():
    """Programs that are made ready in this block run interpreted kernels."""
    with patch.multiple(replay, compiled=interpreted, compile_missing=lambda sources: None):
        yield


def interpreted_jit(f: Callable) -> Callable:
    """`tm.jit(f)`, whose kernels are interpreted: all that jit does but for the machine code."""
    compiled = jit(f)

    @wraps(f)
    def call(*args, **kwargs):
        with without_compiling():
            return compiled(*args, **kwargs)

    return call
