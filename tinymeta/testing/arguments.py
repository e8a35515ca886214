"""Calls of the public functions, most with an argument or two that are wrong.

A call ends in a result, or in an error that we raise ourselves: one sentence that says which
function was called. Whatever else comes out, an error of NumPy's or Python's own, a warning, an
error in the name of another function, is a failure.

Each wrong argument alone is a list that can be gone through (`each_wrong_argument`, some 26,000
calls); for what two do together there is a search:

    python -m tinymeta.testing.arguments --minutes 10
"""

import dis
import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from .argument_texts import eval_text
from .calls import (
    error_name_pattern,
    has_slow_default,
    parameters_of,
    public_callables,
    right_texts,
)
from .survey import Survey, command
from .wrong_argument_texts import wrong_texts

PACKAGE = str(Path(__file__).parent.parent)
REFUSED = (ValueError, TypeError, IndexError, OSError, FloatingPointError, OverflowError)
_ARGUMENT = "<string>"  # where an argument is written that is a function: it may do anything


class Call(NamedTuple):
    """A function and its arguments, as texts."""

    function: str
    args: tuple[str, ...]
    kwargs: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        given = [*self.args, *(f"{name}={text}" for name, text in self.kwargs)]
        return f"{self.function}({', '.join(given)})"


@st.composite
def _random_calls(draw: st.DrawFn, functions: tuple[str, ...] = ()) -> Call:
    """A call of one of the functions, of any if none are given; it shrinks to right arguments."""
    function = draw(st.sampled_from(functions or public_callables()))
    parameters = _named_parameters(function)
    most = draw(st.sampled_from([0, 1, 1, 1, 2]))
    bad: set = set()
    if parameters and most:
        bad = draw(st.sets(st.sampled_from(parameters), max_size=most))
    texts = {}
    for p in parameters:
        needed = p in bad or _is_needed(function, p)
        if needed or draw(st.booleans()):
            choices = wrong_texts(p.name) if p in bad else right_texts(function, p.name)
            texts[p.name] = draw(st.sampled_from(choices))
    return _call(function, texts)


def each_wrong_argument(functions: tuple[str, ...] = ()) -> Iterator[Call]:
    """Every wrong text for every parameter of every function, what else it needs being right."""
    for function in functions or public_callables():
        parameters = _named_parameters(function)
        needed = [p.name for p in parameters if _is_needed(function, p)]
        right = {name: right_texts(function, name)[0] for name in needed}
        for p in parameters:
            for text in wrong_texts(p.name):
                yield _call(function, right | {p.name: text})


def _named_parameters(function: str) -> list[inspect.Parameter]:
    return [p for p in parameters_of(function) if p.kind is not p.VAR_KEYWORD]


def _is_needed(function: str, p: inspect.Parameter) -> bool:
    """Whether every call gives it."""
    return p.default is p.empty or has_slow_default(function, p.name)


def _call(function: str, texts: dict[str, str]) -> Call:
    """The call with these texts for its parameters, by position where one would write it so."""
    args, kwargs = [], []
    for p in _named_parameters(function):
        if p.name not in texts:
            continue
        if p.default is p.empty and p.kind is not p.KEYWORD_ONLY:
            args.append(texts[p.name])
        else:
            kwargs.append((p.name, texts[p.name]))
    return Call(function, tuple(args), tuple(kwargs))


def check_call(call: Call, seed: int = 0) -> str:
    """Make the call; returns "checked". Raises AssertionError for an outcome nobody promised."""
    function = eval_text(call.function)
    args = [eval_text(text) for text in call.args]
    kwargs = {name: eval_text(text) for name, text in call.kwargs}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # the log of 0 is -inf
            warnings.simplefilter("error")
            function(*args, **kwargs)
    except REFUSED as error:
        complaint = _complaint(error, error_name_pattern(call.function))
        if complaint:
            raise AssertionError(f"{type(error).__name__}: {error}\n{complaint}") from error
    except Exception as error:
        if _innermost(error).tb_frame.f_code.co_filename != _ARGUMENT:
            raise AssertionError(
                f"{type(error).__name__}: {error}\nis none of the errors that a "
                "wrong argument raises"
            ) from error
    return "checked"


def _complaint(error: Exception, name: str) -> str:
    """Why an error is not one of ours, in a sentence with the name of the function; "" if it is."""
    text, trace = str(error), _innermost(error)
    code = trace.tb_frame.f_code
    if code.co_filename == _ARGUMENT:
        return ""
    if "\n" in text or not text:
        return "is not one sentence"
    if not re.search(name, text):
        return f"does not name the function that was called, {name}"
    if not code.co_filename.startswith(PACKAGE):
        return f"comes out of {Path(code.co_filename).name}"
    if dis.opname[code.co_code[trace.tb_lasti]] != "RAISE_VARARGS":  # an operation has failed
        return f"is raised by a line, not by us ({Path(code.co_filename).name}:{trace.tb_lineno})"
    return ""


def _innermost(error: Exception) -> TracebackType:
    """The last part of its traceback: where it was raised."""
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next:
        trace = trace.tb_next
    return trace


def survey(functions: tuple[str, ...] = ()) -> Survey:
    """A search for a call, of one of the functions if some are given, that ends badly."""
    return Survey(_random_calls(functions), check_call)


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if a call ended badly."""
    parser = command("arguments", "Call public functions with wrong arguments.")
    options = parser.parse_args(arguments)
    return survey().run_for(options.minutes, options.seed)


if __name__ == "__main__":
    sys.exit(main())
