"""How a file is written so that nobody ever sees half of it."""

import contextlib
import glob
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

STALE = 3600.0  # seconds without a byte: no writer pauses so long, and a killed one never ends


@contextlib.contextmanager
def replacing(path, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write bytes to, which takes the place of `path` when all of it is on the disk.

    Until then it lies beside under a name of its own, so any number of threads and processes may
    write one path: the last to end wins, and a reader sees one whole file. Whatever goes wrong, a
    full disk or Ctrl-C, the file that was there stays and no piece is left; a piece that a killed
    process left is removed by a later write of the same path. durable: it waits for the disk, and
    a loss of power after it loses nothing. Raises OSError.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())  # else a loss of power may leave an empty file
        remove_stale(path, part.stat().st_mtime)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def remove_stale(path: Path, now: float) -> None:
    """Remove what killed writers of `path` left; now: the time as the disk's own clock has it."""
    for old in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):  # another writer may have been first
            if now - old.stat().st_mtime > STALE:
                old.unlink()


def sync_folder(folder: Path) -> None:
    """Put the new name on the disk, too, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write(path, text: str) -> None:
    """A text file, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())
