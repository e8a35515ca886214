"""A file is written whole or not at all, whoever else writes it, whatever happens meanwhile."""

import os
import threading

import pytest

from tinymeta.system import disk
from tinymeta.system.disk import replacing, write

LARGE = 1 << 20


def test_writers_and_readers_of_one_path_see_whole_files(tmp_path):
    path, texts = tmp_path / "f", ["a" * LARGE, "b" * (LARGE // 2)]
    write(path, texts[0])
    seen, failed, done = set(), [], threading.Event()

    def writing(text):
        try:
            for _ in range(10):
                write(path, text)
        except OSError as error:
            failed.append(error)

    def reading():
        while not done.is_set():
            seen.add(path.read_text())

    writers = [threading.Thread(target=writing, args=(text,)) for text in texts]
    reader = threading.Thread(target=reading)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert not failed and seen <= set(texts) and os.listdir(tmp_path) == ["f"]


@pytest.fixture
def little_room():
    """No file may grow beyond 1000 bytes, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, little_room):
    write(tmp_path / "f", "old")
    with pytest.raises(OSError, match="large"):
        write(tmp_path / "f", "x" * LARGE)
    assert os.listdir(tmp_path) == ["f"] and (tmp_path / "f").read_text() == "old"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_who_stops_half_way_leaves_nothing(stop, tmp_path):
    with pytest.raises(stop), replacing(tmp_path / "f") as file:
        file.write(b"half")
        raise stop
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name, error, words",
    [
        ("missing/f", FileNotFoundError, "no such folder: make it first: '.*missing'$"),
        (".", IsADirectoryError, "is a folder: give a file in it: '"),
    ],
)
def test_a_place_where_no_file_can_be_is_named(name, error, words, tmp_path):
    with pytest.raises(error, match=words):
        write(tmp_path / name, "text")
    assert not [*tmp_path.iterdir()]


def test_what_a_killed_writer_left_is_removed_once_it_is_old(tmp_path):
    names = {
        "f.0123abcd.part": True,
        "f.4567abcd.part": False,  # of this path: an hour old
        "f2.0123abcd.part": False,
        "f[1].0123abcd.part": False,
    }  # of others
    for name in names:
        (tmp_path / name).write_text("half")
    now = (tmp_path / "f2.0123abcd.part").stat().st_mtime
    for name in names.keys() - {"f.4567abcd.part"}:
        os.utime(tmp_path / name, (now, now - disk.STALE - 60))
    write(tmp_path / "f", "new")
    assert set(os.listdir(tmp_path)) == {"f", *(n for n, removed in names.items() if not removed)}
    write(tmp_path / "f[1]", "new")  # no pattern, but a name
    assert not (tmp_path / "f[1].0123abcd.part").exists()


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_it_returns(
    tmp_path, monkeypatch
):
    order, fsync, replace = [], os.fsync, os.replace
    kinds = {True: "folder", False: "file"}

    def synced(handle):
        order.append(kinds[os.path.isdir(f"/proc/self/fd/{handle}")])
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("rename"), replace(*names)))
    write(tmp_path / "f", "text")
    assert order == ["file", "rename", "folder"]


def test_a_system_that_cannot_sync_a_folder_still_writes(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    write(tmp_path / "f", "text")
    assert (tmp_path / "f").read_text() == "text"
