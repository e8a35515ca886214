"""Trees of tensors in one .npz file, without pickle, so that nothing in it can be executed.

Its entries are, as arrays: `leaf0`, `leaf1`, ... the leaves; `tree`, the tree's structure as JSON,
with the number of a leaf in the leaf's place; `about`, what the caller wants to be known of it, as
JSON; and `digest`, a sha256 of all these, by which damage is noticed.
"""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .core import tree as trees
from .core.tensor import asarray
from .system import unzip
from .system.disk import replacing
from .system.unzip import naming_the_file

_FORMAT = 2  # of the file; 1 had no digest, so that damage could not be noticed: it is not read
_FILE_KIND = "a file that tm.save wrote"  # for messages
_ENTRIES = re.compile(r"(tree|about|digest|leaf\d+)\.npy")

FilePath = str | os.PathLike
Structure = int | dict[str, Any]  # a leaf's number, or {kind: parts}: see `_structure`


def save(path: FilePath, tree: Any, about: dict | None = None) -> None:
    """Write a tree of arrays, tensors and numbers, and `about`, what is to be known of it.

    It is written beside the target and then renamed: a crash or a full disk leaves the file that
    was there. NamedTuples and dataclasses come back as tuples, and any dict as a plain one, unless
    `load` is given a tree like it.

    Raises OSError; TypeError for a leaf that is no number, a key that is no string, and what JSON
    cannot hold; ValueError for an `about` with a "format", which is the file's own.
    """
    about = about or {}
    if "format" in about:
        raise ValueError("save: about has the key 'format', which is the file's own: rename it")
    leaves, _ = trees.flatten(tree)
    arrays: dict[str, Any] = {}
    for number, leaf in enumerate(leaves):
        arrays[f"leaf{number}"] = np.asarray(asarray(leaf).numpy())
    arrays["tree"] = np.array(json.dumps(_structure(tree, itertools.count())))
    arrays["about"] = np.array(json.dumps({"format": _FORMAT, **about}))
    arrays["digest"] = np.array(digest(arrays))
    with replacing(path) as file:
        np.savez(file, **arrays)


def digest(arrays: dict[str, np.ndarray]) -> str:
    """sha256 of the names, dtypes, shapes and bytes of these arrays, in hexadecimal."""
    content = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        header = f"{name} {array.dtype.str} {array.shape}"
        content.update(header.encode() + array.tobytes())
    return content.hexdigest()


def read(path: FilePath) -> tuple[Any, dict]:
    """The tree of Tensors in a file that `save` wrote, and its `about`, with the file's format.

    The digest must be right, and the tree must have each array of the file as a leaf, once. Raises
    FileNotFoundError, and ValueError if it is no such file, is damaged, or is of a later format.
    """
    with naming_the_file(path, _FILE_KIND):
        arrays = unzip.arrays(path, _ENTRIES.fullmatch)
        about = json.loads(str(arrays["about"]))
        is_later = about["format"] > _FORMAT
    if is_later:
        raise ValueError(
            f"{os.fspath(path)} has format {about['format']!r:.20}, and this version "
            f"of tinymeta reads {_FORMAT}: update tinymeta"
        )
    with naming_the_file(path, _FILE_KIND):
        if str(arrays.pop("digest")) != digest(arrays) or about["format"] != _FORMAT:
            raise ValueError("its digest is another")
        structure = json.loads(str(arrays["tree"]))
        count = len(arrays) - 2  # without `tree` and `about`
        leaves = [asarray(arrays[f"leaf{number}"]) for number in range(count)]
        tree = _build(structure, leaves)
        # A structure that `save` would not have written, with a leaf twice say, is noticed by
        # deriving it again from the tree that it gave.
        numbers = itertools.count()
        if _structure(tree, numbers) != structure or next(numbers) != count:
            raise ValueError("its tree is not one of its arrays")
    return tree, about


def about(path: FilePath) -> dict:
    """The `about` that `save` was given with the tree in the file at `path`; raises as `load`."""
    return read(path)[1]


def load(path: FilePath, like: Any = None) -> Any:
    """The tree that `save` wrote, as Tensors.

    With `like`, it is in the structure of that tree, which must have the same leaves in the same
    order: their places in the tree, dtypes and shapes. (Fields of NamedTuples and
    dataclasses count by position.)

    Raises FileNotFoundError if there is none, ValueError if the file is not such a tree, was
    changed, or does not match `like`.
    """
    tree, _ = read(path)
    return tree if like is None else match_structure(tree, like, path)


def match_structure(tree: Any, like: Any, path: FilePath) -> Any:
    """The leaves of a tree that was read from `path`, in the structure of `like`.

    Raises ValueError, naming the first leaf whose place, dtype or shape differs.
    """
    leaves, unflatten = trees.flatten(like)
    like = _build(_structure(like, itertools.count()), leaves)  # its NamedTuples as tuples
    pairs = itertools.zip_longest(describe_leaves(tree), describe_leaves(like), fillvalue="no more")
    for found, expected in pairs:
        if found != expected:
            raise ValueError(
                f"{os.fspath(path)} holds {found} where `like` has {expected}: give the "
                "tree that it was saved from, or one that is made like it"
            )
    return trees.unflatten(unflatten, trees.leaves(tree))


def describe_leaves(tree: Any) -> list[str]:
    """The place, dtype and shape of each leaf, in a few words: "['w'][0] float32 (2, 3)"."""
    descriptions = []
    for place, leaf in zip(trees.paths(tree), trees.leaves(tree)):
        tensor = asarray(leaf)
        descriptions.append(f"{place or 'a tensor,'} {tensor.dtype} {tensor.shape}")
    return descriptions


def _structure(tree: Any, numbers: Iterator[int]) -> Structure:
    """The structure of a tree, for JSON: the next of `numbers` for a leaf, else {kind: parts},
    where kind is dict, list, tuple (of NamedTuples and dataclasses, too) or none."""
    node = trees.children(tree)
    if node is None:
        return next(numbers)
    labels, subtrees, _ = node
    if isinstance(tree, dict):
        if not all(isinstance(label, str) for label in labels):
            raise TypeError(f"save: the keys {list(labels)} must be strings")
        return {"dict": {key: _structure(sub, numbers) for key, sub in zip(labels, subtrees)}}
    parts = [_structure(sub, numbers) for sub in subtrees]
    if tree is None:
        return {"none": parts}
    return {"list" if isinstance(tree, list) else "tuple": parts}


def _build(structure: Structure, leaves: list) -> Any:
    """The tree of this structure, with these leaves; raises whatever a malformed one leads to."""
    if isinstance(structure, int):
        return leaves[structure]
    ((kind, parts),) = structure.items()
    if kind == "dict":
        return {key: _build(sub, leaves) for key, sub in parts.items()}
    subtrees = [_build(sub, leaves) for sub in parts]
    constructors: dict[str, Callable] = {"none": lambda _: None, "list": list, "tuple": tuple}
    return constructors[kind](subtrees)
