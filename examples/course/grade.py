"""The grader of a chapter: which of its puzzles are solved, and what is wrong with the others.

A chapter is a file NN_name.py. Its puzzles are the functions f for which it has a check_f, which is
given the learner's f and raises AssertionError with a counterexample where it is wrong. The state
of a learner is the files alone, so nothing can get out of step with them.
"""

import contextlib
import io
import linecache
import re
import traceback
import types
from pathlib import Path

from judging import Verdict, judge, time_limit

FOLDER = Path(__file__).resolve().parent
MARKS = {"solved": "[x]", "unsolved": "[ ]", "wrong": "[!]"}


def grade(names: dict) -> list[Verdict]:
    """Judge and print all puzzles of a chapter: its last cell is grade(globals())."""
    verdicts = verdicts_of(names)
    for verdict in verdicts:
        print_verdict(verdict)
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
        with time_limit():
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


def print_verdict(verdict: Verdict) -> None:
    print(f"{MARKS[verdict.state]} {verdict.name}, line {verdict.line}: {verdict.state}")
    for line in verdict.said.splitlines():
        print(f"      {line}")
