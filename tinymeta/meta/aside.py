"""What an earlier run left, moved out of the way of a new one: together, and never over another's."""

import itertools
import os
from collections.abc import Iterable
from pathlib import Path


def set_aside(paths: Iterable[Path], name: str) -> Path | None:
    """Move these files of one folder into a new one in it: {name}.before-1, or -2, ...

    Returns the new folder, in which they keep their names, or None where none of them exists.
    """
    there = [path for path in map(Path, paths) if path.exists()]
    if not there:
        return None
    for number in itertools.count(1):
        folder = there[0].parent / f"{name}.before-{number}"
        try:
            folder.mkdir()  # fails if it is there, even if it was made just now
            break
        except FileExistsError:
            continue
    for path in there:
        os.replace(path, folder / path.name)
    return folder
