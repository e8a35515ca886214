"""Floats in the order of integers, for maxima of many: the NaN largest, and -0 below +0.

The bits of positive floats, read as an integer, grow with them; those of negative ones fall, so all
of them but the sign are turned over. A loop that keeps the larger of two floats and heeds NaN waits
for each comparison before the next one, while LLVM keeps the largest of integers in a vector.
"""

import numpy as np
from numba import types
from numba.extending import overload

from .inlining import INLINE

_INTEGERS = {types.float32: np.int32, types.float64: np.int64}
_FLOATS = {types.int32: np.float32, types.int64: np.float64}


def ordered(x):
    raise TypeError("ordered of cpu.order works inside compiled kernels alone")


def from_ordered(k):
    raise TypeError("from_ordered of cpu.order works inside compiled kernels alone")


@overload(ordered, jit_options=INLINE)
def _ordered_of_type(x):
    """An integer k(x) of the float's size, with k(x) < k(y) where x < y; of NaN the largest."""
    real, integer = getattr(np, str(x)), _INTEGERS[x]
    shift, all_but_sign = integer(8 * integer().itemsize - 1), np.iinfo(integer).max

    def key(x):
        bits = real(x).view(integer)
        turned = integer(bits ^ (integer(bits >> shift) & integer(all_but_sign)))
        return integer(all_but_sign) if x != x else turned

    return key


@overload(from_ordered, jit_options=INLINE)
def _from_ordered_of_type(k):
    """The float x with ordered(x) = k."""
    integer, real = getattr(np, str(k)), _FLOATS[k]
    shift, all_but_sign = integer(8 * integer().itemsize - 1), np.iinfo(integer).max

    def value(k):
        return integer(k ^ (integer(k >> shift) & integer(all_but_sign))).view(real)

    return value
