"""Where Omniglot's files are, and whether they are Omniglot's.

In a folder of the user's choice, or the user's cache, lie the zips of its two sets, or the folders
unpacked from them. Decoded pictures are checked against a digest, and kept as bits, 8 pixels a
byte, so that the PNGs are decoded once.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..system.own_folder import user_cache
from ..system.unzip import arrays
from .archive import LIMIT
from .characters import Characters


class Contents(NamedTuple):
    """What a set must hold: how many alphabets and characters, and `digest(characters)`."""

    alphabets: int
    characters: int
    digest: str


CONTENTS = {
    "background": Contents(
        30, 964, "b812ae7ad39c1220b03a806ed86c0b871d74178314b299d6c6ccfd064a44b3e1"
    ),
    "evaluation": Contents(
        20, 659, "f62156f63895b3c6bee1be1d7e70024f0a9db3a0f529360acfdd474095c249b3"
    ),
}


def omniglot_cache() -> Path:
    """The folder for its files where none is given."""
    return user_cache() / "omniglot"


def find_root(root: str | os.PathLike | None = None) -> Path:
    """The folder given, else $TINYMETA_DATA, else the user's cache."""
    return Path(root or os.environ.get("TINYMETA_DATA") or omniglot_cache()).expanduser()


def find_set(root: Path, name: str) -> Path:
    """The path of the zip `name`.zip in root, or else of the folder `name`.

    Raises FileNotFoundError when there is neither.
    """
    for source in (root / f"{name}.zip", root / name):
        if source.exists():
            return source
    raise FileNotFoundError(
        f"{root / name}.zip is missing, and so is the folder {name}; get it "
        f"by `python -m tinymeta.data.omniglot --root {root}`"
    )


def digest(characters: Characters) -> str:
    """sha256 of the names and of all pixels as bits."""
    content = hashlib.sha256("\n".join(characters.names).encode())
    content.update(np.packbits(characters.images).tobytes())
    return content.hexdigest()


def check(characters: Characters, name: str, source: Path) -> Characters:
    """Return the characters if they are Omniglot's set `name`; raise ValueError if not."""
    expected = CONTENTS[name]
    count, alphabets = len(characters), len(characters.alphabets)
    if (count, alphabets) != (expected.characters, expected.alphabets):
        raise ValueError(
            f"{source} holds {count} characters of {alphabets} alphabets, but Omniglot's {name} "
            f"set has {expected.characters} of {expected.alphabets}; download it again"
        )
    if digest(characters) != expected.digest:
        raise ValueError(
            f"{source} has the size of Omniglot's {name} set but other names or "
            f"pixels; download it again"
        )
    return characters


def to_npz(characters: Characters) -> bytes:
    """The bytes of a compressed .npz file of the characters, 8 pixels a byte."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        bits=np.packbits(characters.images),
        shape=characters.images.shape,
        alphabet=characters.alphabet,
        names=np.array(characters.names),
    )
    return file.getvalue()


def from_npz(path: Path) -> Characters:
    """The characters in a file that `to_npz` made."""
    stored = arrays(path, lambda name: True, LIMIT)
    shape = tuple(stored["shape"])
    pixels = np.unpackbits(stored["bits"])[: np.prod(shape)]
    return Characters(pixels.reshape(shape), stored["alphabet"], tuple(stored["names"].tolist()))
