"""Files of compiled kernels, in a folder that is this user's alone, and believed only if whole.

What is in them is run. So a folder that others may write to is not used, and each file begins with
a hash of its name and content: a flipped bit or an exchanged file is no kernel, and is made anew.
"""

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import stat
import tempfile
import warnings
from pathlib import Path

from .disk import replacing

DIGEST = 64  # hexadecimal digits before a file's content, and a line's end
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def keep(name: str, content: bytes) -> None:
    """Write a file. A full disk, or a folder where the file should be, costs only the file."""
    with contextlib.suppress(OSError), replacing(folder() / name, durable=False) as file:
        file.write(digest(name, content) + b"\n" + content)


def kept(name: str) -> bytes | None:
    """The content of a file; None if it is not there, or not what was written under this name."""
    try:
        found = (folder() / name).read_bytes()
    except OSError:
        return None
    content = found[DIGEST + 1 :]
    return content if found[: DIGEST + 1] == digest(name, content) + b"\n" else None


def digest(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + content).hexdigest().encode()


# ---- where --------------------------------------------------------------------------------------


def folder() -> Path:
    """Where kernels are kept: $TINYMETA_CACHE, or the user's cache, or else a temporary folder."""
    try:
        own = os.environ.get("TINYMETA_CACHE")
        base = own or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        found = (Path(base) if own else Path(base, "tinymeta", "kernels")).absolute()
    except (OSError, RuntimeError):  # no home, or a current folder that is gone
        return temporary()
    return found if usable(found) else temporary()


@functools.cache
def usable(path: Path) -> bool:
    """Whether kernels can be kept there, and by this user alone; a warning if others can, too."""
    try:
        for step in (*reversed(path.parents), path):
            step.mkdir(mode=0o700, exist_ok=True)
        danger = dangerous(path)
        if not danger:
            tempfile.TemporaryFile(dir=path).close()
    except OSError:
        return False
    if danger:
        warnings.warn(
            f"tinymeta: kernels are compiled anew by this process, as in {path} others "
            f"could plant theirs: {danger}; set TINYMETA_CACHE to a folder that is yours "
            "alone",
            RuntimeWarning,
            stacklevel=2,
        )
    return not danger


def dangerous(path: Path) -> str:
    """Who else could put files there, or exchange the folder; "" if nobody, or on Windows."""
    if not hasattr(os, "geteuid"):
        return ""
    me = os.geteuid()
    found = path.stat()
    if found.st_uid != me:
        return f"{path} is owned by another user"
    if found.st_mode & OTHERS_WRITE:
        return f"others may write to {path}"
    for step in {*path.parents, *path.resolve().parents}:
        found = step.stat()
        if found.st_uid not in (me, 0):
            return f"{step} is owned by another user"
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            return f"others may write to {step}"
    return ""


@functools.cache
def temporary() -> Path:
    """A folder of this process alone, removed when it ends."""
    path = Path(tempfile.mkdtemp(prefix="tinymeta-kernels-"))
    atexit.register(remove, path, os.getpid())
    return path


def remove(path: Path, owner: int) -> None:
    """Not from a fork, which ends earlier."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
