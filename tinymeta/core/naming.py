"""An error speaks of the function that the user called, not of one that this is made of.

`softmax` is made of `max` and `sum`, `stack` of `concatenate`. Below the door of the public
functions each says its own name, and at the door the first word, a name and a colon, is exchanged.
"""

import functools
import re
from collections.abc import Callable

REFUSED = (ValueError, TypeError, IndexError, OverflowError)
NAMED = re.compile(r"\w+: ")


def speaking(name: str, function: Callable) -> Callable:
    """The function, whose errors begin with this name."""

    @functools.wraps(function)
    def called(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except REFUSED as error:
            rename(error, name)
            raise

    return called


def rename(error: Exception, name: str) -> None:
    """Have an error begin with the name; one of a kind of its own tells of something else."""
    text = str(error)
    if type(error) in REFUSED and not text.startswith(name):
        error.args = (f"{name}: {NAMED.sub('', text, count=1) if NAMED.match(text) else text}",)
