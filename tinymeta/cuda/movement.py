"""Moving elements: views are new strides on the same memory, copies are loops of no statement.

A copy that reads or writes along a large stride touches a line of memory for each element: so views
are kept as long as a kernel can read them by their strides.
"""

from typing import Any

from ..core import strides as strides_of
from .array import Array, allocate
from .loop_source import LoopBody, LoopResult
from .loops import run_loop


def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """A view where the elements lie evenly enough, else a copy."""
    strides = strides_of.reshaped(x.shape, x.strides, shape)
    if strides is None:
        return contiguous(x).view(shape, strides_of.dense(shape))
    return x.view(shape, strides)


def transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    return x.view(tuple(x.shape[i] for i in axes), tuple(x.strides[i] for i in axes))


def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    return x.view(shape, strides_of.broadcast(x.shape, x.strides, shape))


def slice(x: Array, *, slices: tuple) -> Array:
    """The view through `slices`, one built-in slice for each of the first axes."""
    offset, shape, strides = strides_of.sliced(x.shape, x.strides, slices)
    return x.view(shape + x.shape[len(slices) :], strides + x.strides[len(slices) :], offset)


def flip(x: Array, *, axes: tuple[int, ...]) -> Array:
    offset, strides = strides_of.flipped(x.shape, x.strides, axes)
    return x.view(x.shape, strides, offset)


def astype(out: Array, x: Array, *, dtype: Any) -> None:
    """out = x, in the dtype of `out`."""
    copy(out, x)


def pad(out: Array, x: Array, *, widths: tuple[tuple[int, int, int], ...]) -> None:
    """out = 0;  out[lo + i * (gap + 1)] = x[i]  along each axis, for widths (lo, hi, gap)."""
    fill(out)
    offset = sum(lo * s for (lo, _, _), s in zip(widths, out.strides))
    steps = tuple((gap + 1) * s for (_, _, gap), s in zip(widths, out.strides))
    if x.size:
        copy(out.view(x.shape, steps, offset), x)


def concatenate(out: Array, *xs: Array, axis: int) -> None:
    begin = 0
    for x in xs:
        copy(out.view(x.shape, out.strides, begin * out.strides[axis]), x)
        begin += x.shape[axis]


# ---- what they are made of ----------------------------------------------------------------------


def copy(out: Array, x: Array) -> None:
    """out = x, in the dtype of out."""
    value = "x0 != 0" if out.dtype == bool else "x0"
    body = LoopBody((x.dtype.name,), (("y", value),), (LoopResult("y", out.dtype.name),))
    run_loop(body, out.shape, [(x, x.strides)], [(out, out.strides)])


def fill(out: Array) -> None:
    """out = 0"""
    body = LoopBody((), (), (LoopResult("0", out.dtype.name),))
    run_loop(body, out.shape, [], [(out, out.strides)])


def contiguous(x: Array) -> Array:
    """x itself if its elements lie one after another, else a copy."""
    if x.is_dense:
        return x
    out = allocate(x.shape, x.dtype)
    copy(out, x)
    return out
