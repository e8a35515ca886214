"""The grader: which puzzles are solved, what is wrong with the others, and what is next.

A chapter is a file NN_name.py. Its puzzles are the functions f for which it has a check_f, which is
given the learner's f and raises AssertionError with a counterexample where it is wrong. The state
of a learner is the files alone, so nothing can get out of step with them.

Whatever a learner's code does, raise, return something else, call itself or run without end, is
answered by a sentence with the learner's line, never by a traceback of the course.
"""

import argparse
import contextlib
import functools
import inspect
import io
import linecache
import os
import re
import signal
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hints import HINTS, Hint

FOLDER = Path(__file__).resolve().parent
SECONDS = 30.0  # of CPU time that a puzzle's check may take; all but endless ones take less than 2


class Misuse(Exception):
    """A puzzle that takes or returns what no check can work with; the text is all that is said."""


class Verdict(NamedTuple):
    """What became of one puzzle."""

    name: str
    line: int  # where its function begins
    state: str  # "solved", "unsolved" or "wrong"
    said: str  # to the learner; nothing for what is solved


MARKS = {"solved": "[x]", "unsolved": "[ ]", "wrong": "[!]"}


# ---- one puzzle ---------------------------------------------------------------------------------


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
        with _time_limit(SECONDS), np.errstate(all="ignore"), warnings.catch_warnings():
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
def _time_limit(seconds: float) -> Iterator[None]:
    """TimeoutError in what computes for longer, where the system has such an alarm."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "setitimer") or not in_main_thread:
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise TimeoutError(f"still running after {seconds:g} s: does a loop ever end?")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
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


# ---- one chapter --------------------------------------------------------------------------------


def grade(names: dict) -> list[Verdict]:
    """Judge and print all puzzles of a chapter: its last cell is grade(globals())."""
    verdicts = verdicts_of(names)
    for verdict in verdicts:
        _print_verdict(verdict)
    return verdicts


def verdicts_of(names: dict) -> list[Verdict]:
    """One for each check that the chapter itself defines, in its order."""
    verdicts = []
    for name, check in list(names.items()):
        if name.startswith("check_") and getattr(check, "__module__", "") == names["__name__"]:
            puzzle = name.removeprefix("check_")
            if puzzle in names:
                verdicts.append(judge(puzzle, names))
            else:
                said = f"there is no function `{puzzle}` any more: name yours so"
                verdicts.append(Verdict(puzzle, 1, "wrong", said))
    return verdicts


def _protect(value: object) -> None:
    """Make an array read-only, and those of lists and tuples."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    elif isinstance(value, list | tuple):
        for part in value:
            _protect(part)


def chapters() -> list[Path]:
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def title(chapter: Path) -> str:
    """The first heading: `# # 3. Matrices` -> Matrices."""
    found = re.search(r"^# # \d+\. (.+)$", chapter.read_text("utf-8", "replace"), re.MULTILINE)
    return found[1] if found else chapter.stem


def load(*files: Path) -> dict:
    """The names that a chapter defines, and after it those of a solution, run quietly."""
    module = types.ModuleType(files[0].stem)
    names = vars(module)
    for file in files:
        text = file.read_text(encoding="utf-8")
        linecache.checkcache(str(file))
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, str(file), "exec"), names)
    return names


def results_of(chapter: Path, solutions: bool = False) -> list[Verdict]:
    """The verdicts on a chapter's file; one that says so if it cannot be run at all."""
    files = [chapter, FOLDER / "solutions" / chapter.name[3:]] if solutions else [chapter]
    try:
        with _time_limit(SECONDS):
            names = load(*files)
    except SyntaxError as error:
        said = f"line {error.lineno}: {error.msg}: {(error.text or '').strip()}"
        return [Verdict("the file", error.lineno or 1, "wrong", said)]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        here = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(chapter)]
        line, text = (here[-1].lineno or 1, here[-1].line) if here else (1, "")
        return [Verdict("the file", line, "wrong", f"{type(error).__name__}: {error}\n{text}")]
    return verdicts_of(names)


# ---- the command --------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """The command `python examples/course`. Returns its exit status, 0 if all is solved."""
    files = chapters()
    parser = argparse.ArgumentParser(
        prog="python examples/course",
        description="List the chapters, grade your puzzles and say what is next.",
        epilog="The exit status is 0 once all that was graded is solved.",
    )
    parser.add_argument(
        "chapter",
        nargs="?",
        help=f"grade this one, 1 to {len(files)} or a file's name; without: all",
    )
    parser.add_argument(
        "--solutions", action="store_true", help="grade those in solutions/ instead of yours"
    )
    parser.add_argument(
        "--hint",
        choices=Hint._fields,
        help="after the idea, which is always told: the formula of the next puzzle, or its code",
    )
    given = parser.parse_args(arguments)
    if given.chapter is not None:
        files = [file for k, file in enumerate(files, 1) if _is_called(file, k, given.chapter)]
    if not files:
        parser.error(f"there is no chapter {given.chapter}: they are 1 to {len(chapters())}")
    if given.solutions and not (FOLDER / "solutions").is_dir():
        parser.error(f"there is no folder {_shown(FOLDER / 'solutions')}: `git checkout` it")
    try:
        if given.chapter is not None:
            status = _grade_one(files[0], given.solutions, given.hint)
        else:
            status = _grade_all(files, given.solutions, given.hint)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads it has left, as `head` does; nothing is flushed at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return 130


def _is_called(chapter: Path, number: int, name: str) -> bool:
    """Whether `name` is the chapter's number, or its file's name with or without what is around."""
    if name.isdecimal():
        return int(name) == number
    return Path(name).name.removesuffix(".py") in (chapter.stem, chapter.stem[3:])


def _grade_one(chapter: Path, solutions: bool, hint: str | None) -> int:
    verdicts = results_of(chapter, solutions)
    print(f"{title(chapter)}: {_shown(chapter)}")
    left = [verdict for verdict in verdicts if verdict.state != "solved"]
    for verdict in verdicts:
        _print_verdict(verdict)
        if verdict in left[:1]:
            _print_hint(chapter, verdict, hint)
    return int(bool(left))


def _grade_all(files: list[Path], solutions: bool, hint: str | None) -> int:
    upcoming = None
    for number, chapter in enumerate(files, 1):
        verdicts = results_of(chapter, solutions)
        marks = " ".join(MARKS[verdict.state] for verdict in verdicts)
        print(f"{number:3}  {title(chapter):42} {marks}", flush=True)
        for verdict in verdicts:
            if verdict.state != "solved" and upcoming is None:
                upcoming = chapter, verdict
    if upcoming is None:
        print(
            "All puzzles are solved. What you have written is what tinymeta/ is made of: read it."
        )
        return 0
    chapter, verdict = upcoming
    print(f"\nnext: {_shown(chapter)}")
    _print_verdict(verdict)
    _print_hint(chapter, verdict, hint)
    return 1


def _print_hint(chapter: Path, verdict: Verdict, kind: str | None) -> None:
    """The formula or the code of one puzzle, or how to ask for them."""
    hint = HINTS.get(f"{chapter.stem[3:]}.{verdict.name}")
    if hint is None:  # the file cannot be run
        return
    if kind is None:
        print("      stuck? --hint formula, and at the very last --hint code")
    else:
        print(f"      {kind}: {getattr(hint, kind)}")


def _print_verdict(verdict: Verdict) -> None:
    print(f"{MARKS[verdict.state]} {verdict.name}, line {verdict.line}: {verdict.state}")
    for line in verdict.said.splitlines():
        print(f"      {line}")


def _shown(path: Path) -> str:
    """A path from here where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
