"""Writing files atomically: a reader sees the old file or the new one, never half of one."""

import contextlib
import errno
import glob
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

STALE = 3600.0  # seconds without a byte: no writer pauses so long, and a killed one never ends


@contextlib.contextmanager
def replacing(path: Any, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write bytes to, renamed to `path` when the `with` block ends.

    Until then it has a temporary name in the same folder, so any number of threads and processes
    may write one path: the last to end wins, and a reader sees one whole file. Whatever goes wrong,
    a full disk or Ctrl-C, the file that was there stays and no temporary file is left; that of a
    killed process is removed by a later write of the same path. durable: wait for the disk, so that
    a loss of power after it loses nothing. Raises OSError.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder: give a file in it", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder: make it first", str(path.parent))
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())  # else a loss of power may leave an empty file
        _remove_stale(path, part.stat().st_mtime)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _remove_stale(path: Path, now: float) -> None:
    """Remove what killed writers of `path` left; now: the time by the disk's own clock, seconds."""
    for old in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):  # another writer may have been first
            if now - old.stat().st_mtime > STALE:
                old.unlink()


def _sync_folder(folder: Path) -> None:
    """Wait until the new name is on the disk, too, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write(path: Any, text: str) -> None:
    """Write a text file, whole or not at all, as `replacing` does."""
    with replacing(path) as file:
        file.write(text.encode())
