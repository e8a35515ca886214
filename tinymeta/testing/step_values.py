"""What a random training step makes of its values: views, casts, joins, ints, gradients of slices.

In: an array, or a list of them; out: values of a result. They are the ways in which a compiled step
may keep no array for a value: seen through a view, cast and cast back, cut out of a longer vector.
And they are what becomes of numbers that are not finite.
"""

from typing import Any

import numpy as np

from .. import ops
from ..core.grad import grad
from ..core.tensor import asarray

_SPECIAL = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.5, -2.0])


def cast_twice(y: Any) -> Any:
    """3 y, computed in float32 and returned in float64."""
    single: Any = ops.astype(y, np.float32)
    return ops.astype(single * 3.0, np.float64)


def views(y: Any) -> list:
    """Values computed from views of y: broadcasts, flips, slices, transposes, reshapes of these."""
    repeated: Any = ops.broadcast_to(y, (2, *y.shape))
    found = [ops.sum(repeated, 0), repeated * 1.5]
    if y.ndim:
        found.append(ops.flip(y, -1))  # a negative stride
        found.append(y[..., ::2])  # a longer one
        found += [ops.flip(y, 0), y[1:]]
        found.append(ops.reshape(ops.flip(y, -1), (1, *y.shape)) * 2.0)  # with an axis more: a view
        found.append(ops.reshape(ops.flip(y, -1), -1))  # no view: its strides are no vector's
    if y.ndim > 1:
        swapped: Any = ops.swapaxes(y, -1, -2)
        found.append(swapped)
        found.append(ops.reshape(swapped * 2.0, -1))
        found.append(ops.moveaxis(ops.transpose(y), 0, 1))
        if y.ndim == 2:
            product: Any = swapped @ y[..., :1]
            found.append(product * 0.5)
        else:
            found.append(ops.transpose(ops.moveaxis(y, 0, -1)))
    return found


def packed_and_cut(values: list) -> list:
    """Each value, cut out of a vector of all of them, the gradient of what is made of that by each,
    and a number in which all these gradients count."""
    arrays: list[Any] = [asarray(y) for y in values]
    if not arrays:
        return []

    def cut_out(arrays: list) -> list:
        packed = ops.concatenate([ops.reshape(y, -1) for y in arrays])
        cuts = []
        begin = 0
        for y in arrays:
            end = begin + y.size
            cuts.append(packed[begin:end])
            begin = end
        return cuts

    def kept(arrays: list) -> list:
        return [ops.tanh(y) for y in arrays]

    def total(arrays: list) -> Any:
        again = ops.checkpoint(kept)(arrays)  # which packs them, too
        return sum(ops.sum(y * y) for y in again)

    if any(y.dtype.kind != "f" for y in arrays):  # integers have no gradient
        return cut_out(arrays)
    gradients = grad(total)(arrays)
    all_together = sum(ops.sum(g) for g in gradients)
    return [*cut_out(arrays), *gradients, all_together]


def integers(x: Any) -> list:
    """Ints and bools computed from x, exact in any dtype."""
    mask = x > 0.3
    bytes_: Any = ops.astype(mask, np.uint8)
    signed: Any = ops.astype(mask, np.int32)
    small = bytes_ * 200 + bytes_ * 100  # 44: it wraps around
    found = [mask, small, small > 100]
    found.append(ops.astype(small, np.float32) * 0.5)
    found += [ops.sum(mask), signed - 3]
    if not x.ndim:
        return found
    found += [ops.argmax(x, -1), ops.sum(mask, 0)]
    found += [ops.max(mask, -1), ops.min(signed - 3, -1)]
    found += [ops.argmax(x, x.ndim // 2), ops.pad(mask, 1)]
    found.append(ops.concatenate([small, bytes_], -1))
    if x.ndim > 1:
        product: Any = ops.swapaxes(small, -1, -2) @ small
        found += [product, ops.argmax(mask, 1)]
        found.append(ops.take(small, [0, -1], 1))
    return found


def gradient_of_slices(y: Any) -> list:
    """The derivative of what is made of y in three slices, and of the middle one once more; and
    slices of that of two that overlap, which remains a sum of padded parts."""
    n = y.shape[-1]
    begin, end = n // 3, n - n // 3

    def apart(y):
        left, middle, right = y[..., :begin], y[..., begin:end], y[..., end:]
        parts = (left, middle, right, middle * 0.5)
        return sum(ops.sum(ops.sin(part)) for part in parts)

    def overlapping(y):
        return ops.sum(ops.sin(y[..., :end])) + ops.sum(ops.cos(y[..., begin:]))

    if not begin:
        return [grad(apart)(y)]
    found: Any = grad(overlapping)(y)
    return [grad(apart)(y), found[..., :begin], found[..., begin:end], found[..., end:]]


def extremes(y: Any) -> list:
    """The largest and smallest of an array without ties, of all and along its first axis; the
    gradient of their product."""
    if not y.ndim or y.dtype.kind != "f":
        return [ops.max(y), ops.min(y)]
    along = [ops.max(y, 0), ops.min(y, 0)]
    return [*along, ops.max(y), grad(lambda y: ops.sum(ops.max(y) * ops.min(y, 0)))(y)]


def not_finite(number: Any) -> list:
    """What is made of NaN, infinities and both zeros, behind masks and before them, and gradients.

    number: positive; it is not known before a call, so neither is any of this.
    """

    def masked(x):
        logs = ops.where(x > 0, ops.log(ops.relu(x)), 0.0)
        return ops.sum(ops.where(x < np.inf, logs, 0.0))

    def of_those_that_count(x):
        return ops.logsumexp(ops.where(ops.isfinite(x), x, -np.inf))

    with np.errstate(all="ignore"):
        x: Any = asarray(_SPECIAL) * number
        lost = ops.softmax(ops.where(x[3:] < 0, -np.inf, x[3:]))
        found = [x, 1.0 / (x + 0.0), x * 0.0, x - x, ops.relu(x), ops.maximum(x, 0.0), lost]
        found += [ops.max(x), ops.min(x[3:]), ops.sum(x[3:]), 1.0 / ops.sum(x[4:5]), ops.isnan(x)]
        return [*found, grad(masked)(x), grad(of_those_that_count)(x), ops.argmax(x)]


def with_gaps(x: np.ndarray) -> np.ndarray:
    """The same array, with another row in memory after each of its rows."""
    if not x.ndim:
        return x
    spaced = np.full((2 * len(x), *x.shape[1:]), 77, x.dtype)[::2]
    spaced[...] = x
    return spaced
