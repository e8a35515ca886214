"""Reducing axes: for each kept index, out = op over the dropped ones."""

import numpy as np

# What sums are added up in: NumPy adds the rows of a matrix one after another, and ten million
# float32 numbers would lose three digits of seven, float16 ones all.
WIDE = {np.dtype(np.float16): np.dtype(np.float64), np.dtype(np.float32): np.dtype(np.float64)}


def sum(out, x, *, axes):
    wide = WIDE.get(out.dtype, out.dtype)
    total = out if wide == out.dtype else np.empty(out.shape, wide)
    np.add.reduce(x, axis=axes, dtype=wide, out=total)
    if total is not out:
        np.copyto(out, total, casting="same_kind")


def max(out, x, *, axes):
    np.maximum.reduce(x, axis=axes, out=out)


def argmax(out, x, *, axes):
    np.argmax(x, axis=axes[0], out=out)
