"""Saving and loading: every kind of tree, no code in the file, and never half a file."""

import os
import zipfile
from typing import NamedTuple

import damage
import numpy as np
import pytest
from damage import tampered

import tinymeta as tm
from tinymeta.io import describe_leaves


class Pair(NamedTuple):
    left: object
    right: object


def assert_same(ours, theirs):
    assert tm.tree.paths(ours) == tm.tree.paths(theirs)
    for a, b in zip(tm.tree.leaves(ours), tm.tree.leaves(theirs)):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.arange(3, dtype=np.float32),
    np.array([True, False]),
    np.array(7, np.int32),
    np.zeros((0, 4)),
]
TREES = {
    "an array": ARRAYS[0],
    "a dict": {"w": ARRAYS[0], "b": ARRAYS[1]},
    "lists and tuples": [ARRAYS[0], (ARRAYS[1], ARRAYS[2]), [], ()],
    "nothing": [None, {"a": None, "b": ARRAYS[3]}],
    "deep": {"a": [{"b": ({"c": ARRAYS[4]},)}, ARRAYS[2]]},
    "many leaves": [np.array(float(k)) for k in range(25)],
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_what_is_saved_is_loaded(tree, tmp_path):
    tm.save(tmp_path / "t.npz", tree)
    loaded = tm.load(tmp_path / "t.npz")
    assert_same(loaded, tree)
    assert tm.tree.map(lambda _: 0, loaded) == tm.tree.map(lambda _: 0, tree)  # kinds of nodes
    assert all(isinstance(leaf, tm.Tensor) for leaf in tm.tree.leaves(loaded))


def test_tensors_and_numbers(tmp_path):
    tm.save(str(tmp_path / "t.npz"), {"t": tm.tensor([1.0, 2.0]), "n": 3, "x": 0.5, "y": True})
    loaded = tm.load(str(tmp_path / "t.npz"))
    assert {k: (v.dtype.name, v.shape) for k, v in loaded.items()} == {
        "t": ("float32", (2,)),
        "n": ("int64", ()),
        "x": ("float32", ()),
        "y": ("bool", ()),
    }


def test_a_named_tuple_comes_back_with_like(tmp_path):
    tree = Pair({"w": ARRAYS[0]}, Pair(ARRAYS[1], None))
    tm.save(tmp_path / "t.npz", tree)
    assert type(tm.load(tmp_path / "t.npz")) is tuple
    loaded = tm.load(tmp_path / "t.npz", like=tree)
    assert type(loaded) is Pair and type(loaded.right) is Pair
    assert_same(loaded, tree)


def test_a_run_goes_on_from_the_file(tmp_path):
    """Parameters and optimizer state: the next update has the same bits."""
    optimizer, g = tm.optim.adam(0.1), {"w": np.ones((2, 2))}
    params, state = optimizer.update(g, optimizer.init(g), {"w": np.arange(4.0).reshape(2, 2)})
    tm.save(tmp_path / "run.npz", (params, state))
    params2, state2 = tm.load(tmp_path / "run.npz", like=(params, state))
    assert_same(optimizer.update(g, state2, params2), optimizer.update(g, state, params))


KEPT = {"decoder": np.ones((2, 3)), "encoder": [np.full(3, 2, np.float32), True]}


@pytest.mark.parametrize(
    "like, holds, expected",
    [
        (
            KEPT | {"decoder": np.zeros((3, 2))},
            "['decoder'] float64 (2, 3)",
            "['decoder'] float64 (3, 2)",
        ),
        (KEPT | {"decoder": np.zeros((2, 3), "f4")}, "['decoder'] float64", "['decoder'] float32"),
        (KEPT | {"decoder": np.zeros((2, 3), bool)}, "['decoder'] float64", "['decoder'] bool"),
        (
            {"adecoder": KEPT["encoder"], "encoder": KEPT["decoder"]},
            "['decoder']",
            "['adecoder'][0]",
        ),
        ({"decoder": KEPT["decoder"]}, "['encoder'][0] float32 (3,)", "no more"),
        (KEPT | {"z": np.zeros(1)}, "no more", "['z'] float64 (1,)"),
        (KEPT["decoder"], "['decoder'] float64", "a tensor, float64"),
    ],
    ids=["shape", "dtype", "bool", "names", "fewer", "more", "no tree"],
)
def test_another_tree_than_expected(like, holds, expected, tmp_path):
    tm.save(tmp_path / "t.npz", KEPT)
    with pytest.raises(ValueError) as raised:
        tm.load(tmp_path / "t.npz", like=like)
    found, wanted = str(raised.value).split(" where `like` has ")
    assert f"t.npz holds {holds}" in found and wanted.startswith(expected)


def test_an_order_of_keys_is_no_order_of_leaves(tmp_path):
    tm.save(tmp_path / "t.npz", KEPT)
    loaded = tm.load(tmp_path / "t.npz", like=dict(reversed(KEPT.items())))
    assert_same(loaded, KEPT)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        tm.load(tmp_path / "absent.npz")


def write_text(path):
    path.write_text("not a zip file")


def write_nothing(path):
    path.write_bytes(b"")


def write_array(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def write_other_archive(path):
    np.savez(path, a=np.zeros(3))


def write_objects(path):
    np.savez(path, tree=np.array('{"list": [0]}'), leaf0=np.array([{"code": "here"}], object))


def write_half(path):
    tm.save(path, TREES["a dict"])
    path.write_bytes(path.read_bytes()[:200])


def write_flipped_bit(path):
    tm.save(path, TREES["a dict"])
    data = bytearray(path.read_bytes())
    place = data.index(ARRAYS[0].tobytes())
    data[place + 11] ^= 1
    path.write_bytes(data)


def write_without_a_leaf(path):
    tm.save(path, TREES["a dict"])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name != "leaf0.npy"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "damage",
    [
        write_text,
        write_nothing,
        write_array,
        write_other_archive,
        write_objects,
        write_half,
        write_flipped_bit,
        write_without_a_leaf,
    ],
)
def test_a_file_that_is_not_ours_is_named(damage, tmp_path):
    path = tmp_path / "damaged.npz"
    damage(path)
    with pytest.raises(ValueError, match="damaged.npz is not a file that tm.save wrote"):
        tm.load(path)


def test_the_file_holds_arrays_and_text_only(tmp_path):
    tm.save(tmp_path / "t.npz", TREES["deep"])
    with np.load(tmp_path / "t.npz", allow_pickle=False) as file:
        kinds = {name: file[name].dtype.kind for name in file}
    assert kinds == {"tree": "U", "about": "U", "digest": "U", "leaf0": "f", "leaf1": "b"}


def test_a_file_that_was_changed_is_refused(tmp_path):
    path = tmp_path / "t.npz"
    tm.save(path, TREES["a dict"])
    with np.load(path) as file:
        tampered(path, leaf0=np.full(3, 7, np.float32), digest=file["digest"])
    with pytest.raises(ValueError, match="is not a file that tm.save wrote.*its digest is another"):
        tm.load(path)


def test_a_file_of_a_later_version_is_refused(tmp_path):
    tm.save(tmp_path / "t.npz", TREES["a dict"])
    tampered(tmp_path / "t.npz", about=np.array('{"format": 99}'))
    with pytest.raises(ValueError, match="has format 99, and this version of tinymeta reads 2: up"):
        tm.load(tmp_path / "t.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"about": np.array('{"format": 1}')},
        {"about": None},
        {"about": None, "digest": None},
        {"digest": None},
    ],
)
def test_a_file_whose_digest_cannot_be_checked_is_refused(changes, tmp_path):
    """Format 1 had none, so nothing shows whether somebody changed it."""
    tm.save(tmp_path / "t.npz", TREES["a dict"])
    tampered(tmp_path / "t.npz", **changes)
    with pytest.raises(ValueError, match="is not a file that tm.save wrote"):
        tm.load(tmp_path / "t.npz")


@pytest.mark.parametrize(
    "tree",
    [
        '{"list": [1, 0]}',
        '{"list": [0]}',
        '{"list": [0, 1, 1]}',
        "3.5",
        '{"none": [0, 1]}',
        '{"set": [0, 1]}',
        "[" * 100_000,
    ],
)
def test_a_tree_that_is_not_that_of_the_arrays_is_refused(tree, tmp_path):
    tm.save(tmp_path / "t.npz", TREES["a dict"])
    tampered(tmp_path / "t.npz", tree=np.array(tree))
    with pytest.raises(ValueError, match="is not a file that tm.save wrote") as raised:
        tm.load(tmp_path / "t.npz")
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("count, seed", [(40, 0), pytest.param(500, 1, marks=pytest.mark.slow)])
def test_a_damaged_file_is_loaded_right_or_refused_in_a_sentence(count, seed, tmp_path):
    tm.save(tmp_path / "t.npz", TREES["deep"])
    whole, path = (tmp_path / "t.npz").read_bytes(), tmp_path / "damaged.npz"
    refused = [
        damage.refused(path, data, tm.load, lambda tree: assert_same(tree, TREES["deep"]))
        for _, data in damage.archives(whole, seed, count)
    ]
    assert sum(refused) > count / 2


@pytest.mark.parametrize("other", damage.OTHERS)
def test_another_array_with_a_right_digest_is_loaded_or_refused_in_a_sentence(other, tmp_path):
    """Where it is loaded, it is a tensor like any other, and not one for a tree of another kind."""
    path = tmp_path / "t.npz"
    for name in ("leaf0", "tree", "about"):
        tm.save(path, TREES["a dict"])
        with np.load(path) as file:
            tampered(path, **{name: other(file[name]) if name == "leaf0" else other(np.zeros(3))})
        found = damage.outcome(lambda: tm.load(path), path)
        assert isinstance(found, str) or name == "leaf0"
        found = damage.outcome(lambda: tm.load(path, like=TREES["a dict"]), path)
        assert isinstance(found, str) or describe_leaves(found) == describe_leaves(TREES["a dict"])


def test_what_is_to_be_known_comes_back(tmp_path):
    known = {"rate": 0.1, "names": ["a", None], "big": 2**100}
    tm.save(tmp_path / "t.npz", TREES["a dict"], about=known)
    assert {key: tm.about(tmp_path / "t.npz")[key] for key in known} == known
    assert_same(tm.load(tmp_path / "t.npz"), TREES["a dict"])


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "t.npz"
    tm.save(path, TREES["a dict"])

    def full(file, **arrays):
        file.write(b"the first bytes")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        tm.save(path, TREES["deep"])
    assert os.listdir(tmp_path) == ["t.npz"]
    assert_same(tm.load(path), TREES["a dict"])


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="save: about has the key 'format', which is the file's"):
        tm.save(tmp_path / "t.npz", ARRAYS[0], about={"format": "png"})
    with pytest.raises(TypeError, match=r"the keys \[1, 2\] must be strings"):
        tm.save(tmp_path / "t.npz", {1: ARRAYS[0], 2: ARRAYS[1]})
    with pytest.raises(TypeError, match="str"):
        tm.save(tmp_path / "t.npz", {"name": "text"})
    assert os.listdir(tmp_path) == []
