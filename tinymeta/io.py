"""Trees of tensors in one .npz file: the arrays, the tree's shape as JSON, and a digest of all.

No pickle, so nothing can be executed.
"""

import hashlib
import itertools
import json
import os
import re

import numpy as np

from .core import tree as trees
from .core import unzip
from .core.disk import replacing
from .core.tensor import asarray
from .core.unzip import naming_the_file

FORMAT = 2  # of the file; 1 had no digest, so that damage could not be told: not read
WHAT = "a file that tm.save wrote"
NEEDED = re.compile(r"(tree|about|digest|leaf\d+)\.npy")


def save(path, tree, about: dict | None = None) -> None:
    """Write a tree of arrays, tensors and numbers, and what is to be known about it, as JSON.

    It is written beside the target and then renamed: a crash or a full disk leaves the file that
    was there. NamedTuples come back as tuples unless `load` is given a tree like it.

    Raises OSError; TypeError for a leaf that is no number, a key that is no string, and what JSON
    cannot hold; ValueError for an `about` with a "format", which is the file's own.
    """
    if "format" in (about or {}):
        raise ValueError("save: about has the key 'format', which is the file's own: rename it")
    leaves, _ = trees.flatten(tree)
    arrays = {f"leaf{k}": np.asarray(asarray(leaf).numpy()) for k, leaf in enumerate(leaves)}
    arrays["tree"] = np.array(json.dumps(skeleton(tree, itertools.count())))
    arrays["about"] = np.array(json.dumps({"format": FORMAT, **(about or {})}))
    with replacing(path) as file:
        np.savez(file, **arrays, digest=np.array(digest(arrays)))


def digest(arrays: dict) -> str:
    """sha256 of names, types, shapes and bytes: a file that was changed is told from one that was
    not."""
    seen = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        seen.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return seen.hexdigest()


def read(path) -> tuple[object, dict]:
    """The tree of Tensors in a file that `save` wrote, and what was told about it.

    Its digest must be right, and the tree the one that its arrays make. Raises FileNotFoundError,
    and ValueError if it is no such file, is damaged, or is of a version still to come.
    """
    with naming_the_file(path, WHAT):
        arrays = unzip.arrays(path, NEEDED.fullmatch)
        about = json.loads(str(arrays["about"]))
        later = about["format"] > FORMAT
    if later:
        raise ValueError(
            f"{os.fspath(path)} has format {about['format']!r:.20}, and this version "
            f"of tinymeta reads {FORMAT}: update tinymeta"
        )
    with naming_the_file(path, WHAT):
        if str(arrays.pop("digest")) != digest(arrays) or about["format"] != FORMAT:
            raise ValueError("its digest is another")
        shape = json.loads(str(arrays["tree"]))
        leaves = [asarray(arrays[f"leaf{k}"]) for k in range(len(arrays) - 2)]
        tree, numbers = rebuild(shape, leaves), itertools.count()
        if skeleton(tree, numbers) != shape or next(numbers) != len(leaves):
            raise ValueError("its tree is not one of its arrays")
    return tree, about


def about(path) -> dict:
    """What `save` was told about the tree in the file at `path`; raises as `load`."""
    return read(path)[1]


def load(path, like=None):
    """The tree that `save` wrote, as Tensors.

    With `like`, it is in the structure of that tree, which must have the same leaves in the same
    order: their places in the tree, dtypes and shapes. (Fields of NamedTuples count by position.)

    Raises FileNotFoundError if there is none, ValueError if the file is not such a tree, was
    changed, or does not match `like`.
    """
    tree, _ = read(path)
    return tree if like is None else fitted(tree, like, path)


def fitted(tree, like, path):
    """A tree from the file `path` in the structure of `like`; raises ValueError if it differs."""
    leaves, rebuilt = trees.flatten(like)
    ours = rebuild(skeleton(like, itertools.count()), leaves)  # NamedTuples as tuples, too
    for one, other in itertools.zip_longest(contents(tree), contents(ours), fillvalue="no more"):
        if one != other:
            raise ValueError(
                f"{os.fspath(path)} holds {one} where `like` has {other}: give the "
                "tree that it was saved from, or one that is made like it"
            )
    return trees.unflatten(rebuilt, trees.leaves(tree))


def contents(tree) -> list[str]:
    """Each leaf: its place, dtype and shape."""
    tensors = map(asarray, trees.leaves(tree))
    return [
        f"{place or 'a tensor,'} {leaf.dtype} {leaf.shape}"
        for place, leaf in zip(trees.paths(tree), tensors)
    ]


def skeleton(tree, numbers):
    parts = trees.children(tree)
    if parts is None:
        return next(numbers)
    labels, subtrees, _ = parts
    if isinstance(tree, dict):
        if not all(isinstance(k, str) for k in labels):
            raise TypeError(f"save: the keys {list(labels)} must be strings")
        return {"dict": {k: skeleton(sub, numbers) for k, sub in zip(labels, subtrees)}}
    kind = "none" if tree is None else "list" if isinstance(tree, list) else "tuple"
    return {kind: [skeleton(sub, numbers) for sub in subtrees]}


def rebuild(shape, leaves):
    if isinstance(shape, int):
        return leaves[shape]
    ((kind, parts),) = shape.items()
    if kind == "dict":
        return {k: rebuild(sub, leaves) for k, sub in parts.items()}
    subtrees = [rebuild(sub, leaves) for sub in parts]
    return {"none": lambda _: None, "list": list, "tuple": tuple}[kind](subtrees)
