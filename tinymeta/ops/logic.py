"""~ & | ^ of bools, and ~ of integers: names for arithmetic and comparisons that do the same."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, asarray
from . import elementwise


def invert(x: Any) -> Tensor:
    """~x: of bools the opposite; of integers every bit inverted, which puts them in reverse order.

    Raises TypeError for floats.
    """
    x = asarray(x)
    if x.dtype.kind == "b":
        return elementwise.equal(x, False)
    if x.dtype.kind == "f":
        raise TypeError(f"~: {x.dtype} has no opposite: compare first, as in x > 0")
    all_bits = np.iinfo(x.dtype).max if x.dtype.kind == "u" else -1
    return elementwise.sub(all_bits, x)


def _of_bools(sign: str, same: Callable) -> Callable[[Any, Any], Tensor]:
    """The operator `sign` of bools, for which the operation `same` does the same."""

    def operation(a: Any, b: Any) -> Tensor:
        a, b = asarray(a), asarray(b)
        if not a.dtype == b.dtype == bool:
            raise TypeError(
                f"{sign} takes bools, got {a.dtype} and {b.dtype}: compare first, as "
                "in (x > 0) & (x < 1)"
            )
        return same(a, b)

    operation.__name__ = sign
    operation.__doc__ = f"a {sign} b of bool tensors; TypeError for others: compare first."
    return operation


logical_and = _of_bools("&", elementwise.minimum)
logical_or = _of_bools("|", elementwise.maximum)
logical_xor = _of_bools("^", elementwise.not_equal)
