"""Trees of parameters: order, rebuilding, naming the place that differs."""

from typing import NamedTuple

import pytest

import tinymeta as tm


class Pair(NamedTuple):
    w: object
    b: object


TREES = [
    (1, [1], [""]),
    ({"b": 1, "a": 2}, [2, 1], ["['a']", "['b']"]),
    ([1, (2, 3)], [1, 2, 3], ["[0]", "[1][0]", "[1][1]"]),
    (Pair(1, {"x": 2}), [1, 2], [".w", ".b['x']"]),
    ({"a": None, "b": []}, [], []),
    ({2: "two", 10: "ten"}, ["ten", "two"], ["[10]", "[2]"]),
]


@pytest.mark.parametrize("tree, leaves, paths", TREES)
def test_leaves_come_in_order_with_their_paths(tree, leaves, paths):
    assert tm.tree.leaves(tree) == leaves
    assert tm.tree.paths(tree) == paths


@pytest.mark.parametrize("tree, leaves, paths", TREES)
def test_unflatten_undoes_flatten(tree, leaves, paths):
    flat, rebuild = tm.tree.flatten(tree)
    again = tm.tree.unflatten(rebuild, flat)
    assert again == tree and type(again) is type(tree)


def test_dicts_of_different_insertion_order_are_one_tree():
    sums = tm.tree.map(lambda a, b: a - b, {"a": 5, "b": 7}, {"b": 1, "a": 2})
    assert sums == {"a": 3, "b": 6} and list(sums) == ["a", "b"]


def test_map_keeps_the_kinds():
    tree = {"p": Pair(1, [2, (3,)]), "none": None}
    assert tm.tree.map(lambda x: 2 * x, tree) == {"p": Pair(2, [4, (6,)]), "none": None}
    assert type(tm.tree.map(lambda x: x, tree)["p"]) is Pair


@pytest.mark.parametrize(
    "a, b, message",
    [
        (
            {"w": [1, 2]},
            {"w": [1, 2, 3]},
            r"differ at \['w'\]: list of \[0, 1\] against list of \[0, 1, 2\]",
        ),
        ({"w": 1}, {"v": 1}, r"differ at the root: dict of \['w'\] against dict of \['v'\]"),
        ([[1]], [1], r"differ at \[0\]: list of \[0\] against a leaf \(int\)"),
        ([1], (1,), "differ at the root: list of .* against tuple of"),
        (Pair(1, 2), (1, 2), "differ at the root: Pair of .* against tuple of"),
        (
            {"a": {"b": None}},
            {"a": {"b": 3}},
            r"differ at \['a'\]\['b'\]: NoneType of \[\] against a leaf",
        ),
    ],
)
def test_map_names_the_place_where_trees_differ(a, b, message):
    with pytest.raises(ValueError, match=message):
        tm.tree.map(lambda x, y: x, a, b)


def test_gradients_come_back_in_the_shape_of_the_argument():
    p = Pair({"x": tm.tensor(2.0)}, [tm.tensor(3.0), None])
    g = tm.grad(lambda p: p.w["x"] * p.b[0] ** 2)(p)
    assert type(g) is Pair and g.w["x"].item() == 9 and g.b[0].item() == 12 and g.b[1] is None
