"""Trees of parameters: order, rebuilding, naming the place that differs."""

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinymeta as tm


class Pair(NamedTuple):
    w: object
    b: object


@dataclass(frozen=True)
class Line:
    w: Any
    b: Any = None
    name: str = field(default="line", metadata={"static": True})

    def __post_init__(self):
        assert self.w is not None, "a new one is a copy: this is not run for it"

    def __call__(self, x):
        return self.w * x + self.b


@dataclass(slots=True)
class Slots:
    a: Any
    z: Any


TREES = [
    (1, [1], [""]),
    ({"b": 1, "a": 2}, [2, 1], ["['a']", "['b']"]),
    ([1, (2, 3)], [1, 2, 3], ["[0]", "[1][0]", "[1][1]"]),
    (Pair(1, {"x": 2}), [1, 2], [".w", ".b['x']"]),
    ({"a": None, "b": []}, [], []),
    ({2: "two", 10: "ten"}, ["ten", "two"], ["[10]", "[2]"]),
    (OrderedDict(b=1, a=2), [2, 1], ["['a']", "['b']"]),
    (defaultdict(list, b=1, a=[2]), [2, 1], ["['a'][0]", "['b']"]),
    (Line(1, {"x": 2}), [1, 2], [".w", ".b['x']"]),
    ([Line(1), Slots(2, [3])], [1, 2, 3], ["[0].w", "[1].a", "[1].z[0]"]),
    (tm.nn.Dense(3, 4), [tm.nn.Dense(3, 4)], [""]),
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


@pytest.mark.parametrize("count", [0, 2, 4])
def test_unflatten_takes_as_many_leaves_as_there_were(count):
    _, rebuild = tm.tree.flatten({"a": [1, 2], "b": 3})
    with pytest.raises(ValueError, match=f"the tree has 3 leaves, got {count}"):
        tm.tree.unflatten(rebuild, range(count))


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


# ---- dataclasses, and dicts of other kinds -------------------------------------------------------


def test_a_dict_keeps_its_kind_its_order_and_its_default():
    ordered = tm.tree.map(lambda x: 2 * x, OrderedDict(b=1, a=2))
    assert type(ordered) is OrderedDict and list(ordered.items()) == [("b", 2), ("a", 4)]
    counted = tm.tree.map(lambda x: 2 * x, defaultdict(int, b=1))
    assert counted == {"b": 2} and counted["new"] == 0


def test_a_dataclass_keeps_its_static_fields_and_is_not_changed():
    line = Line(1.0, 2.0, "mine")
    doubled = tm.tree.map(lambda x: 2 * x, line)
    assert doubled == Line(2.0, 4.0, "mine") and line == Line(1.0, 2.0, "mine")
    assert tm.tree.map(lambda x: None, line).w is None
    with pytest.raises(ValueError, match=r"differ at the root: Line of .* against Slots of"):
        tm.tree.map(lambda a, b: a, line, Slots(1, 2))


def loss(model, x):
    return tm.square(model(x)).sum()


def test_gradients_of_a_dataclass_to_the_second_order():
    model, x = Line(tm.tensor(3.0), tm.tensor(1.0), "mine"), np.array([1.0, 2.0], np.float32)
    g = tm.grad(loss)(model, x)
    assert type(g) is Line and g.name == "mine" and (g.w.item(), g.b.item()) == (36, 22)
    curvature = tm.hvp(lambda m: loss(m, x), model, Line(tm.tensor(1.0), tm.tensor(0.0), "mine"))
    assert (curvature.w.item(), curvature.b.item()) == (10, 6)
    none = tm.grad(lambda m: m.w * m.w)(Line(3.0))
    assert none.w.item() == 6 and none.b is None


def test_one_array_twice_in_a_tree_has_two_gradients():
    w = tm.tensor(3.0)
    g = tm.grad(lambda m: m.w * m.b)(Line(w, w))
    assert g.w.item() == g.b.item() == 3


@pytest.mark.parametrize("kind", [OrderedDict, lambda **x: defaultdict(float, **x), Line, dict])
def test_such_trees_are_compiled_checkpointed_and_saved(kind, tmp_path):
    params = kind(w=tm.tensor(3.0), b=tm.tensor(1.0))

    def step(params):
        value = lambda p: sum(tm.square(x) for x in tm.tree.leaves(p))
        return tm.tree.map(lambda x, g: x - 0.25 * g, params, tm.grad(tm.checkpoint(value))(params))

    halves = [x.item() / 2 for x in tm.tree.leaves(params)]
    for result in (step(params), tm.jit(step)(params)):
        assert type(result) is type(params)
        assert [x.item() for x in tm.tree.leaves(result)] == halves
    tm.save(tmp_path / "params.npz", params)
    again = tm.load(tmp_path / "params.npz", like=params)
    assert type(again) is type(params) and tm.tree.paths(again) == tm.tree.paths(params)
    assert [x.item() / 2 for x in tm.tree.leaves(again)] == halves
    plain = tm.load(tmp_path / "params.npz")
    assert type(plain) is (dict if isinstance(params, dict) else tuple)


def test_a_program_depends_on_the_static_fields():
    f = tm.jit(lambda m: m.w * len(m.name))
    assert [f(Line(2.0, 1.0, name)) for name in ("a", "abc", "a")] == [2, 6, 2]
    assert len(f.programs) == 2
    with pytest.raises(TypeError, match="^jit: an argument is a list, which may change unseen"):
        f(Line(2.0, 1.0, [1]))


def test_keyword_arguments_of_jit_and_checkpoint():
    def f(x, *, scale, shift=0.0):
        return (x * scale["s"] + shift).sum()

    x, scale = np.ones(3), {"s": np.full(3, 2.0)}
    for g in (f, tm.jit(f), tm.checkpoint(f), tm.jit(tm.checkpoint(f))):
        value, slope = tm.value_and_grad(g)(x, scale=scale, shift=1.0)
        assert value.item() == 9 and slope.tolist() == [2, 2, 2]
    by_keyword = tm.grad(lambda s: tm.checkpoint(f)(x, scale={"s": s}))(scale["s"])
    assert by_keyword.tolist() == [1, 1, 1]


def test_the_warning_of_many_programs_names_a_keyword():
    f = tm.jit(lambda x, n=1: x * n)
    with pytest.warns(UserWarning, match=r"argument \['n'\] changes from call to call"):
        for n in range(9):
            f(1.0, n=n)
