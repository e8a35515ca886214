"""A folder of one's own pictures: what is read, looked at and kept, and what is refused.

Pictures are written here: PNG by the writer below, which knows every form, others by Pillow.
"""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tests.damage import BYTES, outcome
from tinymeta.data import Pictures, episodes, folder, folder_split, groups, pairs
from tinymeta.data import picture_files as files
from tinymeta.data.png import read_png

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
ADAM7 += ((0, 1, 1, 2),)
KINDS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG: how many samples a pixel has


def png(samples, kind=None, depth=8, filters=0, interlaced=False, extra=()):
    """A PNG file of (H, W, samples) numbers; filters: a number, or one for each row in turn."""
    samples = np.asarray(samples)
    if samples.ndim == 2:
        samples = samples[..., None]
    height, width, n = samples.shape
    kind = {1: 0, 3: 2, 2: 4, 4: 6}[n] if kind is None else kind
    grids = ADAM7 if interlaced else ((0, 0, 1, 1),)
    raw = b"".join(filtered(samples[t::d, l::a], depth, filters) for l, t, a, d in grids)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    packed = zlib.compress(raw)
    parts = [
        (b"IHDR", header),
        *extra,
        (b"IDAT", packed[:9]),
        (b"IDAT", packed[9:]),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunk(kind, body):
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def filtered(samples, depth, filters):
    """The rows of one grid, packed and filtered, each behind its filter's number."""
    height, width, n = samples.shape
    if not height or not width:
        return b""
    if depth == 16:
        rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    else:
        shifts = np.arange(depth)[::-1]
        bits = (samples.reshape(height, -1, 1).astype(int) >> shifts) & 1
        rows = np.packbits(bits.astype(np.uint8).reshape(height, -1), axis=1)
    step = max(1, n * depth // 8)
    out, above = b"", [0] * rows.shape[1]
    for i, row in enumerate(rows.tolist()):
        number = filters if isinstance(filters, int) else filters[i % len(filters)]
        left, corner = [0] * step + row, [0] * step + above
        out += bytes([number])
        out += bytes(
            (x - predicted(number, left[j], above[j], corner[j])) % 256 for j, x in enumerate(row)
        )
        above = row
    return out


def predicted(number, a, b, c):
    nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
    return (0, a, b, (a + b) // 2, nearest, 0)[number]


@pytest.fixture
def make(tmp_path):
    """make({'cat/1.png': picture or bytes, ..}) -> the folder with these files."""

    def made(contents, where="pictures"):
        for name, content in contents.items():
            path = tmp_path / where / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else png(content))
        return tmp_path / where

    return made


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape or (6, 6), dtype=np.uint8)


def drawing(seed, side=12):
    """Dark strokes on light paper."""
    picture = np.full((side, side), 250, np.uint8)
    at = 2 + seed % (side - 4)
    picture[2:-2, at] = picture[at, 3:-3] = 10
    return picture


# ---- PNG -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    form=st.sampled_from(
        [(0, d) for d in (1, 2, 4, 8, 16)] + [(k, d) for k in (2, 4, 6) for d in (8, 16)]
    ),
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    interlaced=st.booleans(),
    seed=st.integers(0, 999),
)
def test_every_form_of_png_is_read(form, height, width, filters, interlaced, seed):
    kind, depth = form
    n, most = KINDS[kind], 2**depth - 1
    samples = np.random.default_rng(seed).integers(0, most + 1, (height, width, n))
    found = read_png(png(samples, kind, depth, filters, interlaced))
    shown = samples // 256 if depth == 16 else samples * (255 // most)
    if kind in (4, 6):
        opacity = samples[..., -1:] / most
        shown = shown[..., :-1] * opacity + 255 * (1 - opacity)
    assert found.dtype == np.uint8 and found.shape == (height, width, 3 if n > 2 else 1)
    np.testing.assert_allclose(found, shown, atol=0.5001)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_gives_its_colours_over_white(depth):
    count = 2**depth
    colours = np.random.default_rng(0).integers(0, 256, (count, 3), dtype=np.uint8)
    chosen = np.arange(35).reshape(5, 7) % count
    extra = [(b"PLTE", colours.tobytes()), (b"tRNS", bytes([0]))]
    found = read_png(png(chosen, 3, depth, 4, extra=extra))
    expected = colours[chosen]
    expected[chosen == 0] = 255  # the first colour is transparent
    np.testing.assert_array_equal(found, expected)


def test_one_colour_may_be_transparent():
    picture = np.array([[3, 200], [200, 7]], np.uint8)
    found = read_png(png(picture, extra=[(b"tRNS", struct.pack(">H", 3))]))
    assert found[..., 0].tolist() == [[255, 200], [200, 7]]


def test_pillow_reads_the_same(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for mode, shape in (("L", (9, 7)), ("RGB", (9, 7, 3)), ("RGBA", (9, 7, 4))):
        path = tmp_path / f"{mode}.png"
        image.fromarray(noise(1, *shape), mode).save(path)  # with whatever filters it likes
        by_pillow = files._by_pillow(image, path.read_bytes()).astype(int)
        assert abs(read_png(path.read_bytes()) - by_pillow).max() <= (mode == "RGBA")


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "no PNG signature"),
        (png(noise(0))[:-30], "cut off or its checksum wrong"),
        (png(noise(0), filters=5), "a row has the filter 5"),
        (png(noise(0), depth=7), "which PNG does not have"),
        (png(np.zeros((0, 3))), "it has 3x0 pixels"),
        (png(noise(0) % 4, 3, 2, extra=[(b"PLTE", bytes(6))]), "a palette of 2"),
    ],
)
def test_what_is_no_png_is_refused(data, said):
    with pytest.raises(ValueError, match=said):
        read_png(data)


def test_a_png_that_unpacks_without_end_is_not_unpacked():
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99)))
    with pytest.raises(ValueError, match="would be the most"):
        read_png(data + chunk(b"IEND", b""))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_picture_is_one_sentence_that_names_it(seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("damaged") / "a.png"
    path.write_bytes(BYTES[rng.integers(len(BYTES))](rng, png(noise(seed), filters=[1, 4, 3])))
    try:
        found = outcome(lambda: files._read(path), path)
    except ModuleNotFoundError as error:  # its first bytes are damaged, and there is no Pillow
        found = str(error)
        assert found.startswith(f"{path} is no PNG") and "\n" not in found
    assert isinstance(found, str) or found.ndim == 3


# ---- what a folder gives -------------------------------------------------------------------------


def test_classes_of_unequal_counts_come_in_order_of_their_names(make):
    given = {
        f"{c}/{k}.png": noise(7 * k + ord(c)) for c, n in (("b", 3), ("a", 1)) for k in range(n)
    }
    path = make({**given, "b/.hidden": b"", "notes.txt": b"", "a/Thumbs.db": b""})
    pictures = folder(path)
    assert pictures.names == ("a", "b") and pictures.counts.tolist() == [1, 3]
    assert repr(pictures) == "Pictures(2 classes, 1 to 3 pictures each, 6x6 grey)"
    assert pictures.files[0] == str(path / "a" / "0.png")
    np.testing.assert_array_equal(pictures.images[2, ..., 0], given["b/1.png"])
    assert any("2 files that are no pictures" in note for note in pictures.notes)
    assert pictures.select([1]).names == ("b",) and len(pictures.select(pictures.counts > 1)) == 1


def test_dark_drawings_on_light_paper_are_inverted_and_it_is_told(make):
    path = make({f"{c}/{k}.png": drawing(c + k) for c in range(2) for k in range(2)})
    pictures = folder(path)
    assert pictures.inverted and "inverted, so that ink is 1" in " ".join(pictures.notes)
    assert np.median(pictures.images) == 5 and pictures.images.max() == 245
    kept = folder(path, invert=False)
    assert not kept.inverted and kept.images.max() == 250 and "as asked" in kept.notes[-1]


def test_light_drawings_and_photographs_are_left_as_they_are(make):
    light = folder(make({f"{c}/0.png": 255 - drawing(c) for c in range(2)}, "light"))
    assert not light.inverted and "already" in light.notes[-1]
    photos = folder(make({f"{c}/0.png": noise(c) for c in range(2)}, "photos"))
    assert not photos.inverted and "as they are" in photos.notes[-1]
    colour = folder(make({f"{c}/0.png": noise(c, 6, 6, 3) for c in range(2)}, "colour"))
    assert not colour.inverted and colour.images.shape == (2, 6, 6, 3)


def test_a_range_of_sixteen_greys_is_stretched_and_it_is_told(make):
    picture = np.zeros((6, 6), np.uint8)
    picture[2, 3] = 16
    pictures = folder(make({"a/0.png": picture, "b/0.png": picture}))
    assert pictures.images.max() == 255 and "stretched" in " ".join(pictures.notes)


def test_grey_and_colour_together(make):
    path = make(
        {"a/0.png": noise(0), "b/0.png": noise(1, 6, 6, 3), "c/0.png": np.dstack([noise(2)] * 3)}
    )
    pictures = folder(path)
    assert pictures.images.shape == (3, 6, 6, 3) and "1 of 3 in colour" in pictures.notes[0]
    assert (pictures.images[0] == noise(0)[..., None]).all()
    grey = folder(path, channels=1)
    luma = noise(1, 6, 6, 3) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey.images[1, ..., 0], luma, atol=0.51)
    np.testing.assert_array_equal(grey.images[2, ..., 0], noise(2))


def test_sizes_that_differ_are_brought_to_one(make):
    tall = np.vstack([np.zeros((2, 4)), np.full((4, 4), 100), np.zeros((2, 4))]).astype(np.uint8)
    path = make({"a/0.png": tall, "b/0.png": noise(1, 8, 8)})
    with pytest.raises(ValueError, match="2 sizes.*8x4 and .*8x8: give size=28"):
        folder(path)
    pictures = folder(path, size=2, invert=False)
    assert (
        pictures.images[0] == 100
    ).all() and "1 pictures that were not square" in pictures.notes[0]
    means = noise(1, 8, 8).reshape(2, 4, 2, 4).mean((1, 3))
    np.testing.assert_allclose(pictures.images[1, ..., 0], means, atol=0.51)


@settings(deadline=None, max_examples=30)
@given(side=st.integers(1, 30), size=st.integers(1, 30))
def test_a_resized_picture_keeps_what_is_the_same_everywhere_and_the_mean(side, size):
    flat = np.full((side, side, 1), 77, np.uint8)
    assert (files._resized(flat, size) == 77).all()
    means = files._area_means(side, size)
    np.testing.assert_allclose(means.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(means.sum(0), size / side, rtol=1e-5)


def test_alphabets_are_the_folders_above_the_classes(make):
    path = make({f"{a}/{c}/0.png": noise(ord(a) + c) for a in "BA" for c in range(2)})
    pictures = folder(path)
    assert pictures.names == ("A/0", "A/1", "B/0", "B/1") and pictures.alphabets == ("A", "B")
    assert pictures.alphabet.tolist() == [0, 0, 1, 1]
    assert folder(path / "A").alphabets == ("",)


def test_what_is_no_picture_is_passed_over_and_told_of(make):
    path = make({"a/0.png": noise(0), "b/0.png": noise(1), "a/notes.txt": b"", "a/._0.png": b""})
    (path / "a" / "gone.png").symlink_to(path / "nowhere.png")
    pictures = folder(path)
    assert len(pictures.images) == 2
    assert pictures.notes[0] == "2 files that are no pictures passed over, such as gone.png"


def test_other_formats_are_read_by_pillow_or_the_remedy_is_said(make, tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    make({"a/0.png": noise(0, 16, 16), "b/0.png": noise(1, 16, 16)})
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    image.fromarray(smooth).save(tmp_path / "pictures" / "a" / "1.jpg", quality=95)
    pictures = folder(tmp_path / "pictures")
    np.testing.assert_allclose(pictures.images[1, ..., 0], smooth, atol=6)
    (tmp_path / "pictures" / "a" / "1.jpg").write_bytes(b"\xff\xd8 no picture")
    with pytest.raises(ValueError, match="1.jpg is not a sound picture.*no format that") as raised:
        folder(tmp_path / "pictures")
    assert " at 0x" not in str(raised.value)
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ModuleNotFoundError, match=r"1.jpg is no PNG.*tinymeta\[images\]"):
        folder(tmp_path / "pictures")


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contents, said",
    [
        ({}, "is missing"),
        ({"readme.txt": b""}, "no folders of pictures"),
        ({"1.png": noise(0)}, "itself holds pictures, such as 1.png"),
        ({"a/1.png": noise(0), "b/readme.txt": b""}, "b holds no picture"),
        ({"a/1.png": noise(0), "b/1.png": b"\x89PNG\r\n\x1a\n"}, "1.png is not a sound picture"),
        ({"train/a/1.png": noise(0), "test/b/1.png": noise(1)}, "splits test, train: read them by"),
        ({"train.csv": b"filename,label\n", "test.csv": b""}, "read them by tm.data.folder_split"),
    ],
)
def test_what_is_no_folder_of_pictures_is_one_sentence_and_leaves_no_cache(
    contents, said, make, tmp_path
):
    path = make(contents)
    with pytest.raises((ValueError, FileNotFoundError), match=said) as raised:
        folder(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert not list((tmp_path / "cache").rglob("*.npz*"))


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"size": 0}, "size=0 must be"),
        ({"channels": 2}, "channels=2 must be 1, 3"),
        ({"channels": True}, "channels=True"),
        ({"channels": 1.0}, "channels=1.0 must be"),
        ({"invert": "yes"}, "invert='yes'"),
    ],
)
def test_wrong_arguments_are_named(arguments, said, make):
    path = make({"a/0.png": noise(0), "b/0.png": noise(1)})
    for read in (folder, folder_split):
        with pytest.raises((ValueError, TypeError), match=f"{read.__name__}: {said}"):
            read(path, **arguments)
        with pytest.raises(TypeError, match=f"{read.__name__}: path must be a str or PathLike"):
            read(3)


def test_pictures_check_what_they_are_made_of():
    images, labels = np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 0, 1])
    assert Pictures(images, labels, ("a", "b")).counts.tolist() == [2, 1]
    for wrong in (
        (images[0], labels, ("a", "b")),
        (images / 255, labels, ("a", "b")),
        (images, labels[::-1], ("a", "b")),
        (images, labels, ("a", "b", "c")),
        (images, np.array([0, 0, 2]), ("a", "b", "c")),
        (images, labels, ("a", "b"), ("one.png",)),
    ):
        with pytest.raises(ValueError, match="Pictures: "):
            Pictures(*wrong)


# ---- the cache -----------------------------------------------------------------------------------


def counted(monkeypatch):
    calls = []
    original = files._read
    monkeypatch.setattr(files, "_read", lambda path: calls.append(path) or original(path))
    return calls


def same(a, b):
    return all(
        np.array_equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
    )


def test_pictures_are_decoded_once_until_one_changes(make, monkeypatch, tmp_path):
    path = make({"a/0.png": noise(0), "b/0.png": noise(1)})
    calls = counted(monkeypatch)
    first = folder(path)
    assert len(calls) == 2 and same(first, folder(path)) and len(calls) == 2
    folder(path, size=3)
    assert len(calls) == 4  # another question
    before = os.stat(path / "a" / "0.png")
    (path / "a" / "0.png").write_bytes(png(noise(5)))
    os.utime(path / "a" / "0.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = folder(path)
    assert len(calls) == 6 and (changed.images[0, ..., 0] == noise(5)).all()
    (path / "b" / "0.png").rename(path / "b" / "1.png")
    assert folder(path).files[1].endswith("1.png")


def test_a_cache_that_is_damaged_or_anothers_is_made_anew(make, monkeypatch, tmp_path):
    path = make({"a/0.png": noise(0), "b/0.png": noise(1)})
    first = folder(path)
    (kept,) = (tmp_path / "cache").rglob("*.npz")
    whole, rng = kept.read_bytes(), np.random.default_rng(0)
    for k in range(20):
        kept.write_bytes(BYTES[k % len(BYTES)](rng, whole))
        assert same(first, folder(path)) and kept.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")
def test_a_cache_that_others_may_write_to_is_not_believed(make, tmp_path):
    path = make({"a/0.png": noise(0), "b/0.png": noise(1)})
    folder(path)
    (kept,) = (tmp_path / "cache").rglob("*.npz")
    (path / "a" / "0.png").write_bytes(png(noise(9)))
    kept.parent.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="others may write to"):
        assert (folder(path).images[0, ..., 0] == noise(9)).all()
    assert list(kept.parent.iterdir()) == [kept]


def test_a_cache_without_a_place_is_a_warning_that_says_why(make, monkeypatch, tmp_path):
    path = make({"a/0.png": noise(0), "b/0.png": noise(1), "file": b""}, "pictures")
    for place, why in ((path / "file", "exists|cannot find"), ("~nobody.x", "home")):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        with pytest.warns(RuntimeWarning, match=f"could not be kept.*({why})"):
            assert len(folder(path)) == 2


def test_a_full_disk_is_a_warning_and_leaves_no_half(make, full_disk, tmp_path):
    path = make({"a/0.png": noise(0), "b/0.png": noise(1)})
    full_disk(100)
    with pytest.warns(RuntimeWarning, match="could not be kept.*No space left"):
        assert len(folder(path)) == 2
    assert not list((tmp_path / "cache").rglob("*.*"))


# ---- splits --------------------------------------------------------------------------------------


def test_a_folder_is_divided_by_classes_and_the_seed(make):
    path = make({f"{c:02}/0.png": noise(c) for c in range(25)})
    split = folder_split(path, seed=3)
    assert [len(part) for part in split] == [16, 4, 5]
    names = [name for part in split for name in part.names]
    assert sorted(names) == [f"{c:02}" for c in range(25)]
    assert folder_split(path, seed=3).test.names == split.test.names
    assert folder_split(path, seed=4).test.names != split.test.names
    with pytest.raises(ValueError, match="has 5 classes, and to divide them takes 6"):
        folder_split(make({f"{c}/0.png": noise(c) for c in range(5)}, "few"))


def test_folders_of_splits_are_read_alike(make):
    contents = {f"train/{c}/0.png": drawing(c) for c in range(2)}
    contents |= {f"val/{c}/0.png": drawing(c, 24) for c in (2, 3)}
    contents |= {f"test/{c}/0.png": noise(c, 12, 12, 3) for c in (4, 5)}
    split = folder_split(make(contents))
    assert all(part.inverted and part.images.shape[1:] == (12, 12, 1) for part in split)
    assert split.validation.names == ("2", "3")
    with pytest.raises(ValueError, match="the class '0' in two of its splits"):
        folder_split(make({**contents, "test/0/0.png": noise(0, 12, 12)}))
    with pytest.raises(ValueError, match="has test, train and no validation"):
        folder_split(make({k: v for k, v in contents.items() if k[0] == "t"}, "two"))


def test_mini_imagenets_tables_are_read(make):
    tables = {}
    for split, classes in (("train", "ab"), ("val", "cd"), ("test", "ef")):
        rows = [f"{c}{k}.png,{c}" for k in range(3) for c in classes]
        tables[f"{split}.csv"] = "\n".join(["filename,label", *rows]).encode()
    path = make(
        {f"images/{c}{k}.png": noise(ord(c) + k, 8, 8, 3) for c in "abcdef" for k in range(3)}
    )
    make(tables)
    split = folder_split(path)
    assert split.train.names == ("a", "b") and split.test.images.shape == (6, 8, 8, 3)
    np.testing.assert_array_equal(split.validation.images[4], noise(ord("d") + 1, 8, 8, 3))
    assert folder(path / "test.csv").names == ("e", "f")
    (path / "val.csv").write_text("filename,label\nc0.png,c\nlost.png,d\n")
    with pytest.raises(ValueError, match="line 3 of .*val.csv names 'lost.png'"):
        folder_split(path)
    (path / "val.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no table with the columns filename and label"):
        folder_split(path)


# ---- tasks ---------------------------------------------------------------------------------------


def numbered(counts, side=4, channels=3):
    """Pictures whose first pixel says class and number."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), side, side, channels), np.uint8)
    images[:, 0, 0, 0] = labels
    images[:, 0, 0, 1] = np.concatenate([np.arange(n) for n in counts])
    images[:, 0, 1] = 255
    return Pictures(images, labels, tuple(f"class {k}" for k in range(len(counts))))


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(3, 9), min_size=3, max_size=6),
    seed=st.integers(0, 2**32),
    shot=st.integers(1, 2),
)
def test_episodes_of_unequal_classes_show_no_picture_twice(counts, seed, shot):
    pictures = numbered(counts)
    rng = np.random.default_rng(seed)
    support, query = episodes(pictures, rng, way=3, shot=shot, query=1, tasks=8)
    assert support.x.shape == (8, 3 * shot, 4, 4, 3) and query.x.shape == (8, 3, 4, 4, 3)
    assert support.x.dtype == np.float32 and support.x.max() == 1
    for t in range(8):
        seen = np.rint(255 * np.concatenate([support.x[t], query.x[t]])[:, 0, 0, :2]).astype(int)
        assert len({tuple(row) for row in seen}) == 3 * (shot + 1)
        assert (seen[:, 1] < np.array(counts)[seen[:, 0]]).all()
        assert (seen[: 3 * shot : shot, 0] == seen[3 * shot :, 0]).all()  # one class, one label


def test_every_picture_of_a_large_class_and_of_a_small_one_is_drawn_as_often():
    pictures = numbered([2, 10])
    support, _ = episodes(pictures, np.random.default_rng(0), way=2, tasks=6000)
    seen = np.rint(255 * support.x[:, :, 0, 0, :2]).astype(int).reshape(-1, 2)
    for label, count in ((0, 2), (1, 10)):
        shares = np.bincount(seen[seen[:, 0] == label, 1], minlength=count) / 6000
        np.testing.assert_allclose(shares, 1 / count, atol=0.02)


def test_pictures_are_not_turned_unless_it_is_asked_for():
    pictures = numbered([4, 4])
    upright, _ = episodes(pictures, np.random.default_rng(0), way=2, tasks=50)
    assert (upright.x[:, :, 0, 1] == 1).all()
    turned, _ = episodes(pictures, np.random.default_rng(0), way=2, tasks=50, rotations=True)
    assert 0.1 < (turned.x[:, :, 0, 1] == 1).all(-1).mean() < 0.5


def test_a_class_that_is_too_small_is_named():
    with pytest.raises(ValueError, match=r"needs 4 pictures of a class, and 'class 1' has 2.*>= 4"):
        episodes(numbered([5, 2]), np.random.default_rng(0), way=2, shot=3)


def test_pairs_and_groups_are_drawn_of_pictures():
    pictures = numbered([2, 9, 5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a, b, different = pairs(pictures, np.random.default_rng(0), count=4000, within=1)
        x, y = groups(pictures, np.random.default_rng(0), classes=3, drawers=2)
    a, b = (np.rint(255 * side[:, 0, 0, :2]).astype(int) for side in (a, b))
    assert ((a[:, 0] != b[:, 0]) == different).all() and (a != b).any(1).all()
    for side in (a[different], b[different]):  # also the last picture of the largest class
        assert np.bincount(side[side[:, 0] == 1, 1], minlength=9).min() > 20
    assert x.shape == (6, 4, 4, 3) and y.tolist() == [0, 0, 1, 1, 2, 2]


def test_conv4_learns_from_colour():
    """Two classes that differ in their colour alone."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 5)
    colours = rng.integers(0, 256, (6, 3))
    images = np.clip(colours[labels][:, None, None] + rng.integers(-9, 9, (30, 16, 16, 3)), 0, 255)
    pictures = Pictures(images.astype(np.uint8), labels, tuple("abcdef"))
    net = tm.nn.conv4(None, channels=3, filters=4, size=16, head="flatten")
    method = tm.meta.prototypical(net, way=3)
    score = tm.meta.evaluate(
        method,
        method.init(rng),
        lambda n: episodes(pictures, rng, way=3, tasks=n),
        tasks=20,
        compiled=False,
    )
    assert score.mean > 0.8
