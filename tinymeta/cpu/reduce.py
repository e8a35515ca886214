"""Reducing axes: for each kept index, out = op over the dropped ones."""

from math import prod

import numpy as np

from .native import native

LOOPED = np.dtype(np.float32)
BLOCK = 8192  # elements in a buffer of NumPy's
# What other sums are added up in, where that is wider than what they are.
WIDE = {np.dtype(np.float16): np.float64, LOOPED: np.float64}


def sum(out, x, *, axes):
    """for each kept index:  out = sum over the dropped ones, within a few roundings of the result.

    NumPy adds the rows of a matrix one after another, so that ten million float32 numbers would
    lose three digits of seven, float16 ones all. These are added up in float64. Along the last axis
    it adds in pairs, which is as good for float32 as long as it has all of them in its buffer.
    """
    first, last = (axes[0], axes[-1] + 1) if axes else (0, 0)
    one_range = len(axes) == last - first
    if x.dtype == LOOPED and one_range and x.flags.c_contiguous:
        shape = prod(x.shape[:first]), prod(x.shape[first:last]), prod(x.shape[last:])
        if shape[2] == 1:
            _sum_rows(out.reshape(shape[0]), x.reshape(shape[:2]))
        else:
            _sum(out.reshape(shape[0], shape[2]), x.reshape(shape))
        return
    total = np.add.reduce(x, axis=axes, dtype=WIDE.get(out.dtype, out.dtype))
    np.copyto(out, total, casting="same_kind")


def _sum_rows(out, x):
    """for a:  out[a] = sum_j x[a, j], in pairs within a block, the blocks in float64"""
    whole = x.shape[1] - x.shape[1] % BLOCK
    if not whole:
        np.add.reduce(x, axis=1, out=out)
        return
    blocks = x[:, :whole].reshape(len(x), -1, BLOCK)
    out[:] = np.add.reduce(np.add.reduce(blocks, axis=2), axis=1, dtype=np.float64)
    out += np.add.reduce(x[:, whole:], axis=1)


@native()
def _sum(out, x):
    """for a, b:  out[a, b] = sum_j x[a, j, b], added up in float64"""
    total = np.empty(x.shape[2], np.float64)
    for a in range(x.shape[0]):
        total[:] = 0
        for j in range(x.shape[1]):
            for b in range(x.shape[2]):
                total[b] += x[a, j, b]
        for b in range(x.shape[2]):
            out[a, b] = total[b]


def max(out, x, *, axes):
    np.maximum.reduce(x, axis=axes, out=out)


def argmax(out, x, *, axes):
    np.argmax(x, axis=axes[0], out=out)
