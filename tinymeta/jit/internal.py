"""Internal primitives: operations that only the compiler uses, as a matrix of windows.

Each is a row of `INTERNAL`, which lower.py, legalize.py and window_rows.py fill.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.primitive import registry


class Internal(NamedTuple):
    """A primitive that only the compiler uses: it has no derivative, as gradients are traced."""

    shape: Callable  # (inputs, static) -> shape, dtype
    kernel: Callable  # kernel(out, *arrays, **static) fills `out`


INTERNAL: dict[str, Internal] = {}  # by name


def operation(name: str) -> Any:
    """The primitive or internal primitive of this name; it has a shape rule `shape`."""
    return INTERNAL[name] if name in INTERNAL else registry[name]
