"""Files damaged in any way that a seed draws: archives broken as a disk or a stranger breaks them,
and files of `tm.save` that were tampered with, digest and all.
"""

import copy
import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from tinymeta.io import digest

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def outcome(read, path):
    """What `read()` returns, or the sentence that it raises, which names `path`; no other error."""
    try:
        return read()
    except (ValueError, OSError) as error:
        said = str(error)
    assert str(path) in said and "\n" not in said and len(said) < 1000, said
    return said


def refused(path, data: bytes, read, check) -> bool:
    """Whether a file of these bytes is refused in a sentence; else check(what is read) passes.

    Either way it stays as it is. read(path) returns what is in it.
    """
    path.write_bytes(data)
    found = outcome(lambda: read(path), path)
    if not isinstance(found, str):
        check(found)
    assert path.read_bytes() == data, "the file was changed"
    return isinstance(found, str)


# ---- bytes ---------------------------------------------------------------------------------------


def flip(rng, data: bytes) -> bytes:
    """A few bits flipped."""
    data = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 5)) if data else ():
        data[at] ^= 1 << rng.integers(8)
    return bytes(data)


def cut(rng, data: bytes) -> bytes:
    return data[: rng.integers(len(data) + 1)]


def lose(rng, data: bytes) -> bytes:
    """A piece in the middle is gone."""
    start, stop = sorted(rng.integers(len(data) + 1, size=2))
    return data[:start] + data[stop:]


def overwrite(rng, data: bytes) -> bytes:
    """A piece is zeros, ones or noise, as where a sector cannot be read."""
    start = rng.integers(len(data) + 1)
    size = min(rng.integers(1, 65), len(data) - start)
    noise = (bytes(size), b"\xff" * size, rng.bytes(size))[rng.integers(3)]
    return data[:start] + noise + data[start + size :]


BYTES = (flip, cut, lose, overwrite)


# ---- archives ------------------------------------------------------------------------------------


def rebuilt(rng, data: bytes) -> bytes:
    """Another archive, with right checksums, one of whose entries is not what it was."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    a, b = rng.integers(len(parts), size=2)
    kind = rng.choice(["drop", "twice", "exchange", "rename", "damage", "header", "method"])
    (name, content), other = parts[a], parts[b]
    if kind == "drop":
        del parts[a]
    elif kind == "twice":
        parts.append((name, other[1]))
    elif kind == "exchange":
        parts[a], parts[b] = (name, other[1]), (other[0], content)
    elif kind == "rename":
        parts[a] = (f"{name}x", content)
    elif kind == "damage":
        parts[a] = (name, BYTES[rng.integers(len(BYTES))](rng, content))
    elif kind == "header":
        parts[a] = (name, with_header(rng, content))
    written, method = io.BytesIO(), METHODS[rng.integers(4)] if kind == "method" else 0
    with warnings.catch_warnings(), zipfile.ZipFile(written, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, content in parts:
            archive.writestr(name, content)
    return written.getvalue()


def with_header(rng, content: bytes) -> bytes:
    """An array or a picture with another header, such as a size that nothing could have."""
    descr = rng.choice(["<f8", "<i4", "|O", "<U9", "<c8", "|V0", "<M8[s]", ">f4", "nonsense"])
    shape = (
        "()",
        "(0,)",
        "(-1,)",
        "(10**15,)",
        "(4000000000,)",
        "(2.5,)",
        "'ab'",
        f"({'1,' * 99})",
    )[rng.integers(8)]
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    if content.startswith(b"\x93NUMPY"):
        return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + content[128:]
    chunk = b"IHDR" + struct.pack(">IIBBBBB", *rng.integers(256, size=7))
    return content[:12] + chunk[4:] + zlib.crc32(chunk).to_bytes(4, "big") + content[33:]


def with_field(rng, data: bytes) -> bytes:
    """One field of one entry in the list of the archive is another number."""
    entries = [at for at in range(len(data)) if data[at : at + 4] == b"PK\1\2"]
    at = int(rng.choice(entries)) + int(rng.choice([6, 8, 10, 16, 20, 24, 28, 30, 32, 38, 42]))
    number = struct.pack("<I", int(rng.choice([0, 1, 8, 12, 99, 10**9, 2**32 - 1])))
    size = int(rng.choice([2, 4]))
    return data[:at] + number[:size] + data[at + size :]


ARCHIVES = (*BYTES, rebuilt, rebuilt, rebuilt, with_field)


def archives(whole: bytes, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """(kind of damage, archive) of a zip that is sound."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        kind = ARCHIVES[rng.integers(len(ARCHIVES))]
        yield kind.__name__, kind(rng, whole)


# ---- files of tm.save, whose digest is right -----------------------------------------------------


def tampered(path, **changes) -> None:
    """Change arrays of such a file, or leave them out for None; unless given, the digest fits."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if name != "digest"} | changes
    arrays = {name: array for name, array in arrays.items() if array is not None}
    if "digest" not in changes:
        arrays["digest"] = np.array(digest(arrays))
    np.savez(path, **arrays)


ABSENT = object()
VALUES = (
    ABSENT,
    None,
    True,
    -1,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "text",
    "1",
    [],
    {},
    [[]],
    [0, 1, 2],
    {"a": 1},
)
KINDS = ("f4", ">f8", "i8", "bool", "c8", "U5", "O", "V8", "f2")
OTHERS = (
    lambda a: None,
    lambda a: a[None],
    lambda a: a.ravel()[:0],
    lambda a: a * np.nan,
    *(lambda a, kind=kind: a.astype(kind) for kind in KINDS),
)


def places(value, path=()) -> Iterator[tuple]:
    """The way to each part of what JSON holds, the whole included."""
    yield path
    parts = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        yield from places(part, (*path, key))


def replaced(value, path, new):
    """A copy of what JSON holds with one part another, or absent."""
    if not path:
        return {} if new is ABSENT else new
    value = copy.deepcopy(value)
    *way, last = path
    parent = value
    for key in way:
        parent = parent[key]
    if new is ABSENT:
        del parent[last]
    else:
        parent[last] = new
    return value


def checkpoints(path, seed: int, count: int) -> Iterator[tuple[str, dict]]:
    """(what is changed, changes for `tampered`) of a file of tm.save, in random order.

    Any part of its JSON is replaced or absent, any array has another dtype, shape or kind.
    """
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if name != "digest"}
    about = json.loads(str(arrays["about"]))
    of_about = [(way, value) for way in places(about) for value in VALUES]
    of_arrays = [(name, other) for name in arrays for other in OTHERS]
    total = len(of_about) + len(of_arrays)
    for which in np.random.default_rng(seed).permutation(total)[:count]:
        if which < len(of_about):
            way, value = of_about[which]
            what = f"{way}: {'absent' if value is ABSENT else value}"
            yield what, {"about": np.array(json.dumps(replaced(about, way, value)))}
        else:
            name, other = of_arrays[which - len(of_about)]
            with np.errstate(all="ignore"):
                array = np.zeros(3) if arrays[name].dtype.kind == "U" else arrays[name]
                changed = other(array)
            yield f"{name}: {changed!r}", {name: changed}
