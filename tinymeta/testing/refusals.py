"""What a check says of a function that it cannot judge, and what it calls a function."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Vacuous(ValueError):
    """A check that could not have failed, whatever the derivative rules are."""


class NoRule(ValueError):
    """Nobody said what the derivative of a foreign function is."""


def vacuous_error(check_name: str, name: str) -> Vacuous:
    return Vacuous(
        f"{check_name}: {name} does not move with its inputs, or by no more than rounding, "
        "so the check could not fail: choose inputs where it moves"
    )


def name_of(f: Any) -> str:
    return getattr(f, "__name__", repr(f))


@contextmanager
def rule_errors_as_failures(check_name: str) -> Iterator[None]:
    """A block in which derivatives are taken: a ValueError in it becomes an AssertionError.

    The engine raises it for a gradient that has not the shape and dtype of its input, and names the
    rule. NoRule stays: that nobody has written a rule is no mistake in it.
    """
    try:
        yield
    except NoRule:
        raise
    except ValueError as error:
        raise AssertionError(f"{check_name}: {error}") from error
