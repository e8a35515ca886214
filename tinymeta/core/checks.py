"""What callers write, looked at where it enters: numbers, dtypes, functions.

The errors do not say who was called: `naming.py` puts that before them.
"""

import math
import operator
import reprlib
from collections.abc import Callable

import numpy as np


def shown(value) -> str:
    """What came, in a few words on one line: an array by its dtype and shape."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{type(value).__name__} {value.dtype}{value.shape}"
    return " ".join(reprlib.repr(value).split())


def is_whole(value) -> bool:
    """Is it an integer: Python's, NumPy's, or a 0-d array or tensor of one? A bool is none."""
    if type(value) is int:
        return True
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind in "iu" and getattr(value, "shape", None) == ()
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value) -> bool:
    """Is it a finite real number: Python's, NumPy's, or a 0-d array or tensor of one? A bool is none."""
    real = isinstance(value, (float, np.floating))
    return is_whole(value) or real and bool(abs(value) < math.inf)


def whole(what: str, value, least: int = 0) -> int:
    """The value as an int. Raises ValueError, naming what it is, if it is none or less than `least`."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{what} must be a whole number >= {least}, got {shown(value)}")
    return operator.index(value)


def as_dtype(dtype) -> np.dtype:
    """A dtype that tensors have, in the machine's byte order. Raises TypeError for another one."""
    if isinstance(dtype, np.dtype) and dtype.isnative and dtype.kind in "biuf":
        return dtype
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError):
        found = None
    if dtype is None or found is None or found.kind not in "biuf":
        raise TypeError(f"tensors hold bools, integers and floats, not {found or shown(dtype)}: "
                        "dtype is such as 'float32', np.int64 or bool")
    return found.newbyteorder("=")


def as_function(value) -> Callable:
    """Raises TypeError for what cannot be called."""
    if not callable(value):
        raise TypeError(f"a function is needed, got {shown(value)}")
    return value
