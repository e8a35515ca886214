"""What moves, picks and compares elements: compiled as eagerly, to the bit, and never in Python."""

from collections import Counter
from contextlib import nullcontext

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing.compiled import in_chunks
from tinymeta.testing.interpreted import without_compiling

NUMBERS = ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"]
DTYPES = [*NUMBERS, "uint64", "bool"]


def values(dtype, shape, seed=0):
    """Few different ones, so that they tie; of floats also NaN, infinities and -0."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        pool = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 7.0], dtype)
    elif dtype.kind == "b":
        pool = np.array([False, True])
    else:
        info = np.iinfo(dtype)
        pool = np.array([info.min, info.max, 0, 1, 2, 100], dtype)
    return rng.choice(pool, shape)


def same_bits(found, expected):
    assert tm.tree.paths(found) == tm.tree.paths(expected)
    for path, a, b in zip(tm.tree.paths(found), tm.tree.leaves(found), tm.tree.leaves(expected)):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), path
        np.testing.assert_array_equal(a, b, path)
        if a.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(a[a == 0]), np.signbit(b[b == 0]), path)


def check(f, *args):
    """Compiled as eagerly, and no step needs Python, but for BLAS."""
    with np.errstate(all="ignore"):
        same_bits(tm.jit(f)(*args), f(*map(tm.asarray, args)))
    kinds = Counter(tm.explain(f, *args).replay.kinds)
    assert not kinds["Python"] and sum(kinds.values()), kinds


def moved(x):
    """x (2, 3, 4, 5) in other places, through views as well."""
    return {
        "pad": tm.pad(x, [(0, 0), (1, 2), (0, 0), (0, 0)]),
        "pads": tm.pad(x, 2),
        "no pad": tm.pad(x, 0),
        "pad of a view": tm.pad(tm.transpose(x), [(0, 1), (0, 0), (2, 0), (0, 0)]),
        "join": tm.concatenate([x, x[:, :1], tm.flip(x, 1)], 1),
        "join of one": tm.concatenate([x], 2),
        "joins": tm.concatenate([tm.concatenate([x, x], -1), x], -1),
        "join of other axes": tm.concatenate([tm.concatenate([x, x], 0), tm.pad(x, 0)], 0),
        "stack": tm.stack([x, x], 2),
        "pad of nothing": tm.pad(x[:, :0], [(0, 0), (1, 1), (0, 0), (0, 0)]),
        "nothing joined": tm.concatenate([x[:0], x[:0]], 0),
        "part of nothing": tm.concatenate([x[:, :, :0], x], 2),
    }


def picked(x, i):
    """Elements of x (2, 3, 4, 5) at indices i (2, 3, 4, 2) from -5 to 4."""
    found = {
        "take": tm.take(x, [2, 0, -1], 1),
        "take none": tm.take(x, np.zeros((0,), int), 2),
        "take by a matrix": tm.take(x, [[0, 1], [1, -2]], 0),
        "take along": tm.take_along_axis(x, i, -1),
        "pooled": tm.max_pool2d(x, 2),
        "pooled with overlap": tm.max_pool2d(x, 3, stride=1, padding="same"),
    }
    for axis in (None, 0, 1, 2, 3):
        found[f"argmax {axis}"] = tm.argmax(x, axis)
        found[f"max {axis}"] = tm.max(x, axis)
        found[f"min {axis}"] = tm.min(x, axis)
    found["argmax of a view"] = tm.argmax(tm.transpose(x), 1)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_moved_and_picked_to_the_bit(dtype):
    x, i = values(dtype, (2, 3, 4, 5)), np.random.default_rng(1).integers(-5, 5, (2, 3, 4, 2))
    compiled = dtype in ("float32", "int8")  # each takes ten seconds
    with nullcontext() if compiled else without_compiling():
        check(lambda x, i: (moved(x), picked(x, i)), x, i)


@pytest.mark.parametrize("dtype", [*NUMBERS, "uint64"])
def test_integers_are_added_and_multiplied_as_numpys(dtype):
    x = values(dtype, (2, 3, 4)) if dtype[0] != "f" else np.ones((2, 3, 4), dtype)

    def f(x):
        columns, none = tm.swapaxes(x, 1, 2), x[..., :0]
        return {
            "product": x @ columns,
            "of a matrix": x[0] @ columns[1],
            "of none": none @ tm.swapaxes(none, 1, 2),
            "sums": [tm.sum(x, axis) for axis in (None, 0, 1, 2, (0, 2))],
            "count": tm.sum(x > 1, 1),
            "sum of none": tm.sum(none, 2),
        }

    with without_compiling():
        check(f, x)


def test_the_gradients_of_slices_windows_and_picks():
    def loss(x, i):
        stepped, pooled = x[:, ::2, 1:5:3], tm.max_pool2d(x, 2, stride=1)
        indexed = tm.take_along_axis(x, i, 1) * tm.take(x, [1, 1, 0, 2], 1)[:, :1]
        return tm.sum(stepped * stepped) + tm.sum(pooled * pooled * pooled) + tm.sum(indexed)

    def f(x, i):
        norm = lambda x: tm.sum(tm.square(tm.grad(loss)(x, i)))
        return tm.grad(loss)(x, i), tm.grad(norm)(x)

    for dtype in ("float32", "float64"):
        x = (np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3) % 7).astype(dtype)
        i = np.random.default_rng(2).integers(0, 4, (2, 2, 6, 3))
        with nullcontext() if dtype == "float32" else without_compiling():
            check(f, x, i)
        with in_chunks(2, 2), without_compiling():
            check(f, x, i)


def test_a_place_that_does_not_exist_is_an_error_before_each_run():
    f = tm.jit(lambda x, i: (tm.take(x, i, 1), tm.take_along_axis(x, i[:1, None], 1)))
    x, i = np.ones((1, 3), np.float32), np.array([2, -3])
    with without_compiling():
        f(x, i)
        for wrong in (np.array([0, 3]), np.array([-4, 0])):
            with pytest.raises(IndexError, match="out of range for size 3"):
                f(x, wrong)


# ---- slices, whose gradients are joined ----------------------------------------------------------


def ops_after_simplify(f, *args):
    program = tm.explain(f, *args).passes["simplify"]
    return Counter(eqn.op for eqn in program.equations)


def gradient_of_parts(*edges):
    """The gradient of what is made of x in slices between these edges of its last axis."""

    def loss(x):
        parts = [x[..., begin:end] for begin, end in zip(edges, edges[1:])]
        return sum(tm.sum(part * part * k) for k, part in enumerate(parts, -1))

    return tm.grad(loss)


def test_the_gradient_of_slices_side_by_side_is_one_join():
    x = np.ones((3, 8), np.float32)
    with without_compiling():
        for edges, pads in (((0, 2, 4, 5, 8), 0), ((1, 2, 4, 8), 1), ((0, 3, 7), 1)):
            f = gradient_of_parts(*edges)
            check(f, x)
            found = ops_after_simplify(f, x)
            assert (found["concatenate"], found["pad"]) == (1, pads)


def test_slices_that_overlap_lie_apart_or_step_are_not_joined():
    x = np.ones((3, 8), np.float32)
    slices = {
        "overlap": lambda x: (x[:, :4], x[:, 3:]),
        "apart": lambda x: (x[:, :3], x[:, 4:]),
        "step": lambda x: (x[:, ::2], x[:, 1::2]),
        "other axes": lambda x: (x[:1], x[:, 1:]),
    }
    with without_compiling():
        for cut in slices.values():
            f = tm.grad(lambda x: sum(tm.sum(part * part) for part in cut(x)))
            check(f, x)
            assert not ops_after_simplify(f, x)["concatenate"]


def test_zeros_keep_the_sign_that_a_sum_of_pads_gives_them():
    x = np.array([[-0.0, 0.0, -1.0, -0.0, np.nan, -0.0]], np.float32)
    widths = lambda begin, end: [(0, 0), (begin, end)]

    def f(x):
        left, right = tm.pad(x[:, :2], widths(0, 4)), tm.pad(x[:, 2:], widths(2, 0))
        thirds = [tm.pad(x[:, k : k + 2], widths(k, 4 - k)) for k in (4, 2, 0)]
        return left + right, right + left, sum(thirds[1:], thirds[0])

    with without_compiling():
        check(f, x)
        assert not ops_after_simplify(f, x)["pad"]


# ---- growth --------------------------------------------------------------------------------------


def test_a_learned_optimizer_grows_as_its_steps_do():
    """Steps run and bytes written, for each of its steps, from 5 on to 20."""

    def counts(steps):
        method = tm.meta.learned_optimizer(
            lambda theta, data: tm.sum((theta - data.y) ** 2, -1), steps=steps, truncate=5, hidden=4
        )
        problems = tm.data.Quadratics(3).sample(np.random.default_rng(0), tasks=4)
        params = method.init(np.random.default_rng(0))
        replay = tm.explain(method.meta_grad, params, problems).replay
        written = sum(y.nbytes for step in replay.steps for y in step.results)
        assert "Python" not in replay.kinds
        return np.array([len(replay.steps), written]) / steps

    with without_compiling():
        few, many = counts(5), counts(20)
    assert (many <= 1.1 * few).all(), (few, many)
