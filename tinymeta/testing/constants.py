"""Which arguments of a foreign function move, and which stay as they are."""

from collections.abc import Callable, Iterable
from typing import Any

from ..core.tensor import Tensor


class Constant:
    """An argument that a check does not move: not an array, so that none is cast or drawn."""

    def __init__(self, value: Any):
        self.value = value


def split_arguments(leaves: Iterable, moves: Callable, to_numpy: Callable) -> list:
    """The leaves: those that move as NumPy arrays, all others that are no numbers `Constant`."""
    found: list[Any] = []
    for k, x in enumerate(leaves):
        if moves(k, x):
            found.append(to_numpy(x))
        elif isinstance(x, Tensor):
            found.append(x.numpy())
        else:
            found.append(Constant(x))
    return found
