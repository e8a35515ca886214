"""What a compiled kernel is called with: a block of memory, and numbers that say where in it.

A kernel is a function `void(arena, args)`. `arena` is the address of the block; `args` is an array
of int64: bytes of the block where arrays begin, sizes, strides in elements. The intrinsics here
turn a byte of the block into a pointer of some dtype, and are part of the machine code of every
kernel: so they are in this room, on all of whose files a kernel's name on disk depends (native.py).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ARENA, ARGS = types.CPointer(types.uint8), types.CPointer(types.int64)
SIGNATURE = types.void(ARENA, ARGS)
OPTIONS = dict(nopython=True, fastmath={"contract"}, error_model="numpy")
# Every operation rounds: which product of a sum is made one instruction with it depends on LLVM.
EXACT_OPTIONS = {**OPTIONS, "fastmath": False}


def _pointer_to(element: Any) -> Callable:
    """The intrinsic `pointer(arena, byte)` for elements of this Numba type."""

    @intrinsic
    def pointer(typing, arena, byte):
        """The pointer to an element that begins at this byte of the arena."""

        def code(context, b, signature, args):
            place = b.gep(args[0], [args[1]])
            return b.bitcast(place, context.get_value_type(signature.return_type))

        return types.CPointer(element)(arena, byte), code

    return pointer


_NAMES = (
    "float32",
    "float64",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
)
POINTERS = {f"{name}_at": _pointer_to(getattr(types, name)) for name in _NAMES}
# The name of a dtype in a kernel's source; bools are bytes in memory.
DTYPES = {np.dtype(name): name for name in _NAMES}
DTYPES[np.dtype(bool)] = "bool"


@intrinsic
def added(typing, total, x):
    """total + x in a sum whose order is free: LLVM may keep it in several SIMD lanes."""

    def code(context, b, signature, args):
        return b.fadd(*args, flags=("reassoc", "contract"))

    return total(total, total), code


@intrinsic
def as_address(typing, pointer):
    """A pointer as an integer address."""
    return types.int64(pointer), lambda c, b, s, args: b.ptrtoint(args[0], ir.IntType(64))


@intrinsic
def copy_bytes(typing, to, source, count):
    """Copy `count` bytes from one address to another."""

    def code(context, b, signature, args):
        to, source = (b.inttoptr(a, ir.IntType(8).as_pointer()) for a in args[:2])
        cgutils.raw_memcpy(b, to, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(to, source, count), code


@intrinsic
def call_product(typing, address, pointers, numbers):
    """Call the function `product` of gemm.py that lies at this address.

    pointers: out, x, y and the workspace. numbers: m, n, count, and the strides, as it has them.
    """

    def code(context, b, signature, args):
        parts = [*cgutils.unpack_tuple(b, args[1]), *cgutils.unpack_tuple(b, args[2])]
        kind = ir.FunctionType(ir.VoidType(), [part.type for part in parts])
        b.call(b.inttoptr(args[0], kind.as_pointer()), parts)
        return context.get_dummy_value()

    return types.void(address, pointers, numbers), code
