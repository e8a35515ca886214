"""Omniglot for tests: the real one where $TINYMETA_DATA has it, and a tiny one made on the spot."""

import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from tinymeta.data import Characters, omniglot, omniglot_files
from tinymeta.system import disk, kernel_folder


@pytest.fixture(autouse=True)
def no_test_reads_the_users_cache(own_cache):
    pass


@pytest.fixture(scope="session")
def omniglot_root():
    root = os.environ.get("TINYMETA_DATA")
    if not root or not (Path(root) / "images_background.zip").exists():
        pytest.skip("Omniglot is absent: set $TINYMETA_DATA to a folder that holds its zips")
    return Path(root)


@pytest.fixture(scope="session")
def real(omniglot_root, tmp_path_factory):
    """The real data set, decoded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYMETA_CACHE", str(kernel_folder.folder()))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        data = omniglot.Omniglot(omniglot_root)
        assert len(data.background) + len(data.evaluation) == 1623
    return data


def write_png(picture, depth=1, filter=0, interlace=0):
    """A PNG of a (H, W) picture with ink 1, as Omniglot's files are: 1-bit grey, ink 0."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    height, width = picture.shape
    rows = np.packbits(1 - picture, axis=1) if depth == 1 else 255 * (1 - picture)
    rows = np.insert(rows, 0, filter, axis=1).astype(np.uint8)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, interlace))
        + chunk(b"tIME", bytes(7))
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


class Tiny:
    """A root with two sets of 2 alphabets x 3 characters x 4 drawers, and what they decode to."""

    def __init__(self, root):
        rng = np.random.default_rng(0)
        nearest = [int((i + 0.5) * 3.75) for i in range(28)]
        self.root, self.files, self.sets = root, {}, {}
        for name in ("background", "evaluation"):
            pictures = (rng.random((6, 4, 105, 105)) < 0.1).astype(np.uint8)
            names = tuple(f"{name}{a}/character{c:02}" for a in "AB" for c in (1, 2, 3))
            self.files[name] = {
                f"images_{name}/{character}/{i:04}_{d + 1:02}.png": write_png(p)
                for i, character in enumerate(names)
                for d, p in enumerate(pictures[i])
            }
            self.sets[name] = Characters(
                pictures[:, :, nearest][:, :, :, nearest], np.repeat([0, 1], 3), names
            )
            self.write(name)

    def write(self, name):
        write_zip(self.root / f"images_{name}.zip", self.files[name])

    def path(self, name):
        return self.root / f"images_{name}.zip"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    (tmp_path / "root").mkdir()
    tiny = Tiny(tmp_path / "root")
    for name, characters in tiny.sets.items():
        monkeypatch.setitem(
            omniglot_files.CONTENTS,
            name,
            omniglot_files.Contents(2, 6, omniglot_files.digest(characters)),
        )
    return tiny


class FullDisk:
    """Stands in for open(): a file that takes `room` bytes, and then the disk is full."""

    def __init__(self, room):
        self.room = room

    def __call__(self, path, mode):
        disk = self

        class File:
            def __enter__(self):
                self.file = open(path, mode)
                return self

            def __exit__(self, *_):
                self.file.close()

            def __getattr__(self, name):
                return getattr(self.file, name)

            def write(self, data):
                if self.file.tell() + len(data) > disk.room:
                    self.file.write(data[: disk.room])
                    raise OSError(28, "No space left on device")
                return self.file.write(data)

        return File()


@pytest.fixture
def full_disk(monkeypatch):
    """full_disk(room) makes the disk full after `room` bytes of a file."""
    return lambda room: monkeypatch.setattr(disk, "open", FullDisk(room), raising=False)


@pytest.fixture
def png():
    return write_png


@pytest.fixture
def make_zip():
    return write_zip
