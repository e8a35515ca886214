"""Tensors from nothing: constants, float32 unless asked otherwise."""

import math
from typing import Any

import numpy as np

from ..core.checks import as_dtype, check_whole, is_number, shown
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from .broadcast import broadcast_to
from .checks import as_shape
from .elementwise import equal
from .movement import astype, expand_dims


def full(shape: Any, value: Any, dtype: Any = None) -> Tensor:
    """A tensor of one value; a tensor as the value gets its gradient.

    Raises ValueError for a negative size, as do the others here.
    """
    value = asarray(value, dtype)
    repeated = broadcast_to(value, as_shape("full", shape))
    is_known = isinstance(value.value, np.ndarray)
    if value.serial or not is_known:
        return repeated
    in_own_memory = np.array(repeated.value, order="C")
    return asarray(in_own_memory)


def zeros(shape: Any, dtype: Any = np.float32) -> Tensor:
    """A tensor of zeros; shape: an int or a tuple of ints."""
    array = np.zeros(as_shape("zeros", shape), as_dtype(dtype))
    return asarray(array)


def ones(shape: Any, dtype: Any = np.float32) -> Tensor:
    """A tensor of ones; shape: an int or a tuple of ints."""
    array = np.ones(as_shape("ones", shape), as_dtype(dtype))
    return asarray(array)


def arange(*bounds: Any, dtype: Any = None) -> Tensor:
    """The numbers from `start` up to `stop`, without it, in steps of `step`: (n,).

    bounds: stop; or start, stop; or start, stop, step. dtype: by default int64 for integers,
    float32 for floats, their own for NumPy's floating scalars.
    Raises TypeError for what are no numbers, ValueError for more than fit the memory.
    """
    are_numbers = all(map(is_number, bounds))
    if not 1 <= len(bounds) <= 3 or not are_numbers or bounds[2:] == (0,):
        raise TypeError(
            f"arange takes 1 to 3 numbers, a step that is not 0 as the third, not {shown(bounds)}"
        )
    if dtype is not None:
        dtype = as_dtype(dtype)
        if dtype.kind == "b":
            raise TypeError("arange counts in numbers, and bools are none")
    elif any(isinstance(b, (float, np.floating)) for b in bounds):
        numpy_floats = [b for b in bounds if isinstance(b, np.floating)]
        dtype = np.result_type(*numpy_floats) if numpy_floats else np.float32
    start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    try:
        count = math.ceil((stop - start) / step)
    except OverflowError:
        raise ValueError(
            f"arange: from {shown(start)} to {shown(stop)} in steps of {shown(step)} there are "
            "more numbers than any memory holds: take a larger step"
        ) from None
    as_shape("arange", max(0, count))  # raises for more than the memory
    array = np.arange(*bounds, dtype=dtype)
    return asarray(array)


def eye(n: int, m: int | None = None, dtype: Any = np.float32) -> Tensor:
    """The identity matrix (n, m), ones on its diagonal; m is n by default."""
    if m is None:
        m = n
    rows, columns = as_shape("eye", (n, m))
    array = np.eye(rows, columns, dtype=as_dtype(dtype))
    return asarray(array)


def zeros_like(x: Any) -> Tensor:
    """Zeros of the shape and dtype of `x`."""
    x = asarray(x)
    return zeros(x.shape, x.dtype)


def ones_like(x: Any) -> Tensor:
    """Ones of the shape and dtype of `x`."""
    x = asarray(x)
    return ones(x.shape, x.dtype)


def one_hot(labels: Any, classes: int, dtype: Any = np.float32) -> Tensor:
    """(..,) integers -> (.., classes), 1 at the label.

    Raises ValueError for labels outside 0..classes-1; those that are not known yet, as a compiled
    program makes them, get a row of zeros.
    """
    return astype(is_class("one_hot", labels, classes), dtype)


def is_class(name: str, labels: Any, classes: int) -> Tensor:
    """`one_hot` as bools; name: the function that errors speak of."""
    labels = asarray(labels)
    check_whole(name, 0, classes=classes)

    def check(values: np.ndarray) -> None:
        are_inside = True
        span = ""
        if values.size:
            least, largest = values.min(), values.max()
            are_inside = 0 <= int(least) <= int(largest) < classes
            span = f" from {least} to {largest}"
        if values.dtype.kind not in "iu" or not are_inside:
            raise ValueError(
                f"{name}: labels must be integers from 0 to {classes - 1}, got {values.dtype}{span}"
            )

    without_values = np.zeros(0, labels.dtype)
    check(without_values)  # the dtype, if the values are not known yet
    require(labels, check)
    as_shape(name, (*labels.shape, classes))
    return equal(expand_dims(labels, -1), np.arange(classes))
