"""Files that are run: whole or not believed, in a folder that is nobody else's or not used."""

import os
import random
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tinymeta.system import kernel_folder
from tinymeta.system.kernel_folder import folder, load_kernel, save_kernel

CONTENT = bytes(range(256)) * 4
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A folder for this test; what is known of others is forgotten."""
    monkeypatch.setenv("TINYMETA_CACHE", str(tmp_path / "kernels"))
    kernel_folder.usable.cache_clear()
    yield tmp_path / "kernels"
    kernel_folder.usable.cache_clear()


def refused(words: str) -> None:
    with pytest.warns(RuntimeWarning, match=words) as warned:
        assert folder() == kernel_folder.temporary()
    assert len(warned) == 1 and "\n" not in str(warned[0].message)
    assert folder() == kernel_folder.temporary()  # warned once


# ---- files ---------------------------------------------------------------------------------------


def test_what_is_kept_comes_back(own):
    assert load_kernel("a") is None
    save_kernel("a", CONTENT)
    save_kernel("b", b"")
    assert load_kernel("a") == CONTENT and load_kernel("b") == b""
    save_kernel("a", b"another")
    assert load_kernel("a") == b"another" and sorted(p.name for p in own.iterdir()) == ["a", "b"]


def test_a_flipped_bit_is_noticed_wherever_it_is(own):
    save_kernel("a", CONTENT)
    whole, rng = (own / "a").read_bytes(), random.Random(0)
    places = [*range(80), *(rng.randrange(len(whole)) for _ in range(200)), len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        (own / "a").write_bytes(damaged)
        assert load_kernel("a") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: b"",
        lambda whole: whole[:40],
        lambda whole: whole[:-1],
        lambda whole: whole + b"x",
        lambda whole: b"\x80" * 100,
        lambda whole: CONTENT,
    ],
)
def test_a_file_of_another_length_is_noticed(own, change):
    save_kernel("a", CONTENT)
    (own / "a").write_bytes(change((own / "a").read_bytes()))
    assert load_kernel("a") is None


def test_exchanged_files_are_noticed(own):
    save_kernel("a", CONTENT)
    save_kernel("b", CONTENT[:9])
    a, b = (own / name for name in "ab")
    whole = a.read_bytes(), b.read_bytes()
    a.write_bytes(whole[1])
    b.write_bytes(whole[0])
    assert load_kernel("a") is None and load_kernel("b") is None


def test_a_folder_where_the_file_should_be(own):
    (own / "a").mkdir(parents=True)
    save_kernel("a", CONTENT)
    assert load_kernel("a") is None and [p.name for p in own.iterdir()] == ["a"]


def test_a_full_disk_costs_only_the_file(own, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    save_kernel("a", CONTENT)
    assert load_kernel("a") is None and list(own.iterdir()) == []


# ---- folders -------------------------------------------------------------------------------------


def test_a_folder_that_is_gone_is_no_matter(own):
    save_kernel("a", CONTENT)
    (own / "a").unlink()
    own.rmdir()
    save_kernel("a", CONTENT)
    assert load_kernel("a") is None


@posix
def test_folders_that_are_made_are_this_users_alone(own, monkeypatch):
    deep = own / "one" / "two"
    monkeypatch.setenv("TINYMETA_CACHE", str(deep))
    before = os.umask(0)
    try:
        assert folder() == deep
    finally:
        os.umask(before)
    for made in (deep, deep.parent, own):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(own, mode):
    own.mkdir()
    own.chmod(mode)
    refused("others may write to .*kernels.*set TINYMETA_CACHE")
    save_kernel("a", CONTENT)
    assert list(own.iterdir()) == [] and load_kernel("a") == CONTENT


@posix
def test_a_folder_of_another_user_is_not_used(own, monkeypatch):
    me = os.geteuid()
    own.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    refused("kernels is owned by another user")


@posix
def test_a_folder_that_others_can_exchange_is_not_used(own, monkeypatch):
    monkeypatch.setenv("TINYMETA_CACHE", str(own / "mine"))
    (own / "mine").mkdir(parents=True, mode=0o700)
    own.chmod(0o777)
    refused("others may write to .*kernels;")
    own.chmod(0o1777)  # as of /tmp: only owners may rename
    kernel_folder.usable.cache_clear()
    assert folder() == own / "mine"


@posix
def test_a_link_to_such_a_folder_is_not_used(own, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(0o777)
    own.symlink_to(tmp_path / "theirs")
    refused("others may write")


def test_where_files_have_no_owner_none_is_asked_for(own, monkeypatch):
    monkeypatch.delattr(os, "geteuid", raising=False)
    own.mkdir()
    own.chmod(0o777)
    assert folder() == own


@pytest.mark.parametrize("home", ["a file in the way", "unknown"])
def test_without_a_home_there_is_a_temporary_folder(home, own, tmp_path, monkeypatch):
    for name in ("TINYMETA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def found():
        if home == "unknown":
            raise RuntimeError("Could not determine home directory.")
        return tmp_path / "file"

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(Path, "home", found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder() == kernel_folder.temporary()
    monkeypatch.setenv("TINYMETA_CACHE", str(own))  # nobody needs a home then
    assert folder() == own


def test_the_temporary_folder_is_left_to_its_process_and_removed_by_it(tmp_path):
    """Not by a fork of it, whose end is not its end."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("kept")
    kernel_folder.remove(tmp_path / "folder", os.getpid() + 1)
    assert (tmp_path / "folder" / "a").exists()
    code = (
        "import sys, types; sys.modules['system'] = system = types.ModuleType('system'); "
        f"system.__path__ = [{str(Path(kernel_folder.__file__).parent)!r}]; "  # not the package
        "from system.kernel_folder import load_kernel, save_kernel; "
        "save_kernel('a', b'whole'); assert load_kernel('a') == b'whole'"
    )
    env = {
        **os.environ,
        "TINYMETA_CACHE": str(tmp_path / "folder" / "a" / "no folder"),
        **{name: str(tmp_path) for name in ("TMPDIR", "TEMP", "TMP")},
    }
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
