"""Trees of parameters: dicts, lists, tuples, NamedTuples and dataclasses of leaves.

Everything else is a leaf; None is an inner node without children, so it has no leaf.
Dicts, OrderedDict and defaultdict among them, are visited in the order of their sorted keys, so two
equal dicts are equal trees; a new one has the order and the default of the old.

A dataclass has its fields as children, but for those that are `field(metadata={"static": True})`,
which every new one has from the old; it is copied, and neither `__init__` nor `__post_init__` is
run, as a tree may hold anything for a while. One whose class says `__tree_leaf__ = True`, such as a
layer, whose fields are settings and no parameters, is a leaf.
"""

import copy
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import islice
from typing import Any

__all__ = ["flatten", "leaves", "map", "unflatten"]


def children(node: Any) -> tuple[Any, Any, Callable] | None:
    """(labels, subtrees, rebuild) of an inner node, or None for a leaf."""
    kind = type(node)
    if kind is dict:
        keys = sorted_keys(node)
        values = [node[k] for k in keys]
        return keys, values, lambda parts: dict(zip(keys, parts))
    if kind is OrderedDict or kind is defaultdict:
        keys = sorted_keys(node)
        return keys, [node[k] for k in keys], lambda parts: _with_values(node, keys, parts)
    if kind is list:
        return range(len(node)), node, list
    if isinstance(node, tuple):
        if hasattr(node, "_fields"):
            return node._fields, node, lambda parts: kind(*parts)
        return range(len(node)), node, tuple
    if node is None:
        return (), (), lambda parts: None
    if _is_tree(kind):
        names = [f.name for f in fields(node) if not _is_static(f)]
        values = [getattr(node, name) for name in names]
        return names, values, lambda parts: _with_fields(node, names, parts)
    return None


def sorted_keys(node: dict) -> list:
    """The keys of a dict as texts are ordered: keys of two types have no order of their own."""
    for key in node:
        if type(key) is not str:
            return sorted(node, key=str)
    return sorted(node)


def _with_values(node: Any, keys: list, values: list) -> Any:
    """A dict like `node`, in its order, with these values for its keys."""
    new = node.copy()
    new.update(zip(keys, values))
    return new


def _is_tree(kind: type) -> bool:
    """Is it a dataclass that has its fields as children?"""
    return hasattr(kind, "__dataclass_fields__") and not hasattr(kind, "__tree_leaf__")


def _is_static(field: Any) -> bool:
    return bool(field.metadata.get("static"))


def _with_fields(node: Any, names: list[str], values: list) -> Any:
    """A copy of a dataclass, which may be frozen, with these values for its fields."""
    new = copy.copy(node)
    for name, value in zip(names, values):
        object.__setattr__(new, name, value)
    return new


def static_fields(node: Any) -> list:
    """The values of the fields of a dataclass that are no children."""
    if not _is_tree(type(node)):
        return []
    return [getattr(node, field.name) for field in fields(node) if _is_static(field)]


def flatten(tree: Any) -> tuple[list, Callable]:
    """(leaves, rebuild) of a tree: its leaves in order, and a function that puts new ones there.

    `rebuild` raises ValueError for another number of leaves.
    """
    found: list = []
    build = _collect(tree, found)
    count = len(found)

    def rebuild(leaves: list) -> Any:
        if len(leaves) != count:
            raise ValueError(f"unflatten: the tree has {count} leaves, got {len(leaves)}")
        return build(iter(leaves))

    return found, rebuild


def _collect(node: Any, found: list) -> Callable[[Iterator], Any]:
    """Append a tree's leaves to `found`; returns what builds it of an iterator of new ones."""
    parts = children(node)
    if parts is None:
        found.append(node)
        return next
    _, subtrees, rebuild = parts
    builders = [_collect(subtree, found) for subtree in subtrees]
    if all(build is next for build in builders):  # of leaves alone, as most are: taken at once
        return lambda leaves: rebuild(islice(leaves, len(builders)))
    return lambda leaves: rebuild([build(leaves) for build in builders])


def unflatten(rebuild: Callable, leaves: Any) -> Any:
    """The tree that `flatten` gave `rebuild` for, with as many new leaves, else ValueError."""
    return rebuild(list(leaves))


def leaves(tree: Any) -> list:
    """The leaves of a tree, in order."""
    found: list = []
    nodes = [tree]  # still to visit, the next one last
    while nodes:
        node = nodes.pop()
        if parts := children(node):
            nodes += reversed(parts[1])
        else:
            found.append(node)
    return found


def paths(tree: Any, prefix: str = "") -> list[str]:
    """The name of each leaf of a tree as one would write it: "['conv'].w", "[0]"; of a lone one "".

    prefix: what each name begins with.
    """
    parts = children(tree)
    if parts is None:
        return [prefix]
    labels, subtrees, _ = parts
    is_by_name = hasattr(tree, "_fields") or _is_tree(type(tree))
    found = []
    for label, subtree in zip(labels, subtrees):
        step = f".{label}" if is_by_name else f"[{label!r}]"
        found += paths(subtree, prefix + step)
    return found


def map(function: Callable, tree: Any, *others: Any) -> Any:
    """A tree like `tree`, with `function` of the corresponding leaves of it and the others.

    Raises ValueError, naming the place, where the trees differ.

    >>> import tinymeta as tm
    >>> tm.tree.map(lambda a, b: a + b, {"w": 1, "b": (2, 3)}, {"w": 10, "b": (20, 30)})
    {'b': (22, 33), 'w': 11}
    """
    return _map(function, (tree, *others), "")


def _map(function: Callable, trees: tuple, path: str) -> Any:
    parts = children(trees[0])
    if parts is None:
        return function(*trees)
    labels, first, rebuild = parts
    kind = type(trees[0])
    children_of_each = [first]
    for other in trees[1:]:
        theirs = children(other) if type(other) is kind else None
        if theirs is None or list(theirs[0]) != list(labels):
            raise ValueError(
                f"the trees differ at {path or 'the root'}: {_describe(trees[0])} "
                f"against {_describe(other)}; give trees of one structure"
            )
        children_of_each.append(theirs[1])
    mapped = []
    for label, *subtrees in zip(labels, *children_of_each):
        place = f"{path}[{label!r}]"
        mapped.append(_map(function, tuple(subtrees), place))
    return rebuild(mapped)


def _describe(node: Any) -> str:
    parts = children(node)
    kind = type(node).__name__
    if parts is None:
        return f"a leaf ({kind})"
    return f"{kind} of {list(parts[0])}"
