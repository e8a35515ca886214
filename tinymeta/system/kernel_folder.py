"""Files of compiled kernels, in a folder that is this user's alone, each checked by a hash.

Their content is run as machine code. So a folder that others may write to is not used, and each
file begins with a hash of its name and content: one with a flipped bit or of another name is not
loaded, and the kernel is compiled anew.
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

_DIGEST = 64  # hexadecimal digits before a file's content, and a line's end
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def save_kernel(name: str, content: bytes) -> None:
    """Write a file. Where that fails, as on a full disk, nothing is raised: it can be made anew."""
    with contextlib.suppress(OSError), replacing(folder() / name, durable=False) as file:
        file.write(_digest(name, content) + b"\n" + content)


def load_kernel(name: str) -> bytes | None:
    """The content of a file; None if it is not there, or not what was written under this name."""
    try:
        found = (folder() / name).read_bytes()
    except OSError:
        return None
    heading, content = found[: _DIGEST + 1], found[_DIGEST + 1 :]
    is_whole = heading == _digest(name, content) + b"\n"
    return content if is_whole else None


def _digest(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + content).hexdigest().encode()


# ---- where --------------------------------------------------------------------------------------


def folder() -> Path:
    """Where kernels are kept: $TINYMETA_CACHE, or the user's cache, or else a temporary folder."""
    try:
        own = os.environ.get("TINYMETA_CACHE")
        if own:  # then nobody needs a home
            found = Path(own).absolute()
        else:
            of_all_programs = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            found = Path(of_all_programs, "tinymeta", "kernels").absolute()
    except (OSError, RuntimeError):  # no home, or a current folder that is gone
        return temporary()
    return found if usable(found) else temporary()


@functools.cache
def usable(path: Path) -> bool:
    """Whether this user can write there, and nobody else; a RuntimeWarning if others can, too."""
    try:
        for step in (*reversed(path.parents), path):
            step.mkdir(mode=0o700, exist_ok=True)
        threat = _threat(path)
        if not threat:
            tempfile.TemporaryFile(dir=path).close()
    except OSError:
        return False
    if threat:
        warnings.warn(
            f"tinymeta: kernels are compiled anew by this process, as in {path} others "
            f"could plant theirs: {threat}; set TINYMETA_CACHE to a folder that is yours "
            "alone",
            RuntimeWarning,
            stacklevel=2,
        )
    return not threat


def _threat(path: Path) -> str:
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


@functools.cache
def temporary() -> Path:
    """A folder of this process alone, removed when it ends."""
    path = Path(tempfile.mkdtemp(prefix="tinymeta-kernels-"))
    atexit.register(remove, path, os.getpid())
    return path


def remove(path: Path, owner: int) -> None:
    """Remove the folder, unless this is a fork of its owner, which ends earlier."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
