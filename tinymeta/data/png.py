"""PNG files with the standard library's zlib and NumPy: a file's bytes -> (H, W, C) uint8.

All that the format allows is read: grey, colour, palettes, 1 to 16 bits a sample, the five row
filters, both ways of interlacing. C is 1 of what is stored as grey, else 3. What is transparent is
laid over white, the paper under a drawing; of 16 bits the upper 8 are kept; colour profiles are not
looked at. A reader of our own, since Pillow would be a dependency for the one format that needs no
more than zlib.

The specification: ISO/IEC 15948, https://www.w3.org/TR/png-3.
"""

import functools
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LIMIT = 256 << 20  # bytes of one picture's rows; a file of a few bytes may unpack to any number
_GREY, _COLOUR, _PALETTE, _GREY_ALPHA, _COLOUR_ALPHA = 0, 2, 3, 4, 6
_SAMPLES = {_GREY: 1, _COLOUR: 3, _PALETTE: 1, _GREY_ALPHA: 2, _COLOUR_ALPHA: 4}  # of a pixel
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _PALETTE: (1, 2, 4, 8)}  # bits of a sample; of others 8, 16
# Adam7: seven small pictures, each (first column, first row, step of columns, step of rows).
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


class _Header(NamedTuple):
    """The body of the chunk IHDR."""

    width: int
    height: int
    depth: int  # bits of a sample
    kind: int
    compression: int
    filtering: int
    interlaced: int


def read_png(data: bytes) -> np.ndarray:
    """The picture (H, W, C) uint8 in the bytes of a file.

    Raises ValueError, or whatever struct and zlib raise of damaged bytes: to be called under
    `naming_the_file`.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("no PNG signature")
    bodies: dict[bytes, bytes] = {}
    for kind, body in chunks(data):
        bodies[kind] = bodies.get(kind, b"") + body  # IDAT comes in pieces
    header = _Header(*struct.unpack(">IIBBBBB", bodies[b"IHDR"]))
    _check(header)
    samples = _samples(header, bodies[b"IDAT"])
    return _as_bytes(header, samples, bodies.get(b"PLTE", b""), bodies.get(b"tRNS", b""))


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each chunk of a PNG file, up to IEND; ValueError where a checksum is wrong.

    A chunk is its body's length (4 bytes), its kind (4), the body, and the crc32 of both (4).
    """
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", png, at)
        start = at + 8
        end = start + size
        body = png[start:end]
        checksum = png[end : end + 4]
        if zlib.crc32(kind + body).to_bytes(4, "big") != checksum:
            raise ValueError(f"its {kind.decode('latin1')} chunk is cut off or its checksum wrong")
        yield kind, body
        at = end + 4


def _check(header: _Header) -> None:
    """Raise ValueError for a header that the format does not have."""
    depths = _DEPTHS.get(header.kind, (8, 16))
    known = header.kind in _SAMPLES and header.depth in depths
    if not known or header.compression or header.filtering or header.interlaced > 1:
        raise ValueError(f"its header says {header}, which PNG does not have")
    if not header.width or not header.height:
        raise ValueError(f"it has {header.width}x{header.height} pixels")


def _samples(header: _Header, packed: bytes) -> np.ndarray:
    """The numbers of the pixels as they are stored: (H, W, samples) uint16."""
    n = _SAMPLES[header.kind]
    grids = _ADAM7 if header.interlaced else ((0, 0, 1, 1),)
    shapes = []  # (rows, columns, bytes of a row) of each grid
    for left, top, across, down in grids:
        rows = -(-max(header.height - top, 0) // down)
        columns = -(-max(header.width - left, 0) // across)
        row_bytes = -(-columns * n * header.depth // 8)
        shapes.append((rows if columns else 0, columns, row_bytes))
    size = sum(rows * (1 + row_bytes) for rows, _, row_bytes in shapes)
    if size > _LIMIT:
        raise ValueError(f"it has {size} bytes of pixels, and {_LIMIT} would be the most")
    decompressor = zlib.decompressobj()
    raw = decompressor.decompress(packed, size + 1)  # no more, whatever it unpacks to
    if len(raw) != size or not decompressor.eof:
        raise ValueError(f"it has not {size} bytes of pixels")

    found = np.empty((header.height, header.width, n), np.uint16)
    pixel_bytes = max(1, n * header.depth // 8)
    start = 0
    for (left, top, across, down), (rows, columns, row_bytes) in zip(grids, shapes):
        stop = start + rows * (1 + row_bytes)
        filtered = np.frombuffer(raw[start:stop], np.uint8)
        plain = _unfiltered(filtered.reshape(rows, 1 + row_bytes), pixel_bytes)
        grid = found[top::down, left::across]
        grid[:rows] = _unpacked(plain, columns, n, header.depth)
        start = stop
    return found


def _unfiltered(rows: np.ndarray, pixel_bytes: int) -> np.ndarray:
    """Rows (H, 1 + bytes), the first byte of each its filter, as the bytes that were filtered."""
    filters, body = rows[:, 0], rows[:, 1:]
    if (filters > 4).any():
        raise ValueError(f"a row has the filter {filters.max()}, which PNG does not have")
    if not filters.any():
        return body
    plain = body.copy()
    _compiled_undo_filters()(plain, filters, pixel_bytes)
    return plain


@functools.cache
def _compiled_undo_filters() -> Callable:
    """`_undo_filters`, compiled where the first filtered picture is met, and not on import."""
    from numba import njit

    return njit(_undo_filters)


def _undo_filters(rows: np.ndarray, filters: np.ndarray, pixel_bytes: int) -> None:
    """Add to each byte what its row's filter predicted of a = left, b = above, c = above left:

    0: 0    1: a    2: b    3: (a + b) // 2    4: the one of a, b, c that is next to a + b - c
    """
    height, width = rows.shape
    for i in range(height):
        for j in range(width):
            a = int(rows[i, j - pixel_bytes]) if j >= pixel_bytes else 0
            b = int(rows[i - 1, j]) if i else 0
            c = int(rows[i - 1, j - pixel_bytes]) if i and j >= pixel_bytes else 0
            predicted = 0
            if filters[i] == 1:
                predicted = a
            elif filters[i] == 2:
                predicted = b
            elif filters[i] == 3:
                predicted = (a + b) // 2
            elif filters[i] == 4:
                to_a = abs(b - c)
                to_b = abs(a - c)
                to_c = abs(a + b - 2 * c)
                predicted = c
                if to_a <= to_b and to_a <= to_c:
                    predicted = a
                elif to_b <= to_c:
                    predicted = b
            plain = int(rows[i, j]) + predicted
            rows[i, j] = plain & 255


def _unpacked(rows: np.ndarray, columns: int, samples: int, depth: int) -> np.ndarray:
    """Rows (H, bytes) as numbers (H, columns, samples); several in a byte, or two bytes each."""
    count = columns * samples
    if depth == 16:
        high = rows[:, 0::2].astype(np.uint16)
        low = rows[:, 1::2]
        numbers = high << 8 | low
    elif depth == 8:
        numbers = rows.astype(np.uint16)
    else:
        bits = np.unpackbits(rows, axis=1)[:, : count * depth]
        bits = bits.reshape(len(rows), count, depth)
        values_of_bits = 1 << np.arange(depth, dtype=np.uint16)[::-1]
        numbers = bits.astype(np.uint16) @ values_of_bits
    return numbers.reshape(len(rows), columns, samples)


def _as_bytes(header: _Header, samples: np.ndarray, palette: bytes, clear: bytes) -> np.ndarray:
    """The picture (H, W, C) uint8, over white where it is transparent.

    clear: the chunk tRNS: the opacity of each colour of a palette, or the one colour to see
    through.
    """
    most = (1 << header.depth) - 1
    opacity = np.float32(1)  # a number, or (H, W, 1)
    if header.kind == _PALETTE:
        colours = np.frombuffer(palette, np.uint8).reshape(-1, 3)
        chosen = samples[..., 0]
        if not len(colours) or chosen.max() >= len(colours):
            raise ValueError(f"it uses colour {chosen.max()} of a palette of {len(colours)}")
        alphas = np.full(len(colours), 255, np.float32)
        given = np.frombuffer(clear, np.uint8)
        alphas[: len(given)] = given[: len(colours)]
        picture = colours[chosen].astype(np.float32)
        opacity = alphas[chosen][..., None] / 255
    else:
        has_alpha = header.kind in (_GREY_ALPHA, _COLOUR_ALPHA)
        shown = samples[..., :-1] if has_alpha else samples
        picture = shown.astype(np.float32) * np.float32(255 / most)
        if header.depth == 16:
            picture = np.floor(shown.astype(np.float32) / 256)
        if has_alpha:
            opacity = samples[..., -1:].astype(np.float32) / most
        elif clear:
            key = np.frombuffer(clear, ">u2")
            opacity = (shown != key).any(-1, keepdims=True).astype(np.float32)
    over_white = picture * opacity + 255 * (1 - opacity)
    return np.rint(over_white).astype(np.uint8)
