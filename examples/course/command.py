"""The command `python examples/course`: the chapters, what is solved, what is next, the hints."""

import argparse
import os
import sys
from pathlib import Path

import grade
from hints import HINTS, Hint
from judging import Verdict


def main(arguments: list[str] | None = None) -> int:
    """The command `python examples/course`. Returns its exit status, 0 if all is solved."""
    files = grade.chapters()
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
        parser.error(f"there is no chapter {given.chapter}: they are 1 to {len(grade.chapters())}")
    if given.solutions and not (grade.FOLDER / "solutions").is_dir():
        parser.error(f"there is no folder {_shown(grade.FOLDER / 'solutions')}: `git checkout` it")
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
    verdicts = grade.results_of(chapter, solutions)
    print(f"{grade.title(chapter)}: {_shown(chapter)}")
    left = [verdict for verdict in verdicts if verdict.state != "solved"]
    for verdict in verdicts:
        grade.print_verdict(verdict)
        if verdict in left[:1]:
            _print_hint(chapter, verdict, hint)
    return int(bool(left))


def _grade_all(files: list[Path], solutions: bool, hint: str | None) -> int:
    upcoming = None
    for number, chapter in enumerate(files, 1):
        verdicts = grade.results_of(chapter, solutions)
        marks = " ".join(grade.MARKS[verdict.state] for verdict in verdicts)
        print(f"{number:3}  {grade.title(chapter):42} {marks}", flush=True)
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
    grade.print_verdict(verdict)
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


def _shown(path: Path) -> str:
    """A path from here where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
