"""The flags of a saved run, taken over where it is evaluated: those that make model and tasks.

The file may be a stranger's. What is read and written, where, and on which device is for the one
who evaluates to say; the rest is checked as if it had been typed.
"""

import copy
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

import tinymeta as tm


def flags_of_run(file: Path, p: ArgumentParser, never: set[str]) -> list[str]:
    """The flags in the file as they would be typed, but for those that are at their default.

    never: names that are not taken over. Raises FileNotFoundError, and ValueError for a file that
    is no saved run or whose flags `p` would not take.
    """

    def refuse(message: str) -> NoReturn:
        raise ValueError(
            f"{file} was not saved by this example ({message:.200}): give a file that was"
        )

    p = copy.copy(p)
    setattr(p, "error", refuse)  # noqa: B010  instead of the usage, and the end
    config = tm.about(file).get("config", {})
    if not isinstance(config, dict):
        refuse(f"its flags are {config!r}")
    words = []
    for key, default in vars(p.parse_args([])).items():
        if key in never or key not in config or config[key] == default:
            continue
        flag = f"--{key.replace('_', '-')}"
        words += _as_words(flag, config[key])
    p.parse_args(words)
    return words


def _as_words(flag: str, value: Any) -> list[str]:
    """One word, so that no text passes for a flag of its own; numbers of a list stand alone."""
    if value is True:
        return [flag]
    if isinstance(value, list) and all(isinstance(x, (int, float)) for x in value):
        return [flag, *map(str, value)]
    return [f"{flag}={value}"]
