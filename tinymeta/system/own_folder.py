"""What keeps a cache from being believed when it should not be: who may write there, and a digest.

A folder that others may write to is not used, and a file begins with a hash of its name and
content: one with a flipped bit, cut off, or of another name is not read.
"""

import hashlib
import os
import stat
from pathlib import Path

_DIGEST = 64  # hexadecimal digits before a file's content, and a line's end
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def sealed(name: str, content: bytes) -> bytes:
    """The bytes of a file that `unsealed` reads."""
    return _digest(name, content) + b"\n" + content


def unsealed(name: str, found: bytes) -> bytes | None:
    """The content of a file of these bytes; None if it is not what was sealed under this name."""
    heading, content = found[: _DIGEST + 1], found[_DIGEST + 1 :]
    is_whole = heading == _digest(name, content) + b"\n"
    return content if is_whole else None


def _digest(name: str, content: bytes) -> bytes:
    hashed = hashlib.sha256(name.encode() + b"\n")
    hashed.update(content)
    return hashed.hexdigest().encode()


def threat(path: Path) -> str:
    """How others could put files there or exchange the folder; "" if they cannot, or on Windows."""
    if not hasattr(os, "geteuid"):
        return ""
    me = os.geteuid()
    found = path.stat()
    if found.st_uid != me:
        return f"{path} is owned by another user"
    if found.st_mode & _OTHERS_WRITE:
        return f"others may write to {path}"
    # Who may write to a folder above can put another one in its place. Behind a symbolic link there
    # are two paths, and either will do. In a sticky folder, as /tmp is, only owners rename.
    for step in {*path.parents, *path.resolve().parents}:
        found = step.stat()
        if found.st_uid not in (me, 0):
            return f"{step} is owned by another user"
        is_sticky = found.st_mode & stat.S_ISVTX
        if found.st_mode & stat.S_IWOTH and not is_sticky:
            return f"others may write to {step}"
    return ""


def user_cache() -> Path:
    """The folder for what tinymeta keeps, after the XDG convention; it may not be there yet.

    Raises RuntimeError for a user without a home, OSError where the current folder is gone.
    """
    of_all_programs = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(of_all_programs, "tinymeta").expanduser().absolute()


def make(path: Path) -> None:
    """Make the folder and those above it that are missing, for this user alone. Raises OSError."""
    for step in (*reversed(path.parents), path):
        step.mkdir(mode=0o700, exist_ok=True)
