"""An error names the function that the user called, not one that this is made of.

`softmax` is made of `max` and `sum`, `stack` of `concatenate`. Inside, each function begins its
errors with its own name and a colon; where the user calls in, that prefix is exchanged.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

ARGUMENT_ERRORS = (ValueError, TypeError, IndexError, OverflowError)
_PREFIX = re.compile(r"\A\w+: ")  # what a function inside has put in front


def with_error_prefix(name: str, function: Callable) -> Callable:
    """The function, whose argument errors begin with this name."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ARGUMENT_ERRORS as error:
            prefix_error(error, name)
            raise

    return called


def prefix_error(error: Exception, name: str) -> None:
    """Have an error begin with the name; subclasses of ARGUMENT_ERRORS are left as they are."""
    text = str(error)
    if type(error) in ARGUMENT_ERRORS and not text.startswith(name):
        without_prefix = _PREFIX.sub("", text)
        error.args = (f"{name}: {without_prefix}",)
