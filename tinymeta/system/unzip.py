"""Reading zip files that are not trusted.

Sizes are checked before a byte is unpacked, entries that were not asked for are never read, and
whatever is wrong becomes one ValueError that names the file.
"""

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a bound


@contextlib.contextmanager
def naming_the_file(
    path: Any, what: str, remedy: str = "use a copy of the original"
) -> Iterator[None]:
    """Turn any error inside into one ValueError: `path` is not `what`, why, and the remedy.

    Any, since no list of what untrusted bytes make zipfile, zlib, json and NumPy raise would be
    complete. An OSError that names its file (it is not there, say) is left as it is.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(
            f"{os.fspath(path)} is not {what}, or it was damaged or changed since "
            f"({_reason(error)}): {remedy}"
        ) from error


def _reason(error: Exception) -> str:
    """The message of an error, as a clause."""
    text = one_line(str(error)) or type(error).__name__
    return f"it lacks {text}" if isinstance(error, KeyError) else text


def one_line(text: str) -> str:
    """The text, or its beginning, as a part of a sentence."""
    text = " ".join(text.split())
    return text if len(text) < 200 else f"{text[:200]}..."


def entries(
    path: Any, wanted: Callable[[str], object], limit: int | None = None
) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each entry for whose name `wanted` is true, in order of their names.

    limit: how many bytes they may have together when unpacked; without one, as many as the file
    has, which is enough for what was not compressed, and a small file then never fills memory.
    Raises ValueError for an entry that is there twice, too large or cut off, and whatever zipfile
    raises: to be read under `naming_the_file`.
    """
    with open(path, "rb") as opened, zipfile.ZipFile(opened) as archive:
        chosen = [info for info in archive.infolist() if wanted(info.filename)]
        chosen.sort(key=lambda info: info.filename)
        size = sum(info.file_size for info in chosen)
        most = limit or os.fstat(opened.fileno()).st_size
        if size > most:
            raise ValueError(f"it unpacks to {size} bytes, and {most} would be the most")
        for k, info in enumerate(chosen):
            is_last = k + 1 == len(chosen)
            if not is_last and info.filename == chosen[k + 1].filename:
                raise ValueError(f"it holds {info.filename!r} twice")
            if info.compress_type not in METHODS:
                raise ValueError(f"{info.filename!r} is compressed by an unusual method")
            with archive.open(info) as file:
                data = file.read(info.file_size)  # no more, whatever else the packed bytes hold
            if len(data) < info.file_size:
                raise ValueError(f"{info.filename!r} is cut off")
            yield info.filename, data


def arrays(
    path: Any, wanted: Callable[[str], object], limit: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name; no pickles. wanted, limit, errors: as of `entries`."""
    found = {}
    for name, data in entries(path, wanted, limit):
        found[name.removesuffix(".npy")] = np.lib.format.read_array(io.BytesIO(data))
    return found
