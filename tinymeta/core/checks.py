"""Checks of arguments, where they enter: numbers, dtypes, functions.

`caller` is the name of the function that was called, for the sentence of the error; the arguments
are given by keyword, so that it can name them.
"""

import contextlib
import math
import reprlib
from dataclasses import fields
from typing import Any

import numpy as np


def shown(value: Any) -> str:
    """A value for an error message, short and on one line: an array by its dtype and shape."""
    if is_array(value) and not isinstance(value, np.generic):
        return f"{type(value).__name__} {value.dtype}{value.shape}"
    return " ".join(reprlib.repr(value).split())


def is_array(value: Any) -> bool:
    """Is it an array, a tensor, or one of NumPy's numbers?"""
    dtype = getattr(value, "dtype", None)
    shape = getattr(value, "shape", None)
    return isinstance(dtype, np.dtype) and isinstance(shape, tuple)


def is_whole(value: Any) -> bool:
    """Is it an integer: Python's, NumPy's, or a 0-d array or tensor of one? A bool is not."""
    if type(value) is int:
        return True
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind in "iu" and getattr(value, "shape", None) == ()
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Is it a finite float of Python's or NumPy's, or an integer as above?"""
    if isinstance(value, (float, np.floating)):
        return bool(abs(value) < math.inf)  # not for a NaN either
    return is_whole(value)


def check_whole(caller: str, least: int = 1, **numbers: Any) -> list[int]:
    """The numbers as Python ints, which do not wrap around (a uint8 of NumPy's ends at 255).

    Raises ValueError for one that is not a whole number, or below `least`.
    """
    for name, number in numbers.items():
        # No array or tensor of one: it would be kept, and may be another number later.
        integer = isinstance(number, (int, np.integer)) and is_whole(number)
        if not integer or number < least:
            raise ValueError(f"{caller}: {name}={shown(number)} must be a whole number >= {least}")
    return [int(number) for number in numbers.values()]


def plain_integers(dataclass: Any) -> None:
    """Make the integers of NumPy among the fields of a frozen dataclass Python's, in place.

    Products of narrow ones would wrap around: a uint8 ends at 255.
    """
    for field in fields(dataclass):
        value = getattr(dataclass, field.name)
        if isinstance(value, np.integer):
            object.__setattr__(dataclass, field.name, int(value))


def check_real(caller: str, least: float = -math.inf, **numbers: Any) -> None:
    """Raise ValueError for what is no finite number, or one below `least`."""
    for name, number in numbers.items():
        if not is_number(number) or number < least:
            at_least = f" >= {least}" if least > -math.inf else ""
            raise ValueError(f"{caller}: {name}={shown(number)} must be a finite number{at_least}")


def check_share(caller: str, **numbers: Any) -> None:
    """Raise ValueError for a number that is not from 0 to 1."""
    for name, number in numbers.items():
        if not is_number(number) or not 0 <= number <= 1:
            raise ValueError(f"{caller}: {name}={shown(number)} must be a share between 0 and 1")


def check_one_of(caller: str, choices: tuple[str, ...], **values: Any) -> None:
    """Raise ValueError for what is none of `choices`."""
    for name, value in values.items():
        if not isinstance(value, str) or value not in choices:
            wanted = " or ".join(map(repr, choices))
            raise ValueError(f"{caller}: {name} {shown(value)} is not {wanted}")


def check_flag(caller: str, **values: Any) -> None:
    """Raise TypeError for what is not True or False (or 1 or 0)."""
    for name, value in values.items():
        is_bool = isinstance(value, (bool, np.bool_))
        is_bit = is_whole(value) and value in (0, 1)
        if not is_bool and not is_bit:
            raise TypeError(f"{caller}: {name}={shown(value)} must be True or False")


def check_function(caller: str, **values: Any) -> None:
    """Raise TypeError for what cannot be called."""
    for name, value in values.items():
        if not callable(value):
            raise TypeError(f"{caller}: {name} must be a function, got {shown(value)}")


def check_instance(caller: str, kinds: Any, how: str, **values: Any) -> None:
    """Raise TypeError for what is of none of these types; how: words on what they are."""
    for name, value in values.items():
        if not isinstance(value, kinds):
            words = " or ".join(kind.__name__ for kind in np.ravel(kinds))
            raise TypeError(f"{caller}: {name} must be a {words}, {how}, got {shown(value)}")


def check_generator(caller: str, rng: Any) -> None:
    """Raise TypeError for what is no NumPy random generator."""
    check_instance(caller, np.random.Generator, "such as np.random.default_rng(0)", rng=rng)


def as_dtype(dtype: Any) -> np.dtype:
    """A dtype that tensors have, in the machine's byte order. Raises TypeError for another one."""
    found: np.dtype | None = None
    if dtype is not None:  # which NumPy takes for float64
        with contextlib.suppress(TypeError, ValueError):
            found = np.dtype(dtype)
    if found is None or found.kind not in "biuf":
        raise TypeError(
            f"tensors hold bools, integers and floats, not {found or shown(dtype)}: "
            "dtype is such as 'float32', np.int64 or bool"
        )
    return found if found.isnative else found.newbyteorder("=")
