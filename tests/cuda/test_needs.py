"""Launches of a graph come after those they need: whatever order that allows, the bits are one."""

import numpy as np
import pytest
from test_graph import small_meta_gradient

import tinymeta as tm
from tinymeta.cuda import driver
from tinymeta.cuda.context import NOT_SUPPORTED, DriverError
from tinymeta.jit import graph
from tinymeta.jit.fuse import Step
from tinymeta.jit.step_order import needs_of, needs_of_launches

F32 = np.float32


def branches(x):
    """Products of which some need one another; their places in the arena are used again."""
    a, b = x @ x, tm.transpose(x) @ x
    c, d = tm.tanh(a) @ b, a @ tm.exp(-tm.square(b))
    return (c + d) @ a, (c @ d).sum(0)


def inputs(seed):
    return np.random.default_rng(seed).normal(size=(24, 24)) / 10


# ---- who needs whom ------------------------------------------------------------------------------


class Value:
    """All that is asked of a value."""

    nbytes = 64


def steps_of(*parts):
    """Steps of (reads, stores)."""
    return [Step(tuple(stores), tuple(reads), None) for reads, stores in parts]


def test_a_value_is_read_after_it_is_stored_and_overwritten_after_it_is_read():
    v0, v1, v2, v3, v4 = (Value() for _ in range(5))
    steps = steps_of(([v0], [v1]), ([v0], [v2]), ([v1], [v3]), ([v3, v2], [v4]))
    apart = {v0: 0, v1: 64, v2: 128, v3: 192, v4: 256}
    assert needs_of(steps, apart) == [(), (), (0,), (1, 2)]
    assert needs_of(steps[:3], {**apart, v3: 96}) == [(), (), (0, 1)], "over a half of each"


def test_one_that_nobody_reads_is_overwritten_after_it_is_stored():
    v0, v1, v2 = (Value() for _ in range(3))
    steps = steps_of(([v0], [v1]), ([v0], [v2]))
    assert needs_of(steps, {v0: 0, v1: 64, v2: 64}) == [(), (0,)]


def test_launches_of_a_step_follow_one_another_and_none_passes_its_needs_on():
    assert needs_of_launches([(), (), (0, 1), (2,)], [2, 1, 0, 2]) == [(), (0,), (), (1, 2), (3,)]


# ---- in a graph ----------------------------------------------------------------------------------


@pytest.mark.cuda
@pytest.mark.ptx_run
def test_every_order_gives_the_same_bits():
    """On the emulated GPU a graph runs in another order each time that it is launched."""
    with tm.device("cuda"):
        compiled = tm.jit(branches)
        expected = [tm.tree.map(np.asarray, tm.jit(branches)(inputs(k))) for k in range(2)]
        for k in [0, 1] * 4:  # what another call has left behind is wrong here
            for a, b in zip(compiled(inputs(k)), expected[k]):
                np.testing.assert_array_equal(a.numpy(), b)
    for a, b in zip(expected[0], branches(inputs(0))):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-12)
    (program,) = compiled.programs.values()
    needs = program.replay.needs
    assert any(k - 1 not in needed for k, needed in enumerate(needs) if k), "it is a chain"


@pytest.mark.ptx_run
def test_a_meta_gradient_in_other_orders(gpu):
    method, params, tasks = small_meta_gradient()
    with tm.device("cuda"):
        compiled = tm.jit(method.meta_grad)
        compiled.prepare(params, tasks)
        results = []
        for _ in range(3):
            results.append([np.asarray(g.numpy()) for g in tm.tree.leaves(compiled(params, tasks))])
    for found in results[1:]:
        for a, b in zip(found, results[0]):
            np.testing.assert_array_equal(a, b)


@pytest.mark.ptx_run
def test_a_need_that_is_missing_is_noticed(gpu, monkeypatch):
    """Of all needs each is left out once: then some order gives other bits."""
    with tm.device("cuda"):
        right = tm.jit(branches)
        expected = [tm.tree.map(np.asarray, right(inputs(k))) for k in range(2)]
        (program,) = right.programs.values()
        needs = program.replay.needs
        missing = [(k, j) for k, needed in enumerate(needs) for j in needed][:6]
        for k, j in missing:
            without = [tuple(n for n in of if (i, n) != (k, j)) for i, of in enumerate(needs)]
            monkeypatch.setattr(graph, "needs_of_launches", lambda *given, w=without: w)
            wrong = tm.jit(branches)
            wrong.prepare(inputs(0))
            found = [not same(wrong(inputs(n % 2)), expected[n % 2]) for n in range(24)]
            assert any(found), f"launch {k} does not come after {j}"
    gpu.faults()  # some read what nobody has written


def same(found, expected):
    pairs = zip(tm.tree.leaves(found), tm.tree.leaves(expected))
    return all(np.array_equal(a.numpy(), b) for a, b in pairs)


@pytest.mark.ptx_run
def test_a_driver_that_cannot_be_told_runs_them_in_their_order(monkeypatch):
    context = driver.current().context
    function = context.function

    def older(name):
        if name == "cuStreamUpdateCaptureDependencies":
            raise DriverError("too old", NOT_SUPPORTED)
        return function(name)

    monkeypatch.setattr(context, "function", older)
    with tm.device("cuda"):
        compiled = tm.jit(branches)
        found = compiled(inputs(0))
    for a, b in zip(found, branches(inputs(0))):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert all(p.replay.graph for p in compiled.programs.values())
