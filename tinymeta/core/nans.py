"""`debug_nans`: an interpreter around the current one, which stops at the first NaN."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .device import move
from .primitive import Primitive, run_eagerly
from .scope import describe_scope, setting, state


def debug_nans() -> AbstractContextManager[None]:
    """`with tm.debug_nans():` the first operation that returns a NaN raises FloatingPointError.

    It names the operation, the shapes, the scope (inner step, derivative order) and the first bad
    element.
    """
    inner = state.interpreter or run_eagerly

    def checked(primitive: Primitive, values: list, static: dict) -> Any:
        with np.errstate(invalid="ignore"):  # the error below says more than a warning
            value = inner(primitive, values, static)
        if _has_nan(value):
            is_nan = np.isnan(move(value, "cpu"))
            index = tuple(int(i) for i in np.argwhere(is_nan)[0])
            shapes = ", ".join(f"{v.dtype}{v.shape}" for v in values)
            verb = "was given" if any(_has_nan(v) for v in values) else "made"
            raise FloatingPointError(
                f"{primitive.name}({shapes}) {verb} a NaN, first at index {index} of its result, "
                f"in the {describe_scope()} pass: if a tm.where hides the bad branch, "
                "make the operation's input safe as well"
            )
        return value

    return setting(interpreter=checked)


def _has_nan(value: Any) -> bool:
    return value.dtype.kind == "f" and bool(np.isnan(move(value, "cpu")).any())
