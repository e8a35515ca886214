"""Every shape of result: each output where it belongs, in whatever chunks the program is run."""

from typing import NamedTuple

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.jit.chunks import ChunkedReplay
from tinymeta.jit.program import Unreadable
from tinymeta.testing.compiled import check_leaf, in_chunks, survey
from tinymeta.testing.interpreted import without_compiling

rng = np.random.default_rng(0)
X, W = rng.normal(size=(6, 5, 3)), rng.normal(size=(3, 2))


def alike(found, expected, close=1e-12):
    assert tm.tree.paths(found) == tm.tree.paths(expected)
    for path, a, b in zip(tm.tree.paths(expected), tm.tree.leaves(found), tm.tree.leaves(expected)):
        check_leaf(path, a, b, close)


def loss(w, x):
    each = tm.mean(tm.square(tm.tanh(x @ w)), (1, 2))
    return tm.mean(each), each


class Named(NamedTuple):
    total: object
    rest: object


# What was returned wrongly once, and its neighbours: (weights, number, inputs) -> a tree.
RESULTS = {
    "a sum, then the mean made of it": lambda w, lr, x: (tm.sum(x), tm.mean(x)),
    "the mean, then the sum": lambda w, lr, x: (tm.mean(x), tm.sum(x)),
    "a loss and its gradient": lambda w, lr, x: tm.value_and_grad(lambda w: tm.sum(tm.exp(x @ w)))(
        w
    ),
    "a gradient and what is printed": lambda w, lr, x: tm.grad(
        lambda w: (loss(w, x)[0], loss(w, x)), has_aux=True
    )(w),
    "a number passed through and new weights": lambda w, lr, x: {
        "lr": lr,
        "w": w - lr * tm.grad(lambda w: loss(w, x)[0])(w),
    },
    "an input, of each task, a sum, made after": lambda w, lr, x: [
        x,
        tm.sum(x, (1, 2)),
        tm.sum(x, 0),
        tm.tanh(tm.sum(x, 0)),
        w,
    ],
    "the same value three times": lambda w, lr, x: [tm.sum(x @ w, 0)] * 3,
    "made before the tasks": lambda w, lr, x: (tm.exp(w), tm.sum(x @ tm.exp(w), 0), tm.sum(w)),
    "ints and bools": lambda w, lr, x: (tm.argmax(x, 2), x > 0, tm.sum(x > 0), tm.sum(x, 0) > 0),
    "nothing and constants": lambda w, lr, x: {
        "none": None,
        "empty": (),
        "c": tm.asarray(W),
        "n": 3,
        "s": "word",
        "x": Named(lr, [x, {}]),
    },
    "views of inputs and sums": lambda w, lr, x: (
        x[:, ::2],
        tm.transpose(tm.sum(x, 0)),
        tm.sum(x, 0)[1:],
        tm.flip(x, 1),
    ),
    "nothing at all": lambda w, lr, x: None,
}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("chunks, threads", [(1, 1), (2, 2), (4, 2), (8, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_output_is_where_it_belongs(name, chunks, threads, dtype):
    f, w, x = RESULTS[name], W.astype(dtype), X.astype(dtype)
    with in_chunks(chunks, threads), without_compiling():
        compiled = tm.jit(f)
        found = compiled(w, 0.5, x)
    alike(found, f(w, 0.5, x), 1e-5 if dtype is np.float32 else 1e-12)
    alike(compiled(2 * w, 0.25, -x), f(2 * w, 0.25, -x), 1e-5 if dtype is np.float32 else 1e-12)


def test_at_a_size_that_is_split_by_itself():
    x = rng.normal(size=(64, 400, 16))
    step = tm.jit(
        lambda x: (tm.sum(tm.tanh(x), 0), tm.sum(tm.tanh(x), 0) / 64.0, tm.sum(x), tm.mean(x))
    )
    alike(step(x), step.__wrapped__(x), 1e-11)
    (program,) = step.programs.values()
    assert isinstance(program.replay, ChunkedReplay)


@pytest.mark.parametrize("over_tasks", ["mean", "sum"])
def test_a_method_that_returns_gradients_first(over_tasks):
    net = nn.mlp(2, 8, 3)
    params = net.init(np.random.default_rng(1))
    y = np.tile(np.arange(3), (4, 1))
    tasks = tm.Tasks(
        *[tm.Batch(rng.normal(size=(4, 3, 2)).astype(np.float32), y) for _ in range(2)]
    )
    method = tm.meta.maml(net, lr=0.1, over_tasks=over_tasks)

    def turned(params, tasks):
        metrics, grads = method.meta_grad(params, tasks)
        return grads, metrics

    for f in (turned, method.meta_grad):
        with in_chunks(2, 2), without_compiling():
            found = tm.jit(f)(params, tasks)
        alike(found, f(params, tasks), 1e-4)


def test_outputs_are_fresh():
    x = X.copy()
    with in_chunks(2, 2), without_compiling():
        out, total = tm.jit(lambda x: (x, tm.sum(x)))(x)
    x[:] = 0
    np.testing.assert_array_equal(out.numpy(), X)


def test_random_steps():
    """Random programs, random results, random chunks: in hundreds, as Python runs their kernels."""
    found = survey().round(150)
    assert found.passed and found.tally["checked"] > 120, str(found)


def test_random_steps_of_compiled_kernels():
    found = survey("compiled", steps=3).round(4)
    assert found.passed, str(found)


@pytest.mark.slow
def test_five_thousand_random_steps():
    found = survey().round(5000, seed=1)
    assert found.passed and found.tally["checked"] > 4500, str(found)


# ---- arguments -----------------------------------------------------------------------------------


def test_keywords_sets_and_mutable_arguments():
    alike(
        tm.jit(lambda x, *, scale, names: x * scale if "a" in names else x)(
            W, scale=2.0, names={"a", "b"}
        ),
        W * 2.0,
    )
    for bad in (bytearray(b"x"), np.random.RandomState(0), np.random.default_rng(0)):
        with pytest.raises(TypeError, match="jit: an argument is a "):
            tm.jit(lambda x, bad: x)(W, bad)


class Foreign:
    """An array of another library."""

    def __init__(self, array):
        self.array = array
        self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__


def test_an_array_of_another_library_is_an_argument():
    compiled, x = tm.jit(lambda x: x * 2.0), Foreign(W.copy())
    alike(compiled(x), tm.asarray(W * 2))
    x.array[:] = 1.0  # it is read in every call
    alike(compiled(x), tm.asarray(np.full_like(W, 2.0)))
    assert len(compiled.programs) == 1


def test_one_array_twice_and_one_that_is_changed_between_calls():
    compiled, x = tm.jit(lambda a, b: (a + b, a * b)), W.copy()
    alike(compiled(x, x), (tm.asarray(W + W), tm.asarray(W * W)))
    x[:] = 3.0
    alike(compiled(x, x), (tm.asarray(np.full_like(W, 6.0)), tm.asarray(np.full_like(W, 9.0))))


def test_a_captured_array_is_copied_when_it_is_traced():
    w = np.array([1.0, 2.0])

    def f(x):
        before = x * w
        w[1] = 5.0  # seen by what comes after, as eagerly
        return before + x * w

    compiled, x = tm.jit(f), np.ones(2)
    expected = f(tm.asarray(x)).numpy()
    w[1] = 2.0
    np.testing.assert_array_equal(compiled(x).numpy(), expected)
    w[:] = 100.0
    replay = next(iter(compiled.programs.values())).replay
    replay.arenas.pop()  # as if another thread had it
    np.testing.assert_array_equal(compiled(x).numpy(), expected)


def test_a_value_that_escapes_its_trace_is_named():
    kept = []
    tm.jit(lambda x: (kept.append(x * 2.0), x)[1])(W)
    for use in (
        lambda: tm.jit(lambda x: x + kept[0])(W),
        lambda: kept[0] + 1.0,
        lambda: kept[0].numpy(),
    ):
        with pytest.raises(Unreadable, match=r"test_results.py:\d+\) was kept and is used outside"):
            use()


# ---- numbers -------------------------------------------------------------------------------------

NUMBERS = {
    "alone": lambda n: tm.exp(n),
    "arithmetic": lambda n: (n * 2, 1 - n, n**2, -n, abs(n) / 3),
    "beside float64": lambda n: W * n,
    "beside float32": lambda n: W.astype(np.float32) * n,
    "beside both": lambda n: (W * n, W.astype(np.float32) * n, n * 2 * tm.asarray(W)),
    "beside integers": lambda n: tm.arange(3) * n,
    "passed through": lambda n: [n, n],
    "differentiated": lambda n: tm.value_and_grad(lambda n: n * n * n)(n),
    "as an exponent": lambda n: tm.asarray(np.abs(W)) ** n,
    "a choice": lambda n: tm.where(n > 0.5, W, -W),
    "of a list": lambda n: tm.stack([n, tm.asarray(W)[0, 0]]),
}


@pytest.mark.parametrize("kind", [float, np.float32, np.float64])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_as_weak_as_it_is_eagerly(name, kind):
    f = NUMBERS[name]
    with without_compiling():
        compiled = tm.jit(f)
        for value in (0.3, 2.0):
            eager = f(kind(value))
            expected = tm.tree.map(
                lambda y: tm.asarray(y) if isinstance(y, np.ndarray) else y, eager
            )
            alike(compiled(kind(value)), expected, 1e-6)
    assert len(compiled.programs) == 1


def test_a_number_that_decides_is_refused_in_a_sentence():
    for read in (lambda n: W * n if n > 0.5 else W, lambda n: W * float(n), lambda n: f"{n:.2f}"):
        with pytest.raises(Unreadable, match="was asked for while the function is traced"):
            tm.jit(read)(0.3)


def test_a_masked_array_is_refused_compiled_as_eagerly():
    x = np.ma.masked_array([1.0, 2.0], [False, True])
    for f in (tm.exp, tm.jit(tm.exp)):
        with pytest.raises(TypeError, match="masked array, whose mask would be lost"):
            f(x)
