"""What a check says of a function that it cannot judge, and what it calls a function."""

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
