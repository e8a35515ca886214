"""What a call costs besides its kernels, counted: Python calls, bytes copied, bytes of memory."""

import sys
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit import outside, replay, tree_sum
from tinymeta.jit.chunks import ChunkedReplay
from tinymeta.jit.compile import compile_for

chunks_module = import_module("tinymeta.jit.chunks")
rng = np.random.default_rng(0)


def compiled(f, *args):
    """The split program's replay; its kernels are named and not compiled."""
    stand_in = SimpleNamespace(address=0)
    with (
        patch.object(replay, "load_or_compile", lambda source: stand_in),
        patch.object(replay, "second_process", nullcontext),
        patch.object(tree_sum, "load_or_compile", lambda source: stand_in),
    ):
        found = compile_for(f, args, {}).replay
    assert isinstance(found, ChunkedReplay) and not found.calls_python
    return found


@contextmanager
def always_in_chunks():
    with (
        patch.object(chunks_module, "WORTH_SPLITTING", 0.0),
        patch.object(chunks_module, "chunk_count", lambda found: 4),
    ):
        yield


def tables_of(found):
    return found.idle_buffers[0].tables


def float32(*shape):
    return rng.normal(size=shape).astype(np.float32)


def python_calls(f):
    """How many functions, of Python or of C, a call of f calls."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        f()
    finally:
        sys.setprofile(None)
    return count


def calls_with(leaves):
    """The functions that a call of a compiled update calls, with so many parameters."""
    params = [{"w": float32(3)} for _ in range(leaves)]
    tasks = float32(8, 3)

    def loss(params, tasks):
        return sum(tm.sum(tm.tanh(tasks * p["w"])) for p in params)

    update = tm.jit(tm.value_and_grad(loss))
    with always_in_chunks():
        update(params, tasks)
    (program,) = update.programs.values()
    assert isinstance(program.replay, ChunkedReplay)
    return python_calls(lambda: update(params, tasks))


def test_a_call_takes_few_python_calls_for_each_leaf():
    """A leaf comes in, is copied in, out, and goes out; with it the dict that it is in."""
    few, many = calls_with(4), calls_with(24)
    assert 0 < (many - few) / 20 < 18
    assert few < 170


@pytest.mark.parametrize("steps, chunks, products, kernels", [(1, 4, 23, 66), (5, 16, 91, 262)])
def test_the_small_meta_gradient_is_few_kernels(steps, chunks, products, kernels):
    """Of 25 tasks of 10 + 10 points by a net 1-40-40-1: most of its cost is that of its calls."""
    model = tm.nn.mlp(1, 40, 40, 1)
    tasks = tm.data.Sinusoids().sample(rng, tasks=25, shot=10, query=10)
    meta_grad = tm.meta.maml(model, tm.losses.mse, lr=0.01, steps=steps).meta_grad
    found = compiled(meta_grad, model.init(rng), tasks)
    assert len(found.bounds) - 1 == chunks and found.before is None
    for chunk in found.chunks.values():
        assert chunk.kinds.count("products") <= products
        assert len(chunk.kernels) <= kernels
    assert tables_of(found).copied_in < 200_000


def test_an_update_in_chunks_copies_no_large_array():
    """Adam, whose rows are "tasks" to the split, as all arrays have as many."""
    optimizer = tm.optim.adam(1e-2)
    params = [float32(32, 20_000) for _ in range(3)]
    grads = [float32(*p.shape) for p in params]
    tables = tables_of(compiled(optimizer.update, grads, optimizer.init(params), params))
    assert tables.copied_in + tables.copied_out < 10_000
    assert tables.arena_size < 10_000


def dense_step(tasks):
    """(a meta-gradient of a net of 260,000 parameters, its arguments)"""
    model = tm.nn.mlp(250, 500, 260, 5)
    x, y = float32(2, tasks, 10, 250), np.tile(np.arange(5), (tasks, 2))
    batches = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    return tm.meta.maml(model, lr=0.1).meta_grad, model.init(rng), batches


def test_no_group_of_chunks_copies_large_parameters():
    f, params, tasks = dense_step(8)
    sizes = [a.nbytes for a in tm.tree.leaves(params)]
    tables = tables_of(compiled(f, params, tasks))
    assert max(sizes) > outside.OUTSIDE
    small = sum(size for size in sizes if size < outside.OUTSIDE)
    rows = sum(np.asarray(a).nbytes for a in tm.tree.leaves(tasks))
    assert tables.copied_in < 8 * small + 3 * rows


def held(tasks):
    """(bytes of a thread's arena and of rows of sums, of tables and small copies of arrays)"""
    layers = [tm.nn.Conv2d(1, 48), tm.tanh, tm.nn.GlobalAveragePooling(), tm.nn.Dense(48, 4)]
    model = tm.nn.Sequential(*layers)
    y = np.tile(np.arange(4), (tasks, 1))
    batch = tm.Batch(float32(tasks, 4, 28, 28, 1), y)
    f = tm.meta.maml(model, lr=0.1).meta_grad
    buffers = compiled(f, model.init(rng), tm.Tasks(batch, batch)).idle_buffers[0]
    rows = sum(table.rows.nbytes for table in buffers.sums)
    small = sum(array.nbytes for array in buffers.call.arrays if array is not None)
    return buffers.tables.arena_size + rows, small + buffers.tables.table_bytes


def test_memory_does_not_grow_with_the_tasks():
    """The tasks of an update are taken a few at a time, their gradients added along one tree."""
    arenas, others = zip(*[held(tasks) for tasks in (4, 32, 512)])
    assert arenas[0] > 1e6
    assert max(arenas) < 1.05 * min(arenas)
    assert others[-1] / 512 < 2_000


@pytest.mark.parametrize("large", [True, False])
def test_a_call_holds_no_array_of_the_caller(large):
    size = 20_000 if large else 20
    f = tm.jit(lambda x, w: (tm.tanh(x * w), tm.sum(tm.exp(x), 0)))
    x, w = float32(8, size), float32(size)
    with always_in_chunks():
        first = f(x, w)
    (program,) = f.programs.values()
    assert isinstance(program.replay, ChunkedReplay)
    before = [sys.getrefcount(a) for a in (x, w)]
    kept = [np.array(y) for y in first]
    second = f(2 * x, w)
    assert [sys.getrefcount(a) for a in (x, w)] == before
    for y, was, other in zip(first, kept, second):
        np.testing.assert_array_equal(np.asarray(y), was)
        assert not np.shares_memory(np.asarray(y), np.asarray(other))
