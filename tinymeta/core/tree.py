"""Trees of parameters: dicts, lists, tuples and NamedTuples of leaves.

Everything else is a leaf, None is empty.
Dicts are walked in the order of their sorted keys, so two equal dicts are equal trees.
"""

from collections.abc import Callable

__all__ = ["flatten", "leaves", "map", "unflatten"]


def children(node):
    """(labels, subtrees, rebuild) of an inner node, or None for a leaf."""
    kind = type(node)
    if kind is dict:
        keys = sorted(node, key=str)
        return keys, [node[k] for k in keys], lambda parts: dict(zip(keys, parts))
    if kind is list:
        return range(len(node)), node, list
    if isinstance(node, tuple):
        if hasattr(node, "_fields"):
            return node._fields, node, lambda parts: kind(*parts)
        return range(len(node)), node, tuple
    if node is None:
        return (), (), lambda parts: None
    return None


def flatten(tree) -> tuple[list, Callable]:
    """(leaves, rebuild) of a tree: its leaves in order, and a function that puts new ones there."""
    parts = children(tree)
    if parts is None:
        return [tree], lambda leaves: leaves[0]
    _, subtrees, rebuild = parts
    flat = [flatten(sub) for sub in subtrees]

    def unflatten(leaves):
        pieces, start = [], 0
        for sub, rebuild_sub in flat:
            pieces.append(rebuild_sub(leaves[start : start + len(sub)]))
            start += len(sub)
        return rebuild(pieces)

    return [leaf for sub, _ in flat for leaf in sub], unflatten


def unflatten(rebuild: Callable, leaves):
    """The tree that `flatten` took apart, with new leaves."""
    return rebuild(list(leaves))


def leaves(tree) -> list:
    """The leaves of a tree, in order."""
    return flatten(tree)[0]


def paths(tree, prefix: str = "") -> list[str]:
    """The name of each leaf of a tree as one would write it: "['conv'].w", "[0]"; of a lone one "".

    prefix: what each name begins with.
    """
    parts = children(tree)
    if parts is None:
        return [prefix]
    labels, subtrees, _ = parts
    dotted = hasattr(tree, "_fields")
    return [
        path
        for label, sub in zip(labels, subtrees)
        for path in paths(sub, prefix + (f".{label}" if dotted else f"[{label!r}]"))
    ]


def map(function: Callable, tree, *others):
    """`function` of corresponding leaves.

    Raises ValueError, naming the place, where the trees differ.
    """
    return _map(function, (tree, *others), "")


def _map(function, trees, path):
    parts = children(trees[0])
    if parts is None:
        return function(*trees)
    labels, first, rebuild = parts
    columns = [first]
    for other in trees[1:]:
        theirs = children(other)
        if theirs is None or type(other) is not type(trees[0]) or list(theirs[0]) != list(labels):
            raise ValueError(
                f"the trees differ at {path or 'the root'}: {_describe(trees[0])} "
                f"against {_describe(other)}; give trees of one structure"
            )
        columns.append(theirs[1])
    return rebuild(
        [_map(function, row, f"{path}[{label!r}]") for label, row in zip(labels, zip(*columns))]
    )


def _describe(node):
    parts = children(node)
    kind = type(node).__name__
    return f"a leaf ({kind})" if parts is None else f"{kind} of {list(parts[0])}"
