"""Where compiled kernels are kept between runs, and how a file is written so that none sees half."""

import functools
import os
import tempfile
from pathlib import Path


@functools.cache
def folder() -> Path:
    """Where kernels are kept: $TINYMETA_CACHE, or the user's cache, or else a temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    wanted = Path(os.environ.get("TINYMETA_CACHE") or Path(base) / "tinymeta" / "kernels")
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except OSError:
        return Path(tempfile.mkdtemp(prefix="tinymeta-kernels-"))


def write(path: Path, text: str) -> None:
    """Beside it and then renamed, so that another process never sees half a file."""
    beside = path.with_suffix(f".{os.getpid()}.part")
    beside.write_text(text)
    os.replace(beside, path)
