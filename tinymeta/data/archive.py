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

from ..core.unzip import entries, naming_the_file
from .characters import Characters

SIDE = 105
ROW = 1 + (SIDE + 7) // 8  # bytes: the row's filter, then 8 pixels a byte
NEAREST = ((np.arange(28) + 0.5) * SIDE / 28).astype(int)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
IMAGE = re.compile(r"([^/\s]+/character\d+)/\d+_(\d{1,9})\.png$")
LIMIT = 64 << 20  # bytes; the largest set has 5 million
SET, AGAIN = "one of Omniglot's sets", "download it again"


def read_files(source: Path, wanted: Callable[[str], object]) -> dict[str, bytes]:
    """The wanted files of a zip, or of a folder, by their path below the top: '.../a.png' -> bytes.

    Raises FileNotFoundError where there is neither, ValueError for a damaged zip, and for files
    that are together larger than any of Omniglot's sets.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"{source} is missing (a zip, or the folder unpacked from it)")
    with naming_the_file(source, SET, AGAIN):
        if not source.is_dir():
            return dict(entries(source, wanted, LIMIT))
        paths = sorted(path for path in source.rglob("*") if path.is_file())
        named = {path.relative_to(source).as_posix(): path for path in paths}
        chosen = {name: path for name, path in named.items() if wanted(name)}
        if (size := sum(path.stat().st_size for path in chosen.values())) > LIMIT:
            raise ValueError(f"its files have {size} bytes, and {LIMIT} would be the most")
        return {name: path.read_bytes() for name, path in chosen.items()}


def decode(pngs: dict[str, bytes], source: Path) -> np.ndarray:
    """The pictures (n, 105, 105) uint8, ink 1, of n PNG files given as path -> bytes.

    Raises ValueError naming the file that is truncated, damaged or not of Omniglot's form.
    """
    raw = bytearray()
    for name, data in pngs.items():
        with naming_the_file(f"{source}: {name}", "a sound Omniglot PNG", AGAIN):
            raw += _rows(data)
    rows = np.frombuffer(raw, np.uint8).reshape(len(pngs), SIDE, ROW)
    return 1 - np.unpackbits(rows[:, :, 1:], axis=2, count=SIDE)  # (n, 105, 105)


def _rows(data: bytes) -> bytes:
    """One PNG's rows, each a filter byte and 14 bytes of pixels."""
    if not data.startswith(SIGNATURE):
        raise ValueError("no PNG signature")
    at, packed, kind = len(SIGNATURE), b"", b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, at)
        body, check = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if zlib.crc32(kind + body).to_bytes(4, "big") != check:
            raise ValueError(f"its {kind.decode('latin1')} chunk is cut off or its checksum wrong")
        if kind == b"IHDR" and body != struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0):
            raise ValueError(f"it is not {SIDE}x{SIDE}, 1-bit grey, not interlaced")
        if kind == b"IDAT":
            packed += body
        at += 12 + size
    unpacking = zlib.decompressobj()
    rows = unpacking.decompress(packed, SIDE * ROW + 1)  # no more, whatever it unpacks to
    if len(rows) != SIDE * ROW or not unpacking.eof:
        raise ValueError(f"it has not {SIDE * ROW} bytes of pixels")
    if any(rows[::ROW]):
        raise ValueError("its rows are filtered, and only filter 0 is read here")
    return rows


def shrink(images: np.ndarray) -> np.ndarray:
    """(..., 105, 105) -> (..., 28, 28), nearest neighbour."""
    return images[..., NEAREST[:, None], NEAREST]  # (..., 28, 28)


def read_characters(source: Path) -> Characters:
    """Read ALPHABET/characterNN/IIII_DD.png files as 28x28 Characters, in order of their names.

    Raises FileNotFoundError and ValueError naming what is missing, damaged or of another form.
    """
    found = {
        (match[1], int(match[2])): data
        for path, data in read_files(source, IMAGE.search).items()
        for match in [IMAGE.search(path)]
    }
    if not found:
        raise ValueError(
            f"{source} holds no ALPHABET/characterNN/IIII_DD.png, so it is not {SET}: {AGAIN}"
        )
    names = tuple(sorted({name for name, _ in found}))
    drawers = sorted({drawer for _, drawer in found})
    lacking = ((n, d) for n in names for d in drawers if (n, d) not in found)
    if count := len(names) * len(drawers) - len(found):
        first = "{}, drawer {:02}".format(*next(lacking))
        raise ValueError(f"{source} lacks {count} pictures, the first {first}: {AGAIN}")

    alphabet = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    images = np.empty((len(names), len(drawers), 28, 28), np.uint8)
    for i, name in enumerate(names):  # one by one: 358 MB at 105x105 else
        pngs = {f"{name}, drawer {d:02}": found[name, d] for d in drawers}
        images[i] = shrink(decode(pngs, source))
    return Characters(images, alphabet, names)
