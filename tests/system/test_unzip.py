"""Small files that unpack to large ones fill no memory, and what nobody asked for is not read."""

import os
import struct
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.system.unzip import entries, naming_the_file

LARGE = bytes(6_000_000)


@contextmanager
def little_memory():
    """What runs inside may take a megabyte at the most."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def packed(path, method=zipfile.ZIP_DEFLATED, declared=len(LARGE)):
    """A zip with one large entry, which its list calls as large as `declared`."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("large", LARGE)
        archive.writestr("small", b"small")
    data = path.read_bytes()
    true, other = (struct.pack("<I", size) for size in (len(LARGE), declared))
    path.write_bytes(data.replace(true, other))
    return path


@pytest.mark.parametrize(
    "options, says",
    [
        ({}, "unpacks to 6000005 bytes, and .* would be the most"),
        ({"declared": 10}, "CRC"),
        (
            {"declared": 10, "method": zipfile.ZIP_BZIP2},
            "'large' is compressed by an unusual method",
        ),
        (
            {"declared": 10, "method": zipfile.ZIP_LZMA},
            "'large' is compressed by an unusual method",
        ),
    ],
    ids=["declared", "not declared", "bzip2", "lzma"],
)
def test_a_small_archive_does_not_fill_memory(options, says, tmp_path):
    path = packed(tmp_path / "f.zip", **options)
    with little_memory(), pytest.raises(ValueError, match=f"f.zip is not a zip.*{says}"):
        with naming_the_file(path, "a zip"):
            dict(entries(path, lambda name: True))


def test_what_nobody_asked_for_is_not_unpacked(tmp_path):
    path = packed(tmp_path / "f.zip")
    with little_memory():
        assert dict(entries(path, "small".__eq__)) == {"small": b"small"}


def test_a_small_file_of_arrays_does_not_fill_memory(tmp_path):
    fields = {"tree": np.array("0"), "about": np.array('{"format": 2}'), "digest": np.array("")}
    np.savez_compressed(tmp_path / "f.npz", leaf0=np.zeros(1_000_000), **fields)
    with little_memory(), pytest.raises(ValueError, match="unpacks to"):
        tm.load(tmp_path / "f.npz")


def test_many_entries_that_share_their_bytes_do_not_fill_memory(tmp_path):
    """The list of a zip may point at one place as often as it likes."""
    path = tmp_path / "f.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", bytes(100_000))
        info = archive.getinfo("a")
        for k in range(200):
            again = zipfile.ZipInfo(f"a{k}")
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(again, field, getattr(info, field))
            archive.filelist.append(again)
    with little_memory(), pytest.raises(ValueError, match="unpacks to 20100000 bytes"):
        dict(entries(path, lambda name: True))


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(tmp_path):
    path, smaller = tmp_path / "f.zip", tmp_path / "smaller.zip"
    for name, size in ((path, 10_000), (smaller, 10)):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("a", bytes(size))

    def replacing(name):
        os.replace(smaller, path)
        return True

    assert dict(entries(path, replacing)) == {"a": bytes(10_000)}


def test_whatever_goes_wrong_is_one_sentence():
    for error in (KeyError("leaf"), RecursionError(), OSError(22, "Bad"), ValueError("a\nb" * 999)):
        with pytest.raises(ValueError, match="f.npz is not ours, or it was damaged") as raised:
            with naming_the_file("f.npz", "ours"):
                raise error
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 400
    with pytest.raises(FileNotFoundError), naming_the_file("f.npz", "ours"):
        open("f.npz")
