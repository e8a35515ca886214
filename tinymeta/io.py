"""Trees of tensors in one .npz file: the arrays, and the tree's shape as JSON.

No pickle, so nothing can be executed.
"""

import contextlib
import json
import os
import zipfile

import numpy as np

from .core import tree as trees
from .core.tensor import asarray


def save(path, tree) -> None:
    """Write a tree of arrays, tensors and numbers.

    It is written beside the target and then renamed: a crash or a full disk leaves the file that
    was there. NamedTuples come back as tuples unless `load` is given a tree like it.
    """
    path = os.fspath(path)
    leaves, _ = trees.flatten(tree)
    arrays = {f"leaf{k}": np.asarray(asarray(leaf).numpy()) for k, leaf in enumerate(leaves)}
    arrays["tree"] = np.array(json.dumps(skeleton(tree, iter(range(len(leaves))))))
    beside = f"{path}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:
            np.savez(file, **arrays)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise


def load(path, like=None):
    """The tree that `save` wrote, as Tensors.

    With `like`, it is in the structure of that tree, whose shapes it must have.

    Raises FileNotFoundError if there is none, ValueError if the file is not such a tree or does not
    match `like`.
    """
    try:
        with open(path, "rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as arrays:
            shape = json.loads(str(arrays["tree"]))
            leaves = [asarray(arrays[f"leaf{k}"]) for k in range(len(arrays.files) - 1)]
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ValueError(f"{os.fspath(path)} is not a file that tm.save wrote, "
                         f"or it is damaged ({error})") from None
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
