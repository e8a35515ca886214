"""The files of an earlier run, moved to a backup folder before a new run of that name writes."""

import os
from collections.abc import Iterable
from pathlib import Path


def move_to_backup(paths: Iterable[Path], name: str) -> Path | None:
    """Move these files of one folder into a new one in it: {name}.before-1, or -2, ...

    Returns the new folder, in which they keep their names, or None where none of them exists.
    No earlier backup is overwritten.
    """
    existing = [path for path in map(Path, paths) if path.exists()]
    if not existing:
        return None
    folder = _new_folder(existing[0].parent, name)
    for path in existing:
        os.replace(path, folder / path.name)
    return folder


def _new_folder(parent: Path, name: str) -> Path:
    """The first of {name}.before-1, -2, ... that does not exist, made."""
    number = 1
    while True:
        folder = parent / f"{name}.before-{number}"
        try:
            folder.mkdir()  # fails if it exists, even if another process made it just now
            return folder
        except FileExistsError:
            number += 1
