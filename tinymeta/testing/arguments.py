"""Random calls of the public functions, most with an argument or two that are wrong.

A call ends in a result, or in an error that we raise ourselves: one sentence that says which
function was called. Whatever else comes out, an error of NumPy's or Python's own, a warning, an
error in the name of another function, is a failure.

    python -m tinymeta.testing.arguments --minutes 10
"""

import dis
import re
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from .calls import names, parameters, public, right, value, wrong
from .survey import Survey, command

PACKAGE = str(Path(__file__).parent.parent)
REFUSED = (ValueError, TypeError, IndexError, OSError, FloatingPointError, OverflowError)
ARGUMENT = "<string>"  # where an argument is written that is a function: it may do anything


class Call(NamedTuple):
    """A function and its arguments, as texts."""

    function: str
    args: tuple[str, ...]
    kwargs: tuple[tuple[str, str], ...] = ()

    def __str__(self):
        given = [*self.args, *(f"{name}={text}" for name, text in self.kwargs)]
        return f"{self.function}({', '.join(given)})"


@st.composite
def calls(draw, functions: tuple[str, ...] = ()) -> Call:
    """A call of one of the functions, of any if none are given; it shrinks to right arguments."""
    function = draw(st.sampled_from(functions or public()))
    given = [p for p in parameters(function) if p.kind is not p.VAR_KEYWORD]
    most = draw(st.sampled_from([0, 1, 1, 1, 2]))
    bad = draw(st.sets(st.sampled_from(given), max_size=most)) if given and most else set()
    args, kwargs = [], []
    for p in given:
        if p.default is p.empty or p in bad or draw(st.booleans()):
            text = draw(st.sampled_from(wrong(p.name) if p in bad else right(function, p.name)))
            if p.default is p.empty and p.kind is not p.KEYWORD_ONLY:
                args.append(text)
            else:
                kwargs.append((p.name, text))
    return Call(function, tuple(args), tuple(kwargs))


def check_call(call: Call, seed: int = 0) -> str:
    """Make the call. Raises AssertionError for an outcome that nobody promised."""
    function = value(call.function)
    args, kwargs = [value(a) for a in call.args], {name: value(a) for name, a in call.kwargs}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # the log of 0 is -inf
            warnings.simplefilter("error")
            function(*args, **kwargs)
    except REFUSED as error:
        if blame := wrong_with(error, names(call.function)):
            raise AssertionError(f"{type(error).__name__}: {error}\n{blame}") from error
    except Exception as error:
        if innermost(error).tb_frame.f_code.co_filename != ARGUMENT:
            raise AssertionError(
                f"{type(error).__name__}: {error}\nis none of the errors that a "
                "wrong argument raises"
            ) from error
    return "checked"


def wrong_with(error: Exception, name: str) -> str:
    """What keeps an error from being ours: "" if nothing."""
    text, trace = str(error), innermost(error)
    code = trace.tb_frame.f_code
    if code.co_filename == ARGUMENT:
        return ""
    if "\n" in text or not text:
        return "is not one sentence"
    if not re.search(name, text):
        return f"does not name the function that was called, {name}"
    if not code.co_filename.startswith(PACKAGE):
        return f"comes out of {Path(code.co_filename).name}"
    if dis.opname[code.co_code[trace.tb_lasti]] != "RAISE_VARARGS":
        return f"is raised by a line, not by us ({Path(code.co_filename).name}:{trace.tb_lineno})"
    return ""


def innermost(error: Exception):
    """The last part of its traceback."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace


def survey(functions: tuple[str, ...] = ()) -> Survey:
    """A search for a call, of one of the functions if some are given, that ends badly."""
    return Survey(calls(functions), check_call)


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if a call ended badly."""
    parser = command("arguments", "Call public functions with wrong arguments.")
    options = parser.parse_args(arguments)
    return survey().run_for(options.minutes, options.seed)


if __name__ == "__main__":
    sys.exit(main())
