"""What a kernel is called with, as the driver takes it: 64 bits for an address, 32 for a number."""

import ctypes
from ctypes import c_int

INT32_LIMIT = 2**31  # kernels count elements in 32 bits
Address = ctypes.c_uint64


def pack_arguments(args: tuple) -> list:
    """Arrays as the addresses where they begin, ints as 32 bits, tuples of ints one by one.

    An Address stays the object that it is, so that another one can be put into it.

    Raises ValueError for an int that 32 bits do not hold.
    """
    packed: list = []
    for arg in args:
        for value in arg if isinstance(arg, tuple) else (arg,):
            if isinstance(value, Address):
                packed.append(value)
            elif hasattr(value, "address"):
                packed.append(Address(value.address))
            else:
                packed.append(_as_int32(value))
    return packed


def _as_int32(n: int) -> c_int:
    if not -INT32_LIMIT <= n < INT32_LIMIT:
        raise ValueError(f"CUDA: {n} does not fit 32 bits: use smaller batches")
    return c_int(n)
