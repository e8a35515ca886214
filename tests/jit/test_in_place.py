"""Large inputs are read, and large outputs written, where the caller has them: bytes counted."""

import threading
from importlib import import_module
from unittest.mock import patch

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit.replay import Replay
from tinymeta.testing.interpreted import without_compiling

outside = import_module("tinymeta.jit.outside")
rng = np.random.default_rng(0)


def adam_update():
    """(an update of 450,000 parameters in arrays that no split has in common, its arguments)"""
    optimizer = tm.optim.adam(1e-2)
    params = [rng.normal(size=(300 + k, 500)).astype(np.float32) for k in range(3)]
    grads = [rng.normal(size=p.shape).astype(np.float32) for p in params]
    return optimizer.update, (grads, optimizer.init(params), params)


def test_an_update_of_large_parameters_copies_none():
    update, args = adam_update()
    compiled = tm.jit(update)
    with without_compiling():
        compiled.prepare(*args)
    (program,) = compiled.programs.values()
    replay = program.replay
    assert isinstance(replay, Replay)
    outside = replay.memory.outside
    copied = [x for x in (*replay.program.inputs, *replay.program.outputs) if x not in outside]
    assert sum(x.nbytes for x in outside) > 8e6
    assert sum(x.nbytes for x in copied) < 100
    assert replay.memory.size < 10_000


@pytest.fixture
def everything_stays_outside(monkeypatch):
    monkeypatch.setattr(outside, "OUTSIDE", 1)


def both(x, y):
    """Outputs of all kinds: computed, one twice, a view of one, an input, a view of an input."""
    total = tm.tanh(x) + y
    product = x @ y.T
    return total, product, total, total.T, x, y.T, tm.sum(product, 0), tm.tensor(3.0)


def eager(x, y):
    return [np.array(v) for v in both(tm.tensor(x), tm.tensor(y))]


def layouts(x):
    """An array in memory as it may come: dense, turned, every other one, not aligned, read-only."""
    spaced = np.empty((2 * len(x), *x.shape[1:]), x.dtype)[::2]
    moved = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    for array in (spaced, moved):
        array[...] = x
    read_only = x.copy()
    read_only.setflags(write=False)
    return [x, np.asfortranarray(x), spaced, moved, read_only]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_new_and_arguments_as_they_were(everything_stays_outside, dtype):
    compiled = tm.jit(both)
    x, y = rng.normal(size=(2, 5, 6)).astype(dtype)
    kept = []
    for k in range(5):
        a, b = layouts(x + k)[k], layouts(y - k)[-k]
        before = a.copy(), b.copy()
        results = [np.asarray(v) for v in compiled(a, b)]
        np.testing.assert_array_equal(a, before[0])
        np.testing.assert_array_equal(b, before[1])
        for i, result in enumerate(results):
            others = [a, b, *results[:i]]
            assert not any(np.shares_memory(result, other) for other in others)
        kept.append((results, eager(a, b)))
    for results, expected in kept:  # no later call has changed them
        for result, right in zip(results, expected):
            np.testing.assert_allclose(result, right, rtol=1e-5, atol=1e-6)


def test_threads_share_a_program_and_not_its_places(everything_stays_outside):
    compiled = tm.jit(both)
    x, y = rng.normal(size=(2, 40, 60))
    compiled.prepare(x, y)
    wrong = []

    def work(k):
        expected = eager(x * k, y)
        for _ in range(20):
            for result, right in zip(compiled(x * k, y), expected):
                if not np.allclose(np.asarray(result), right):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nothing_of_a_call_is_kept(everything_stays_outside):
    compiled = tm.jit(both)
    compiled(*rng.normal(size=(2, 5, 6)))
    (program,) = compiled.programs.values()
    assert program.replay.memory.outside
    assert all(not arena.outside for arena in program.replay.arenas)


def test_a_split_program_agrees_with_everything_outside(everything_stays_outside):
    model = tm.nn.conv4(3, filters=4)
    method = tm.meta.maml(model, lr=0.1)
    params = tm.tree.map(tm.tensor, model.init(rng))
    x = rng.normal(size=(2, 2, 3, 28, 28, 1)).astype(np.float32)
    y = np.tile(np.arange(3), (2, 1))
    tasks = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    with patch.object(outside, "OUTSIDE", 1e12):
        expected = tm.jit(method.meta_grad)(params, tasks)
    found = tm.jit(method.meta_grad)(params, tasks)
    for a, b in zip(tm.tree.leaves(found), tm.tree.leaves(expected)):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
