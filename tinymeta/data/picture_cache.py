"""Decoded pictures, kept in the user's cache under a hash of all that they were made of.

The name of a file is a hash of the names and contents of all picture files and of what was asked
for: a picture that is added, renamed or changed makes another name, and nothing is ever stale. The
file itself is sealed (system/own_folder.py), and a folder that others may write to is not used.
To read and hash 1,000 colour PNGs of 84 x 84 took 0.03 s of CPU time, to decode them 0.44 s. The
files may be deleted at any time.
"""

import hashlib
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..system.disk import replacing
from ..system.own_folder import make, sealed, threat, unsealed, user_cache
from .picture_files import Options
from .pictures import Pictures

_VERSION = 1  # to be raised where the same files are to give other pictures


def cached(
    found: Sequence[tuple[str, Path]], options: Options, read: Callable[[], Pictures]
) -> Pictures:
    """What `read()` makes of the files, from the cache if it is there, else read and then kept.

    found: (class, path) of each picture, in order. A cache that cannot be written is a
    RuntimeWarning, and what is damaged in it is made anew.
    """
    name = f"{_key(found, options)}.npz"
    folder, problem = _own_folder()
    kept = None if problem else _kept(folder / name)
    if kept is not None:
        return kept
    pictures = read()
    problem = problem or _keep(folder / name, pictures)
    if problem:
        warnings.warn(
            f"folder: the pictures are read, but could not be kept in the user's cache ({problem});"
            " they will be decoded anew each time",
            RuntimeWarning,
            stacklevel=4,  # the line that calls `folder`
        )
    return pictures


def _own_folder() -> tuple[Path, str]:
    """Where decoded pictures are kept, and why that is no place for them, or ""."""
    folder = Path()
    try:
        folder = user_cache() / "pictures"
        make(folder)
        return folder, threat(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError of a user without a home
        return folder, str(error)


def _kept(path: Path) -> Pictures | None:
    """What was kept in this file; None if it is not there, or not what was written."""
    try:
        content = unsealed(path.name, path.read_bytes())
        return None if content is None else _from_npz(content)
    except (OSError, ValueError, KeyError):
        return None


def _keep(path: Path, pictures: Pictures) -> str:
    """Write this file; why that could not be done, or ""."""
    try:
        with replacing(path, durable=False) as file:
            file.write(sealed(path.name, _to_npz(pictures)))
    except OSError as error:
        return str(error)
    return ""


def _key(found: Sequence[tuple[str, Path]], options: Options) -> str:
    """sha256 of the version, what was asked for, and each picture's class, path and content."""
    whole = hashlib.sha256(f"{_VERSION} {tuple(options)}\n".encode())
    for label, path in found:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{label}\n{path}\n{content}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _to_npz(pictures: Pictures) -> bytes:
    """Not compressed: photographs would not become smaller."""
    file = io.BytesIO()
    texts = pictures.names, pictures.files, pictures.notes
    names, files, notes = (np.array(text, dtype=str) for text in texts)
    np.savez(
        file,
        images=pictures.images,
        labels=pictures.labels,
        inverted=np.array(pictures.inverted),
        names=names,
        files=files,
        notes=notes,
    )
    return file.getvalue()


def _from_npz(content: bytes) -> Pictures:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        names, files, notes = (tuple(stored[k].tolist()) for k in ("names", "files", "notes"))
        return Pictures(
            stored["images"], stored["labels"], names, files, notes, bool(stored["inverted"])
        )
