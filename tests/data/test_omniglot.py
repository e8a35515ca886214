"""Omniglot: what is read, kept and refused. Tiny zips made here stand in for the real ones."""

import os
import re
import struct
import tracemalloc
import zipfile
import zlib

import damage
import numpy as np
import pytest

from tinymeta.data import Omniglot, archive, omniglot, omniglot_files
from tinymeta.data.archive import decode, read_characters


def equal(one, two):
    return (
        one.names == two.names
        and np.array_equal(one.images, two.images)
        and np.array_equal(one.alphabet, two.alphabet)
    )


def change_bytes(path, change):
    path.write_bytes(change(path.read_bytes()))


def test_zips_and_folders_are_read_alike(tiny, own_cache):
    assert equal(Omniglot(tiny.root).background, tiny.sets["background"])
    assert equal(Omniglot(tiny.root).evaluation, tiny.sets["evaluation"])
    for name in tiny.sets:
        zipfile.ZipFile(tiny.path(name)).extractall(tiny.root)
        tiny.path(name).unlink()
        (own_cache / f"{name}-28.npz").unlink()
        assert equal(getattr(Omniglot(tiny.root), name), tiny.sets[name])


def test_the_root_is_found(tiny, own_cache, monkeypatch):
    monkeypatch.delenv("TINYMETA_DATA", raising=False)
    assert Omniglot().root == own_cache
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tiny.root))
    assert Omniglot().root == tiny.root / ".cache/tinymeta/omniglot"
    monkeypatch.setenv("TINYMETA_DATA", str(tiny.root))
    assert Omniglot().root == tiny.root
    assert Omniglot("elsewhere").root.name == "elsewhere"


def test_the_second_reading_comes_from_the_cache(tiny, own_cache, monkeypatch):
    Omniglot(tiny.root).background
    assert [path.name for path in own_cache.iterdir()] == ["background-28.npz"]
    monkeypatch.setattr(omniglot, "read_characters", lambda source: pytest.fail("decoded again"))
    assert equal(Omniglot(tiny.root).background, tiny.sets["background"])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"no npz at all",
        lambda data: data[:200] + bytes([data[200] ^ 255]) + data[201:],
    ],
)
def test_a_damaged_cache_is_made_anew(tiny, own_cache, change):
    Omniglot(tiny.root).background
    cache = own_cache / "background-28.npz"
    sound = cache.read_bytes()
    change_bytes(cache, change)
    assert equal(Omniglot(tiny.root).background, tiny.sets["background"])
    assert cache.read_bytes() == sound


def test_a_cache_of_other_pixels_is_not_believed(tiny, own_cache):
    Omniglot(tiny.root).background
    cache = own_cache / "background-28.npz"
    with np.load(cache) as kept:
        arrays = dict(kept)
    arrays["bits"][7] ^= 1
    np.savez_compressed(cache, **arrays)
    assert equal(Omniglot(tiny.root).background, tiny.sets["background"])


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_costs_only_the_cache(tiny, own_cache, full_disk, room):
    full_disk(room)
    with pytest.warns(UserWarning, match="could not be kept .*No space left on device"):
        assert equal(Omniglot(tiny.root).background, tiny.sets["background"])
    assert list(own_cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_costs_only_a_warning(tiny, own_cache):
    own_cache.parent.parent.mkdir()
    own_cache.parent.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="could not be kept"):
        assert equal(Omniglot(tiny.root).background, tiny.sets["background"])


def test_a_missing_set_is_named_with_the_remedy(tiny):
    tiny.path("evaluation").unlink()
    assert len(Omniglot(tiny.root).background) == 6
    remedy = "images_evaluation.zip is missing.*python -m tinymeta.data.omniglot --root"
    with pytest.raises(FileNotFoundError, match=remedy):
        Omniglot(tiny.root).evaluation
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Omniglot("nowhere").background


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"<html>404</html>",
        lambda data: data[:300] + bytes(20) + data[320:],
    ],
)
def test_a_damaged_zip_is_refused(tiny, own_cache, change):
    change_bytes(tiny.path("background"), change)
    with pytest.raises(ValueError, match="background.zip.* (damaged|sound).*download") as raised:
        Omniglot(tiny.root).background
    assert "\n" not in str(raised.value) and not own_cache.exists()


def flip(data):
    return data[:60] + bytes([data[60] ^ 255]) + data[61:]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda files, png: files.popitem(), "lacks 1 pictures, the first backgroundB/character03"),
        (
            lambda files, png: [files.pop(k) for k in list(files) if "character03" in k],
            "holds 4 characters of 2 alphabets, but Omniglot's background set has 6 of 2",
        ),
        (lambda files, png: files.clear(), "holds no ALPHABET/characterNN/IIII_DD.png"),
        (
            lambda files, png: [
                files.update({k.replace("A/", "C/"): files.pop(k)}) for k in list(files)
            ],
            "other names or pixels",
        ),
        (
            lambda files, png: files.update({next(iter(files)): png(np.eye(105, dtype=np.uint8))}),
            "other names or pixels",
        ),
        (lambda files, png: files.update({next(iter(files)): b"GIF89a"}), "no PNG signature"),
        (
            lambda files, png: files.update({next(iter(files)): flip(files[next(iter(files))])}),
            "drawer 01 is not a sound Omniglot PNG.*its .* chunk is cut off or its checksum wrong",
        ),
    ],
)
def test_a_foreign_or_tampered_set_is_refused(tiny, own_cache, png, change, words):
    change(tiny.files["background"], png)
    tiny.write("background")
    with pytest.raises(ValueError, match=words) as raised:
        Omniglot(tiny.root).background
    assert str(tiny.path("background")) in str(raised.value) and "\n" not in str(raised.value)
    assert not own_cache.exists()


def test_decoding_gives_the_picture_back(png):
    pictures = np.random.default_rng(0).integers(0, 2, (3, 105, 105), np.uint8)
    files = {str(i): png(picture) for i, picture in enumerate(pictures)}
    assert np.array_equal(decode(files, "here"), pictures)


def test_every_shortened_png_is_refused(png):
    whole = png(np.eye(105, dtype=np.uint8))
    for end in range(len(whole)):
        with pytest.raises(ValueError, match="here: a.png is not a sound Omniglot PNG"):
            decode({"a.png": whole[:end]}, "here")


@pytest.mark.parametrize(
    "options, side, words",
    [
        (dict(depth=8), 105, "not 105x105, 1-bit grey"),
        (dict(), 28, "not 105x105, 1-bit grey"),
        (dict(interlace=1), 105, "not 105x105, 1-bit grey"),
        (dict(filter=1), 105, "filtered"),
    ],
)
def test_pngs_of_another_form_are_refused(png, options, side, words):
    with pytest.raises(ValueError, match=words):
        decode({"a.png": png(np.eye(side, dtype=np.uint8), **options)}, "here")


def test_stray_files_do_no_harm(tiny, make_zip):
    strays = {"__MACOSX/A/character01/._0001_01.png": b"", "read.me": b"hello"}
    make_zip(tiny.path("background"), tiny.files["background"] | strays)
    assert equal(read_characters(tiny.path("background")), tiny.sets["background"])


def test_a_small_set_does_not_fill_memory(tiny, png, make_zip):
    """A picture that unpacks to much more than its pixels, and a large file that nobody needs."""
    sound, much = png(np.eye(105, dtype=np.uint8)), b"IDAT" + zlib.compress(bytes(6_000_000))
    chunk = struct.pack(">I", len(much) - 4) + much + struct.pack(">I", zlib.crc32(much))
    huge = sound[: sound.index(b"IDAT") - 4] + chunk + sound[sound.index(b"IEND") - 4 :]
    files = dict(tiny.files["background"]) | {"README": bytes(6_000_000)}
    make_zip(tiny.path("background"), files)
    tracemalloc.start()
    try:
        assert equal(read_characters(tiny.path("background")), tiny.sets["background"])
        make_zip(tiny.path("background"), files | {next(iter(files)): huge})
        with pytest.raises(ValueError, match="has not 1575 bytes of pixels"):
            read_characters(tiny.path("background"))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_set_larger_than_any_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(archive, "LIMIT", 1000)
    with pytest.raises(ValueError, match="unpacks to .* bytes, and 1000 would be the most"):
        read_characters(tiny.path("background"))
    zipfile.ZipFile(tiny.path("background")).extractall(tiny.root)
    with pytest.raises(ValueError, match="its files have .* bytes, and 1000 would be the most"):
        read_characters(tiny.root / "images_background")


def test_what_a_set_lacks_is_counted_without_a_walk_through_all(tmp_path, make_zip):
    """3000 characters, each by a drawer of its own: nine million pictures would be missing."""
    make_zip(tmp_path / "f.zip", {f"A/character{k:04}/0_{k}.png": b"" for k in range(3000)})
    with pytest.raises(ValueError, match="lacks 8997000 pictures, the first A/character0000, dr"):
        read_characters(tmp_path / "f.zip")


@pytest.mark.parametrize(
    "count, seed", [pytest.param(30, 0), pytest.param(500, 1, marks=pytest.mark.slow)]
)
def test_a_damaged_set_is_read_right_or_refused_in_a_sentence(count, seed, tiny, tmp_path):
    whole, path = tiny.path("background").read_bytes(), tmp_path / "damaged.zip"

    def read(path):
        return omniglot_files.check(read_characters(path), "background", path)

    def check(found):
        assert equal(found, tiny.sets["background"])

    refused = [
        damage.refused(path, data, read, check) for _, data in damage.archives(whole, seed, count)
    ]
    assert sum(refused) > count / 2


def test_an_unknown_split_is_refused(tiny):
    with pytest.raises(ValueError, match="split 'offical' is unknown; there are official"):
        Omniglot(tiny.root).split("offical")


@pytest.mark.data
def test_the_real_sets(real):
    assert repr(real.background) == "Characters(964 characters of 30 alphabets, 20 drawers, 28x28)"
    assert repr(real.evaluation) == "Characters(659 characters of 20 alphabets, 20 drawers, 28x28)"
    braille = real.background.images[real.background.names.index("Braille/character01")]
    assert np.array_equal(braille[2], braille[18])


@pytest.mark.data
@pytest.mark.parametrize("name", ["small1", "small2"])
def test_small_sets_are_those_of_their_zips(real, omniglot_root, name):
    source = omniglot_root / f"images_background_{name}.zip"
    if not source.exists():
        pytest.skip(f"{source.name} is absent")
    assert equal(getattr(real, name), read_characters(source))


@pytest.mark.data
@pytest.mark.parametrize(
    "name, sizes",
    [
        ("official", None),
        ("minimal1", None),
        ("minimal2", None),
        ("vinyals", (1028, 172, 423)),
        ("random", (1100, 100, 423)),
    ],
)
def test_splits_share_nothing_and_lose_nothing(real, name, sizes):
    split = real.split(name, seed=3)
    names = [name for part in split for name in part.names]
    assert len(set(names)) == len(names)
    if sizes:
        assert tuple(map(len, split)) == sizes
    else:
        learn = real.background if name == "official" else getattr(real, f"small{name[-1]}")
        assert {*split.train.names, *split.validation.names} == set(learn.names)
        assert not set(split.train.alphabets) & set(split.validation.alphabets)
        assert len(split.validation.alphabets) == (5 if name == "official" else 1)
        assert split.test is real.evaluation
    again, other = real.split(name, seed=3), real.split(name, seed=4)
    assert again.train.names == split.train.names
    assert (other.train.names == split.train.names) == (name == "vinyals")


@pytest.mark.data
def test_pictures_stay_with_their_names_in_a_split(real):
    for part in real.split("random"):
        for i in (0, len(part) // 2, len(part) - 1):
            whole = next(s for s in (real.background, real.evaluation) if part.names[i] in s.names)
            assert np.array_equal(part.images[i], whole.images[whole.names.index(part.names[i])])


@pytest.mark.data
def test_the_vinyals_split_is_the_published_lists(real, omniglot_root):
    lists = [omniglot_root / "splits" / f"{part}.txt" for part in ("train", "val", "test")]
    if not all(path.exists() for path in lists):
        pytest.skip("the published lists are absent: splits/{train,val,test}.txt")
    for part, path in zip(real.split("vinyals"), lists):
        assert sorted(part.names) == sorted(re.findall(r"\S+", path.read_text()))


@pytest.mark.skipif(
    os.geteuid() == 0 if hasattr(os, "geteuid") else True,
    reason="a read-only folder does not stop this user",
)
def test_a_read_only_cache_costs_only_a_warning(tiny, own_cache):
    own_cache.mkdir(parents=True)
    own_cache.chmod(0o500)
    with pytest.warns(UserWarning, match="could not be kept .*Permission denied"):
        Omniglot(tiny.root).background
