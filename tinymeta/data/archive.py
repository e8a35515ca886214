"""Omniglot's PNGs, from a zip or an unpacked folder, with the standard library and NumPy alone.

Every file is 105x105, one bit a pixel, ink 0, one row after another with row filter 0, so a PNG
reader for them is short; any other PNG is refused by name. Models get 28x28 by nearest neighbour:
rows and columns floor((i + 0.5) * 3.75), the pixels that Pillow picks for 1-bit images.
"""

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..system.unzip import entries, naming_the_file
from .characters import Characters
from .png import SIGNATURE, chunks

SIDE = 105  # pixels
_ROW = 1 + (SIDE + 7) // 8  # bytes: the row's filter, then 8 pixels a byte
HEADER = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)  # of the only form that is read
_NEAREST = ((np.arange(28) + 0.5) * SIDE / 28).astype(int)
_IMAGE = re.compile(r"([^/\s]+/character\d+)/\d+_(\d{1,9})\.png$")  # groups: name, drawer
LIMIT = 64 << 20  # bytes; the largest set has 5 million
_SET_KIND, _REMEDY = "one of Omniglot's sets", "download it again"  # for messages


def read_files(source: Path, wanted: Callable[[str], object]) -> dict[str, bytes]:
    """The wanted files of a zip, or of a folder, by their path below the top: '.../a.png' -> bytes.

    wanted(path) is true of the paths to read. Raises FileNotFoundError where there is neither zip
    nor folder, ValueError for a damaged zip, and for files that are together larger than LIMIT.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"{source} is missing (a zip, or the folder unpacked from it)")
    with naming_the_file(source, _SET_KIND, _REMEDY):
        if source.is_dir():
            return _read_folder(source, wanted)
        return dict(entries(source, wanted, LIMIT))


def _read_folder(source: Path, wanted: Callable[[str], object]) -> dict[str, bytes]:
    """The same for a folder; ValueError for files that are together larger than LIMIT."""
    chosen = {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_file() and wanted(name):
            chosen[name] = path
    size = sum(path.stat().st_size for path in chosen.values())
    if size > LIMIT:
        raise ValueError(f"its files have {size} bytes, and {LIMIT} would be the most")
    return {name: path.read_bytes() for name, path in chosen.items()}


def decode(pngs: dict[str, bytes], source: Path) -> np.ndarray:
    """The pictures (n, 105, 105) uint8, ink 1, of n PNG files given as path -> bytes.

    Raises ValueError naming the file that is truncated, damaged or not of Omniglot's form.
    """
    raw = bytearray()
    for name, data in pngs.items():
        with naming_the_file(f"{source}: {name}", "a sound Omniglot PNG", _REMEDY):
            raw += _decompress(data)
    rows = np.frombuffer(raw, np.uint8).reshape(len(pngs), SIDE, _ROW)
    return 1 - np.unpackbits(rows[:, :, 1:], axis=2, count=SIDE)  # (n, 105, 105)


def _decompress(png: bytes) -> bytes:
    """The 105 rows of one PNG file, each a filter byte and 14 bytes of pixels.

    Raises ValueError, or whatever struct and zlib raise: to be called under `naming_the_file`.
    """
    if not png.startswith(SIGNATURE):
        raise ValueError("no PNG signature")
    packed = b""
    for kind, body in chunks(png):
        if kind == b"IHDR" and body != HEADER:
            raise ValueError(f"it is not {SIDE}x{SIDE}, 1-bit grey, not interlaced")
        if kind == b"IDAT":
            packed += body
    decompressor = zlib.decompressobj()
    rows = decompressor.decompress(packed, SIDE * _ROW + 1)  # no more, whatever it unpacks to
    if len(rows) != SIDE * _ROW or not decompressor.eof:
        raise ValueError(f"it has not {SIDE * _ROW} bytes of pixels")
    if any(rows[::_ROW]):
        raise ValueError("its rows are filtered, and only filter 0 is read here")
    return rows


def shrink(images: np.ndarray) -> np.ndarray:
    """Images (..., 105, 105) by nearest neighbour as (..., 28, 28)."""
    return images[..., _NEAREST[:, None], _NEAREST]


def read_characters(source: Path) -> Characters:
    """Read ALPHABET/characterNN/IIII_DD.png files as 28x28 Characters, in order of their names.

    Raises FileNotFoundError and ValueError naming what is missing, damaged or of another form.
    """
    found = {}
    for path, data in read_files(source, _IMAGE.search).items():
        if match := _IMAGE.search(path):
            name, drawer = match.groups()
            found[name, int(drawer)] = data
    if not found:
        raise ValueError(
            f"{source} holds no ALPHABET/characterNN/IIII_DD.png, so it is not {_SET_KIND}: "
            f"{_REMEDY}"
        )
    names = tuple(sorted({name for name, _ in found}))
    drawers = sorted({drawer for _, drawer in found})
    if lacking := len(names) * len(drawers) - len(found):
        # A generator: a foreign zip may lack millions, and only the first is named.
        absent = ((n, d) for n in names for d in drawers if (n, d) not in found)
        name, drawer = next(absent)
        raise ValueError(
            f"{source} lacks {lacking} pictures, the first {name}, drawer {drawer:02}: {_REMEDY}"
        )

    alphabets = [name.partition("/")[0] for name in names]
    _, alphabet = np.unique(alphabets, return_inverse=True)
    images = np.empty((len(names), len(drawers), 28, 28), np.uint8)
    for i, name in enumerate(names):  # one by one: all at 105x105 would be 358 MB
        pngs = {f"{name}, drawer {drawer:02}": found[name, drawer] for drawer in drawers}
        images[i] = shrink(decode(pngs, source))
    return Characters(images, alphabet, names)
