"""The tasks of a batch in chunks: found where nothing mixes them, with the same results."""

import os
import threading
import time
from contextlib import nullcontext
from importlib import import_module
from unittest.mock import patch

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.jit.chunk_count import chunk_count, most_live_bytes
from tinymeta.jit.chunks import ChunkedReplay, chunk_bounds, group_count
from tinymeta.jit.compile import PASSES, checked
from tinymeta.jit.replay import Replay
from tinymeta.jit.split import split
from tinymeta.jit.threads import ThreadPool
from tinymeta.jit.trace import Traced
from tinymeta.testing.interpreted import without_compiling

chunks_module = import_module("tinymeta.jit.chunks")
count_module = import_module("tinymeta.jit.chunk_count")
T = 6
rng = np.random.default_rng(0)
MODEL = nn.Sequential(
    nn.Conv2d(1, 3, stride=2), nn.BatchNorm(3), tm.tanh, nn.GlobalAveragePooling(), nn.Dense(3, 4)
)
PARAMS = tm.tree.map(np.float64, MODEL.init(rng))
# What is compiled here: a third of the kernels. Those of batch norm are compiled in test_jit.py.
PLAIN = nn.Sequential(nn.Conv2d(1, 3, stride=2), tm.tanh, nn.GlobalAveragePooling(), nn.Dense(3, 4))
Y = np.tile(np.arange(4), (T, 1))
TASKS = tm.Tasks(*[tm.Batch(rng.normal(size=(T, 4, 6, 6, 1)), Y) for _ in range(2)])


def meta_step(params, tasks, model=MODEL, steps=2):
    """A mean, its gradient, and something of each task."""
    loss = lambda p, b: tm.losses.cross_entropy(model(p, b.x), b.y)

    def outer(p):
        each = tm.meta.maml_loss(loss, p, tasks, lr=0.1, steps=steps)
        return each.mean(), each

    (value, each), grads = tm.value_and_grad(outer, has_aux=True)(params)
    return value, tm.tree.map(lambda p, g: p - 0.1 * g, params, grads), each


def plain_step(params, tasks):
    """The same of a network without batch norm, for machine code."""
    return meta_step(params, tasks, PLAIN, steps=1)


def lowered(f, *args):
    program = checked(Traced(f, args, {}).program, "trace")
    for step in PASSES["cpu"]:
        program = step(program)
    return program


def arrays(*args):
    return [np.asarray(x) for x in tm.tree.leaves(args)]


def in_chunks(f, args, chunks, threads=1):
    program = lowered(f, *args)
    found = split(program)
    parallel = ChunkedReplay(found, threads, chunk_bounds(found.tasks, chunks))
    for n in parallel.chunks:
        checked(found.chunk(n), "chunk")
    return parallel, parallel(arrays(*args))


def cast(dtype, f=meta_step):
    """The arguments; in float32 all equations are kernels, in float64 Python runs the products."""
    params = PARAMS if f is meta_step else [PARAMS[0], *PARAMS[2:]]
    return tm.tree.map(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, (params, TASKS))


def compiled_if(f):
    """Of the plain step machine code, of the other what Python interprets."""
    return nullcontext() if f is plain_step else without_compiling()


STEPS = [(meta_step, np.float64), (meta_step, np.float32), (plain_step, np.float32)]


@pytest.mark.parametrize("chunks", [1, 2, 4, 8])
@pytest.mark.parametrize("step, dtype", STEPS)
def test_any_chunks_give_what_all_at_once_give(chunks, step, dtype):
    args, close = cast(dtype, step), 1e-9 if dtype is np.float64 else 2e-4
    with compiled_if(step):
        parallel, found = in_chunks(step, args, chunks, threads=2)
    assert parallel.split.tasks == T and len(parallel.split.concatenated) == 1
    assert parallel.calls_python == (dtype is np.float64)
    expected = [y.numpy() for y in tm.tree.leaves(step(*args))]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=close, atol=1e-2 * close)


@pytest.mark.parametrize("chunks", [4, 8])
@pytest.mark.parametrize("step, dtype", STEPS[::2])
def test_threads_change_no_bit(step, dtype, chunks):
    args = cast(dtype, step)
    found, bounds = split(lowered(step, *args)), chunk_bounds(T, chunks)
    with compiled_if(step):
        one = ChunkedReplay(found, 1, bounds)(arrays(*args))
        for threads in (2, 3, 4, 2, 3, 4):
            several = ChunkedReplay(found, threads, bounds)(arrays(*args))
            assert all(a.tobytes() == b.tobytes() for a, b in zip(one, several))


def test_workers_that_are_parked_or_late_change_nothing():
    """Calls one after another, some when all workers are parked; other arguments each time."""
    args = cast(np.float32, plain_step)
    parallel, _ = in_chunks(plain_step, args, 4, threads=3)
    whole = Replay(lowered(plain_step, *args))
    for k in range(300):
        if k % 30 == 0:
            time.sleep(0.01)
        given = [a * np.float32(1 + k / 300) if a.dtype.kind == "f" else a for a in arrays(*args)]
        found, expected = parallel(given), whole(given)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)
    assert len(parallel.idle_buffers) == 1


def test_the_heavy_equations_are_in_the_middle():
    found = split(lowered(meta_step, PARAMS, TASKS))
    heavy = lambda program: sum(eqn.op in ("matmul", "to_cols") for eqn in program.equations)
    assert heavy(found.before) == heavy(found.after) == 0
    assert heavy(found.chunk(2)) == heavy(found.whole) > 20
    assert all(x.shape[0] == 2 for x in found.chunk(2).inputs[: len(found.mapped)])


X = rng.normal(size=(T, 5, 3))
MIXERS = {
    "needs a sum over them first": [lambda x: (x - x.mean(0)) @ np.ones((3, 3))],
    "max -> float64(5, 3) (test_threads.py:": [lambda x: tm.softmax(x, axis=0).sum()],
    "transpose -> float64(5, 6, 3)": [lambda x: tm.transpose(x, (1, 0, 2)) @ np.ones((3, 3))],
    "flip -> float64(6, 5, 3)": [lambda x: tm.flip(x, 0) * x],
    "slice -> float64(3, 5, 3)": [lambda x: x[::2] @ np.ones((3, 2))],
    "max -> float64(5, 3)": [lambda x: tm.max(x, axis=0) * 2.0],
    "concatenate -> ": [lambda x: tm.concatenate([x, x], axis=0) @ np.ones((3, 2))],
}


@pytest.mark.parametrize("reason", MIXERS)
def test_what_mixes_the_tasks_is_run_whole_and_says_so(reason):
    (f,) = MIXERS[reason]
    assert reason in split(lowered(f, X))
    np.testing.assert_allclose(tm.jit(f)(X).numpy(), f(tm.asarray(X)).numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tm.tanh(x @ np.ones((3, 3))).sum(),
        lambda x: tm.exp(tm.reshape(x, (T, -1)) * np.arange(15.0)).sum(1),
        lambda x: (tm.softmax(x, -1)[:, 1:] * tm.flip(x[:, 1:], 1)).sum((0, 2)),
        lambda x: tm.concatenate([x, tm.square(x)], axis=1) * np.arange(6.0)[:, None, None],
        lambda x: tm.pad(tm.reshape(x, (T * 5, 3)), [(0, 0), (1, 0)]) * 2.0 + 1.0,
    ],
    ids=["sum", "each", "places", "constants", "rows"],
)
@pytest.mark.parametrize("chunks", [2, 4])
def test_what_does_not_is_split(f, chunks):
    expected = f(tm.asarray(X)).numpy()
    _, (found,) = in_chunks(lambda x: f(tm.tanh(x)), (np.arctanh(np.tanh(X)),), chunks)
    np.testing.assert_allclose(found, f(tm.tanh(X)).numpy(), rtol=1e-9)
    assert found.shape == expected.shape


def test_chunks_are_a_power_of_two_whatever_the_threads():
    """From shapes alone; groups of them depend on threads, and no bit depends on groups."""
    program = lowered(meta_step, *cast(np.float32))
    found = split(program)
    assert chunk_count(found) == 1  # too little work
    for limit, count in ((1e9, 1), (most_live_bytes(found) / 2.5, 4), (1e3, 8)):
        with patch.object(count_module, "CHUNK_BYTES", limit):
            assert chunk_count(found) == count
    assert chunk_bounds(6, 8) == [0, 0, 1, 2, 3, 3, 4, 5, 6]
    assert [group_count(32, threads) for threads in (1, 2, 3, 16)] == [1, 8, 16, 32]


@pytest.mark.parametrize("cores", [1, 2, 3, 4])
def test_a_result_has_the_same_bits_on_any_number_of_cores(cores):
    """As `jit` builds it, at a size that is split by itself."""
    net = nn.mlp(1, 40, 40, 1)
    params = net.init(np.random.default_rng(0))
    tasks = tm.data.Sinusoids().sample(np.random.default_rng(0), tasks=25, shot=10, query=10)
    method = tm.meta.maml(net, tm.losses.mse, lr=0.01, steps=2)
    found = []
    for count in (1, cores):
        with patch.object(chunks_module, "cores", lambda count=count: count):
            compiled = tm.jit(method.meta_grad)
            found.append(compiled(params, tasks))
            (program,) = compiled.programs.values()
        assert isinstance(program.replay, ChunkedReplay) and program.replay.threads == count
    for a, b in zip(*map(tm.tree.leaves, found), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


class Emptied(list):
    """A list that looks full, and whose last element another thread takes first."""

    __bool__ = lambda self: True


@pytest.mark.parametrize("step, dtype", STEPS[::2])
def test_another_thread_may_take_the_last_arena_or_buffers(step, dtype):
    args = cast(dtype, step)
    with compiled_if(step):
        parallel, expected = in_chunks(step, args, 2)
    runs = [parallel.before, parallel.after, *parallel.chunks.values()]
    parallel.idle_buffers = Emptied()
    for run in filter(None, runs):
        run.arenas = Emptied()
    for a, b in zip(parallel(arrays(*args)), expected, strict=True):
        assert a.tobytes() == b.tobytes()


# ---- the workers --------------------------------------------------------------------------------


def test_a_pool_runs_a_function_on_each_and_again():
    pool, met = ThreadPool(), []
    for _ in range(3):
        barrier = threading.Barrier(3, timeout=600)

        def work():
            barrier.wait()  # all three are here at once
            met.append(threading.get_ident())

        pool.run_on_each(work, 3)
    assert len(met) == 9 and len(set(met)) == 3


def test_a_call_that_finds_the_pool_busy_runs_alone():
    pool, inside = ThreadPool(), []

    def work():
        pool.run_on_each(lambda: inside.append(threading.get_ident()), 2)

    pool.run_on_each(work, 1)
    pool.busy.acquire()
    pool.run_on_each(work, 2)
    assert len(inside) == 3 and pool.busy.locked()


def test_an_error_in_a_chunk_is_raised_here(monkeypatch):
    program = lowered(meta_step, PARAMS, TASKS)
    with without_compiling():
        parallel = ChunkedReplay(split(program), 2, [0, T // 2, T])
    for size in parallel.chunks:
        parallel.chunks[size] = lambda arrays: 1 / 0
    with pytest.raises(ZeroDivisionError):
        parallel(arrays(PARAMS, TASKS))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_fork_has_workers_of_its_own():
    pool = ThreadPool()
    pool.run_on_each(lambda: None, 2)
    child = os.fork()
    if not child:
        met = []
        pool.run_on_each(lambda: met.append(1), 2)
        os._exit(0 if len(met) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
