"""Trees of tensors in one .npz file: the arrays, the tree's shape as JSON, and a digest of all.

No pickle, so nothing can be executed.
"""

import contextlib
import hashlib
import json
import os
import zipfile

import numpy as np

from .core import tree as trees
from .core.tensor import asarray


FORMAT = 2              # of the file; 1 had neither a digest nor anything about it


def save(path, tree, about: dict | None = None) -> None:
    """Write a tree of arrays, tensors and numbers, and what is to be known about it, as JSON.

    It is written beside the target and then renamed: a crash or a full disk leaves the file that
    was there. NamedTuples come back as tuples unless `load` is given a tree like it.
    """
    path = os.fspath(path)
    leaves, _ = trees.flatten(tree)
    arrays = {f"leaf{k}": np.asarray(asarray(leaf).numpy()) for k, leaf in enumerate(leaves)}
    arrays["tree"] = np.array(json.dumps(skeleton(tree, iter(range(len(leaves))))))
    arrays["about"] = np.array(json.dumps({"format": FORMAT, **(about or {})}))
    beside = f"{path}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:
            np.savez(file, **arrays, digest=np.array(digest(arrays)))
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise


def digest(arrays: dict) -> str:
    """sha256 of names, types, shapes and bytes: a file that was changed is told from one that was
    not."""
    seen = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        seen.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return seen.hexdigest()


def read(path) -> dict:
    """The arrays of a file that `save` wrote, by name, after checking its digest.

    Raises FileNotFoundError, and ValueError if it is no such file, is damaged, or is of a version
    still to come.
    """
    try:
        with open(path, "rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        json.loads(str(arrays["tree"]))
        found = json.loads(str(arrays.get("about", '{"format": 1}')))["format"]
        for k in range(sum(name.startswith("leaf") for name in arrays)):
            arrays[f"leaf{k}"]                      # KeyError where one is missing
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, TypeError) as error:
        raise ValueError(f"{os.fspath(path)} is not a file that tm.save wrote, "
                         f"or it is damaged ({error})") from None
    if found not in (1, FORMAT):
        raise ValueError(f"{os.fspath(path)} has format {found}, and this version of tinymeta "
                         f"reads up to {FORMAT}: update tinymeta")
    if found > 1 and str(arrays.pop("digest", "")) != digest(arrays):
        raise ValueError(f"{os.fspath(path)} is not a file that tm.save wrote, or it was changed "
                         "since (its digest is another): use a copy of the original")
    return arrays


def about(path) -> dict:
    """What `save` was told about the tree in the file at `path`; raises as `load`."""
    return json.loads(str(read(path).get("about", "{}")))


def load(path, like=None):
    """The tree that `save` wrote, as Tensors.

    With `like`, it is in the structure of that tree, whose shapes it must have.

    Raises FileNotFoundError if there is none, ValueError if the file is not such a tree, was
    changed, or does not match `like`.
    """
    arrays = read(path)
    shape = json.loads(str(arrays["tree"]))
    leaves = [asarray(arrays[f"leaf{k}"]) for k in range(sum(n.startswith("leaf") for n in arrays))]
    if like is None:
        return rebuild(shape, leaves)
    ours, unflatten = trees.flatten(like)
    for name, a, b in zip(trees.paths(like), ours, leaves):
        if asarray(a).shape != b.shape:
            raise ValueError(f"{os.fspath(path)}: {name or 'the tensor'} has shape {b.shape}, "
                             f"expected {asarray(a).shape}")
    if len(ours) != len(leaves):
        raise ValueError(f"{os.fspath(path)} holds {len(leaves)} tensors, expected {len(ours)}")
    return unflatten(leaves)


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
    (kind, parts), = shape.items()
    if kind == "dict":
        return {k: rebuild(sub, leaves) for k, sub in parts.items()}
    subtrees = [rebuild(sub, leaves) for sub in parts]
    return {"none": lambda _: None, "list": list, "tuple": tuple}[kind](subtrees)
