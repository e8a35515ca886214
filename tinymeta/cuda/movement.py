"""Moving elements: views are new strides on the same memory, copies are loops of no statement.

A copy that reads or writes along a large stride touches a line of memory for each element: so views
are kept as long as a kernel can walk them.
"""

from ..core import strides as strides_of
from . import loops
from .array import Array, allocate


def reshape(x, *, shape):
    """A view where the elements lie evenly enough, else a copy."""
    strides = strides_of.reshaped(x.shape, x.strides, shape)
    return (
        contiguous(x).view(shape, strides_of.dense(shape))
        if strides is None
        else x.view(shape, strides)
    )


def transpose(x, *, axes):
    return x.view(tuple(x.shape[i] for i in axes), tuple(x.strides[i] for i in axes))


def broadcast_to(x, *, shape):
    return x.view(shape, strides_of.broadcast(x.shape, x.strides, shape))


def slice(x, *, slices):
    offset, shape, strides = strides_of.sliced(x.shape, x.strides, slices)
    return x.view(shape + x.shape[len(slices) :], strides + x.strides[len(slices) :], offset)


def flip(x, *, axes):
    offset, strides = strides_of.flipped(x.shape, x.strides, axes)
    return x.view(x.shape, strides, offset)


def astype(out, x, *, dtype):
    copy(out, x)


def pad(out, x, *, widths):
    """out = 0;  out[lo + i * (gap + 1)] = x[i]  along each axis, for widths (lo, hi, gap)."""
    fill(out)
    offset = sum(lo * s for (lo, _, _), s in zip(widths, out.strides))
    steps = tuple((gap + 1) * s for (_, _, gap), s in zip(widths, out.strides))
    if x.size:
        copy(out.view(x.shape, steps, offset), x)


def concatenate(out, *xs, axis):
    begin = 0
    for x in xs:
        copy(out.view(x.shape, out.strides, begin * out.strides[axis]), x)
        begin += x.shape[axis]


# ---- what they are made of ----------------------------------------------------------------------


def copy(out: Array, x: Array):
    """out = x, in the dtype of out."""
    value = "x0 != 0" if out.dtype == bool else "x0"
    body = loops.Body((x.dtype.name,), (("y", value),), (loops.Result("y", out.dtype.name),))
    loops.run(body, out.shape, [(x, x.strides)], [(out, out.strides)])


def fill(out: Array):
    """out = 0"""
    body = loops.Body((), (), (loops.Result("0", out.dtype.name),))
    loops.run(body, out.shape, [], [(out, out.strides)])


def contiguous(x: Array) -> Array:
    """x itself if its elements lie one after another, else a copy."""
    if x.is_dense:
        return x
    out = allocate(x.shape, x.dtype)
    copy(out, x)
    return out
