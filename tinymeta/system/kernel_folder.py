"""Files of compiled kernels, in a folder that is this user's alone, each checked by a hash.

Their content is run as machine code. So a folder that others may write to is not used, and each
file begins with a hash of its name and content: one with a flipped bit or of another name is not
loaded, and the kernel is compiled anew.
"""

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
import warnings
from pathlib import Path

from .disk import replacing
from .own_folder import make, sealed, threat, unsealed, user_cache


def save_kernel(name: str, content: bytes) -> None:
    """Write a file. Where that fails, as on a full disk, nothing is raised: it can be made anew."""
    with contextlib.suppress(OSError), replacing(folder() / name, durable=False) as file:
        file.write(sealed(name, content))


def load_kernel(name: str) -> bytes | None:
    """The content of a file; None if it is not there, or not what was written under this name."""
    try:
        found = (folder() / name).read_bytes()
    except OSError:
        return None
    return unsealed(name, found)


# ---- where --------------------------------------------------------------------------------------


def folder() -> Path:
    """Where kernels are kept: $TINYMETA_CACHE, or the user's cache, or else a temporary folder."""
    try:
        own = os.environ.get("TINYMETA_CACHE")
        # With the first nobody needs a home.
        found = Path(own).absolute() if own else user_cache() / "kernels"
    except (OSError, RuntimeError):  # no home, or a current folder that is gone
        return temporary()
    return found if usable(found) else temporary()


@functools.cache
def usable(path: Path) -> bool:
    """Whether this user can write there, and nobody else; a RuntimeWarning if others can, too."""
    try:
        make(path)
        danger = threat(path)
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
