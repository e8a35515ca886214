"""~ & | ^ of bools, and ~ of integers: names for arithmetic and comparisons that do the same."""

import numpy as np

from ..core.tensor import Tensor, asarray
from . import elementwise


def invert(x) -> Tensor:
    """~x: the opposite of bools; of integers, which it puts in reverse order, every bit turned."""
    x = asarray(x)
    if x.dtype.kind == "b":
        return elementwise.equal(x, False)
    if x.dtype.kind == "f":
        raise TypeError(f"~: {x.dtype} has no opposite: compare first, as in x > 0")
    ones = np.iinfo(x.dtype).max if x.dtype.kind == "u" else -1  # all bits
    return elementwise.sub(ones, x)


def of_bools(sign: str, same):
    """The operation written `sign`, which for bools is the same as another one."""

    def operation(a, b) -> Tensor:
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


both = of_bools("&", elementwise.minimum)
either = of_bools("|", elementwise.maximum)
differ = of_bools("^", elementwise.not_equal)
