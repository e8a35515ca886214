"""A compiled function is the function: same values, at every order, whatever is in it."""

import re
import threading

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.jit.program import Unreadable
from tinymeta.jit.replay import Replay
from tinymeta.testing.interpreted import interpreted_jit

rng = np.random.default_rng(0)
X, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 5))


def same(found, expected, rtol=1e-11, atol=1e-12):
    ours, theirs = tm.tree.leaves(found), tm.tree.leaves(expected)
    for a, b in zip(ours, theirs, strict=True):
        a, b = np.asarray(tm.asarray(a)), np.asarray(tm.asarray(b))
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def grads(order):
    def f(x, w):
        g = lambda x: (tm.tanh(x @ w) * tm.softmax(x @ w)).sum()
        for _ in range(order):
            g = (lambda h: lambda x: (tm.grad(h)(x) * tm.sin(x)).sum())(g)
        return g(x)

    return f


FUNCTIONS = {
    **{f"order {k}": (grads(k), X, W) for k in range(4)},
    "trees": (lambda p, k: {"y": [p["w"] * k, (p["b"], None)]}, {"w": X, "b": W}, 2.5),
    "a checkpoint": (
        lambda x: tm.grad(lambda x: tm.checkpoint(lambda x: tm.exp(tm.sin(x)))(x).sum())(x),
        X,
    ),
    "views": (lambda x: tm.flip(x[::2, 1:].T * tm.transpose(x)[1:, :2], 0) + x[1, None, 2:], X),
    "reshapes": (lambda x: tm.reshape(tm.transpose(x) * 2.0, (2, 6)) @ tm.reshape(x, (6, 2)), X),
    "products of broadcasts, transposes and slices": (
        lambda x, w: [
            x @ tm.broadcast_to(w[0, 0], (3, 4)),
            x @ tm.broadcast_to(w[:, 1:2], (3, 4)),
            x @ tm.broadcast_to(w[0], (3, 5)),
            tm.broadcast_to(x[:, :1], (4, 3)) @ w,
            x @ tm.flip(w, 0),
            x @ tm.flip(w, 1),
            tm.flip(x, (0, 1)) @ w,
            x @ w[:, ::2],
            x[:, ::2] @ w[::2],
            x[:3] @ x[:3],
            tm.broadcast_to(x[:3, :1], (3, 3)) @ x[:3],
        ],
        X,
        W,
    ),
    "broadcasts": (lambda x, w: tm.exp(x[:, :, None] - w[None]).sum((0, 2)) / x.mean(), X, W),
    "reductions": (lambda x: (tm.max(x, 1), tm.min(x), tm.var(x, 0), tm.logsumexp(x, 1)), X),
    "bools and integers": (
        lambda x: (x > 0, tm.argmax(x, 1), tm.where(x > 0.5, x, -x), tm.sum(x > 0), tm.sign(x)),
        X,
    ),
    "joining": (
        lambda x: tm.stack([tm.concatenate([x, x * 2], 1), tm.pad(x, [(0, 0), (1, 2)])]),
        X,
    ),
    "picking": (
        lambda x: tm.grad(lambda x: tm.square(tm.take(x, np.array([2, 0, 2]), 1)).sum())(x),
        X,
    ),
    "pooling": (
        lambda x: tm.grad(lambda x: tm.square(tm.max_pool2d(x, 2)).sum())(x),
        rng.normal(size=(2, 4, 4, 2)),
    ),
    "empty": (lambda x: (tm.exp(x), x.sum(0), x @ tm.transpose(x)), np.zeros((0, 3))),
    "0-d": (lambda x: tm.grad(tm.grad(lambda x: x**3 * tm.log(x)))(x), np.array(2.0)),
    "an input returned": (lambda x: (x, x.T, 3.0 * x), X),
    "powers": (lambda x: tm.abs(x) ** 1.5 + x**3 + tm.power(tm.abs(x), tm.abs(x)), X),
    "every function": (
        lambda x: [
            f(tm.abs(x) + 0.1)
            for f in (
                tm.exp,
                tm.expm1,
                tm.log,
                tm.log1p,
                tm.sqrt,
                tm.rsqrt,
                tm.sin,
                tm.cos,
                tm.tanh,
                tm.sigmoid,
                tm.softplus,
                tm.relu,
                tm.square,
            )
        ],
        X,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_the_function(name):
    f, *args = FUNCTIONS[name]
    compiled = tm.jit(f)
    for _ in range(2):
        same(compiled(*args), f(*args))
    single = [
        a.astype(np.float32)
        if isinstance(a, np.ndarray)
        else tm.tree.map(lambda x: np.asarray(x, np.float32), a)
        for a in args
    ]
    jit = interpreted_jit if name in ("order 2", "order 3") else tm.jit
    same(jit(f)(*single), f(*single), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "model, shape",
    [
        (nn.mlp(2, 8, 3, activation=tm.tanh), (2,)),
        (
            nn.Sequential(
                nn.Conv2d(1, 4, stride=2),
                nn.BatchNorm(4),
                tm.softplus,
                nn.Conv2d(4, 2),
                nn.BatchNorm(2),
                tm.tanh,
                nn.Flatten(),
                nn.Dense(18, 3),
            ),
            (6, 5, 1),
        ),
    ],
    ids=["mlp", "conv"],
)
def test_a_meta_gradient(model, shape, steps):
    y = np.tile(np.arange(3), (4, 1))
    tasks = tm.Tasks(*[tm.Batch(rng.normal(size=(4, 3, *shape)), y) for _ in range(2)])
    method = tm.meta.maml(model, lr=0.1, steps=steps)
    for dtype, rtol, atol in ((np.float64, 1e-8, 1e-11), (np.float32, 1e-3, 1e-4)):
        cast = lambda t: tm.tree.map(
            lambda x: np.asarray(x, dtype) if x.dtype.kind == "f" else x, t
        )
        params, batch = cast(model.init(np.random.default_rng(1))), cast(tasks)
        # Three steps have the kernels of one; float64 windows are those of test_array_kernels.py.
        compiled = steps == 1 and (dtype is np.float32 or shape == (2,))
        jit = tm.jit if compiled else interpreted_jit
        same(jit(method.meta_grad)(params, batch), method.meta_grad(params, batch), rtol, atol)


# ---- what a program depends on ------------------------------------------------------------------


def test_floats_are_traced_and_integers_are_not():
    compiled = tm.jit(lambda x, scale, n: x * scale + n)
    for scale in (0.5, 2.0, 3.5):
        same(compiled(X, scale, 2), X * scale + 2)
    assert len(compiled.programs) == 1
    same(compiled(X, 2.0, 3), X * 2 + 3)
    same(compiled(X.astype(np.float32), 2.0, 3), np.float32(X) * 2 + 3, 1e-6)
    same(compiled(X[:2], 2.0, 3), X[:2] * 2 + 3)
    assert len(compiled.programs) == 4


def test_python_chooses_once_for_each_static_value():
    def f(x, mode):
        return tm.exp(x) if mode == "up" else -x

    compiled = tm.jit(f)
    same(compiled(X, "up"), np.exp(X))
    same(compiled(X, "down"), -X)


def test_many_programs_are_worth_a_warning_that_names_the_argument():
    compiled = tm.jit(lambda p, n: p["x"] * n)
    with pytest.warns(UserWarning, match=r"compiled 8 times: argument \[1\] changes from call"):
        for n in range(9):
            compiled({"x": X}, n)


def test_captured_arrays_are_constants_and_outputs_are_fresh():
    compiled = tm.jit(lambda x: x * tm.asarray(W))
    a = compiled(np.ones_like(W)).numpy()
    b = compiled(np.full_like(W, 2.0)).numpy()
    np.testing.assert_array_equal(a, W)
    np.testing.assert_array_equal(b, 2 * W)


def test_a_draw_would_be_replayed_and_is_refused():
    with pytest.raises(TypeError, match="a random generator, whose numbers would be drawn once"):
        tm.jit(lambda x, rng: x * rng.normal())(X, np.random.default_rng(0))


# ---- inside something else ----------------------------------------------------------------------


def test_under_a_derivative_another_trace_or_debug_nans_it_is_called():
    calls = []

    def f(x):
        calls.append(1)
        return tm.exp(x).sum()

    compiled = tm.jit(f)
    same(tm.grad(compiled)(X), np.exp(X))
    same(tm.grad(lambda x: compiled(x * 2.0))(X), 2 * np.exp(2 * X))
    same(tm.jit(lambda x: compiled(x) * 2.0)(X), 2 * np.exp(X).sum())
    with tm.debug_nans(), pytest.raises(FloatingPointError, match="sqrt.* made a NaN"):
        tm.jit(lambda x: tm.sqrt(x))(-np.ones(2))
    assert len(calls) == 3


def test_a_gradient_through_what_it_closes_over_is_not_lost():
    def outer(w):
        return tm.jit(lambda x: (x * w).sum())(X)

    same(tm.grad(outer)(np.array(2.0)), X.sum())


def test_threads_share_a_program():
    compiled, found = tm.jit(grads(2)), {}
    compiled(X, W)

    def work(k):
        for _ in range(20):
            found[k] = compiled(X * (k + 1), W).item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for k in range(4):
        np.testing.assert_allclose(found[k], grads(2)(X * (k + 1), W).item(), rtol=1e-10)


# ---- what has no value yet ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.item(),
        lambda x: float(x.sum()),
        lambda x: x.sum() if x.sum() > 0 else -x,
        lambda x: np.asarray(x),
        lambda x: x.numpy(),
        lambda x: int(tm.argmax(x)),
        lambda x: [1, 2, 3][tm.argmax(x, None).item()],
        lambda x: x.value[0],
    ],
)
def test_reading_a_value_says_what_to_do_and_where(read):
    with pytest.raises(Unreadable, match=r"test_jit.py:\d+.*return it and read it outside, use tm"):
        tm.jit(lambda x: read(x) * 2.0)(np.ones(1))


def test_an_error_inside_comes_out_and_the_next_call_is_fine():
    def f(x, n):
        if n == 0:
            raise KeyError("mine")
        return x @ np.ones((n, 2))

    compiled = tm.jit(f)
    with pytest.raises(KeyError, match="mine"):
        compiled(X, 0)
    with pytest.raises(ValueError, match="matmul"):
        compiled(X, 4)
    same(compiled(X, 3), X @ np.ones((3, 2)))


X4 = np.arange(4.0)
CHECKED_VALUES = {
    "one_hot": (lambda y: tm.one_hot(y, 3), np.array([0, 2]), np.array([0, 3])),
    "a slice": (lambda y: tm.one_hot(y[:1], 3), np.array([0, 9]), np.array([3, 0])),
    "reshaped and cast": (
        lambda y: tm.one_hot(tm.reshape(y, (2, 1)).astype("int32"), 3),
        np.array([0, 2]),
        np.array([-1, 0]),
    ),
    "cross entropy": (
        lambda y: tm.losses.cross_entropy(np.eye(3), y),
        np.array([2, 1, 0]),
        np.array([1, 2, 3]),
    ),
    "take": (lambda i: tm.take(X4, i), np.array([-4, 3]), np.array([4, 0])),
    "take_along_axis": (lambda i: tm.take_along_axis(X4, i), np.array([-1]), np.array([-5])),
}


@pytest.mark.parametrize("name", CHECKED_VALUES)
def test_labels_and_indices_are_checked_in_every_run(name):
    f, right, wrong = CHECKED_VALUES[name]
    compiled = tm.jit(f)
    for _ in range(2):
        same(compiled(right), f(right))
        with pytest.raises((ValueError, IndexError)) as eager:
            f(wrong)
        with pytest.raises(eager.type, match=re.escape(str(eager.value))):
            compiled(wrong)
    assert len(compiled.programs) == 1


def test_those_made_on_the_way_are_moved_into_what_exists():
    """Nobody sees them: a label outside is no class, an index outside is the nearest end."""
    one_hot, take = tm.jit(lambda y: tm.one_hot(y + 1, 3)), tm.jit(lambda i: tm.take(X4, i * 3))
    np.testing.assert_array_equal(one_hot(np.array([1, 2])).numpy(), [[0, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(take(np.array([-1, 9, 1])).numpy(), [1.0, 3.0, 3.0])


# ---- memory -------------------------------------------------------------------------------------


def program_of(f, *args) -> Replay:
    (found,) = (tm.explain(f, *args).replay,)
    return found


@pytest.mark.parametrize("f, args", [(grads(2), (X, W)), (grads(3), (X, W))])
def test_no_two_values_that_live_at_once_overlap(f, args):
    memory = program_of(f, *args).memory
    blocks = [
        (memory.offsets[x], memory.offsets[x] + x.nbytes, *memory.lifetimes[x])
        for x in memory.offsets
    ]
    for i, (a, b, first, last) in enumerate(blocks):
        for c, d, other_first, other_last in blocks[:i]:
            assert b <= c or d <= a or last < other_first or other_last < first
    assert memory.size < sum(64 + x.nbytes for x in memory.offsets)


def test_the_arena_is_smaller_than_the_values():
    """A chain of a hundred values needs memory for a few."""

    def f(x):
        for _ in range(100):
            x = tm.tanh(x @ np.eye(50))
        return x

    replay = program_of(f, np.ones((50, 50)))
    assert replay.memory.size < 8 * 50 * 50 * 8 < sum(x.nbytes for x in replay.memory.offsets)
