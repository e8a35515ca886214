"""A fault in the compiler, for a `with` block: a wrong function in the place of a right one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest.mock import patch


class Fault(NamedTuple):
    """A fault of a pass: what is wrong, and the patch that makes it so for a `with` block."""

    part: str  # the file it is in
    what: str
    planted: Callable[[], AbstractContextManager]


FAULTS: list[Fault] = []


def fault(part: str, what: str, where: Any, name: str) -> Callable:
    """A decorator that adds a fault: `where.name` is replaced by a wrong function.

    The decorated function takes the right one and returns the wrong one.
    """

    def add(wrong_from_right: Callable) -> Callable:
        def planted() -> AbstractContextManager:
            return patch.object(where, name, wrong_from_right(getattr(where, name)))

        FAULTS.append(Fault(part, what, planted))
        return wrong_from_right

    return add
