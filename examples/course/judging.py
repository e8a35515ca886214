"""The verdict on one puzzle: solved, unsolved, or wrong, and then in a sentence what is wrong.

Whatever a learner's code does, raise, return something else, call itself or run without end, is
answered by a sentence with the learner's line, never by a traceback of the course.
"""

import contextlib
import functools
import inspect
import linecache
import signal
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

SECONDS = 30.0  # of CPU time that a puzzle's check may take; all but endless ones take less than 2


class Misuse(Exception):
    """A puzzle that takes or returns what no check can work with; the text is all that is said."""


class Verdict(NamedTuple):
    """What became of one puzzle."""

    name: str
    line: int  # where its function begins
    state: str  # "solved", "unsolved" or "wrong"
    said: str  # to the learner; nothing for what is solved


def judge(name: str, names: dict) -> Verdict:
    """The verdict on the puzzle `name` of a chapter whose names are `names`.

    The chapter's arrays are made read-only: a puzzle that wrote into them would spoil the next.
    """
    for value in names.values():
        _protect(value)
    solution, check = names[name], names[f"check_{name}"]
    if not isinstance(solution, types.FunctionType):
        return Verdict(name, 1, "wrong", f"`{name}` has to be a function: begin it with def")
    line = solution.__code__.co_firstlineno
    try:
        with time_limit(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(_guarded(solution))
    except NotImplementedError as error:
        return Verdict(name, line, "unsolved", str(error) or "not written yet")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # of any kind: even exit() in a learner's function
        return Verdict(name, line, "wrong", _sentence(error, solution, check))
    return Verdict(name, line, "solved", "")


def _guarded(solution: Callable) -> Callable:
    """The same function, given arrays that it cannot write into, and asked for a result.

    Without this a puzzle that writes into its arguments may spoil what it is compared with.
    """
    name, signature = solution.__name__, inspect.signature(solution)

    @functools.wraps(solution)
    def guarded(*arguments: object) -> object:
        try:
            signature.bind(*arguments)
        except TypeError as error:
            raise Misuse(
                f"{name}{signature} is called with {len(arguments)} arguments: {error}; "
                "leave its first line as the chapter has it"
            ) from None
        result = solution(*map(_read_only, arguments))
        if result is None and not name.endswith("_kernel"):
            raise Misuse(f"{name} returned None: is a `return` missing?")
        return result

    return guarded


def _read_only(value: Any) -> Any:
    """A view of an array that cannot be written into, also of those in lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.setflags(write=False)
        return view
    if isinstance(value, dict):
        return {key: _read_only(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [_read_only(part) for part in value]
        is_named = hasattr(value, "_fields")
        return type(value)(*parts) if is_named else type(value)(parts)
    return value


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """TimeoutError in what computes for longer than SECONDS, where the system has an alarm."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "setitimer") or not in_main_thread:
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise TimeoutError(f"still running after {SECONDS:g} s: does a loop ever end?")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _sentence(error: BaseException, solution: Callable, check: Callable) -> str:
    """What went wrong, the learner's line if it did so there, and what to look at."""
    kind = type(error).__name__
    if isinstance(error, Misuse):
        return str(error)
    if isinstance(error, AssertionError):
        what = str(error) or "an assert does not hold"
    elif isinstance(error, RecursionError):
        what = f"{kind}: a function calls itself without end"
    else:
        what = f"{kind}: {error}"
    if "read-only" in what:
        what += ": you wrote into what you were given; make a new array"
    place = _learners_line(error, solution)
    if place:
        what += f"\nat line {place[0]}: {place[1]}"
    elif not isinstance(error, AssertionError):
        what += f"\nwhat `{solution.__name__}` returned cannot be used: is it what was asked for?"
    is_answer = isinstance(error, AssertionError)  # a mistake of Python's own says what it is
    return f"{what}\n{check.__doc__ or ''}".rstrip() if is_answer else what


def _learners_line(error: BaseException | None, solution: Callable) -> tuple[int, str] | None:
    """(number, text) of the deepest line of the puzzle that `error` came through, if any.

    Told by the code that ran and not by the file: the chapter's own helpers are in it, too.
    """
    own = set(_codes_in(solution.__code__))
    while error is not None:
        frames = [(f.f_code, line) for f, line in traceback.walk_tb(error.__traceback__)]
        places = [(code.co_filename, line) for code, line in frames if code in own]
        if places:
            return places[-1][1], linecache.getline(*places[-1]).strip()
        error = error.__cause__ or error.__context__  # the kit's errors tell where they come from
    return None


def _codes_in(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of a function, and of all functions that are written in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _codes_in(part)


def _protect(value: object) -> None:
    """Make an array read-only, and those of lists and tuples."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    elif isinstance(value, list | tuple):
        for part in value:
            _protect(part)
