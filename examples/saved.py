"""The flags of a saved run, taken over where it is judged again: those that make model and tasks.

The file may be a stranger's. What is read and written, where, and on which device stays with who
judges; the rest is checked as if it had been typed.
"""

import copy
from argparse import ArgumentParser
from pathlib import Path

import tinymeta as tm


def flags_of(file: Path, p: ArgumentParser, never: set[str]) -> list[str]:
    """Flags as they would be typed, but for the names in `never` and what is as it is by default.

    Raises FileNotFoundError, and ValueError for a file that is no saved run or whose flags `p`
    would not take.
    """

    def refuse(message: str):
        raise ValueError(
            f"{file} was not saved by this example ({message:.200}): give a file that was"
        )

    p = copy.copy(p)
    p.error = refuse  # instead of the usage, and the end
    config, defaults = tm.about(file).get("config", {}), vars(p.parse_args([]))
    if not isinstance(config, dict):
        refuse(f"its flags are {config!r}")
    taken = {key: config[key] for key in defaults if key in config and key not in never}
    words = [
        word
        for key, value in taken.items()
        if value != defaults[key]
        for word in as_words(f"--{key.replace('_', '-')}", value)
    ]
    p.parse_args(words)
    return words


def as_words(flag: str, value) -> list[str]:
    """One word, so that no text passes for a flag of its own; numbers of a list stand alone."""
    if value is True:
        return [flag]
    if isinstance(value, list) and all(isinstance(x, (int, float)) for x in value):
        return [flag, *map(str, value)]
    return [f"{flag}={value}"]
