"""Steps of a program that is run whole, in pieces for threads: the same bits on any number."""

from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit import pieces
from tinymeta.jit.chunks import build_replay
from tinymeta.jit.compile import run_passes
from tinymeta.jit.replay import Replay
from tinymeta.jit.stretches import Stretch
from tinymeta.jit.trace import Traced
from tinymeta.testing.compiled import all_large
from tinymeta.testing.interpreted import without_compiling

rng = np.random.default_rng(0)


def simplified(f, *args):
    *_, (_, program) = run_passes(Traced(f, args, {}).program)
    return program


def prototypical_step(filters, way, query, size=28):
    """(gradient of one episode, its arguments): batch norm and max pooling, 1-shot."""
    model = tm.nn.conv4(None, pool="max", head="flatten", scale=True, filters=filters)
    method = tm.meta.prototypical(model, way=way)

    def batch(count):
        x = rng.random((1, way * count, size, size, 1), dtype=np.float32)
        return tm.Batch(x, np.tile(np.arange(way), (1, count)))

    params = tm.tree.map(tm.tensor, model.init(rng))
    return lambda p, d: method.meta_grad(p, d)[1], (params, tm.Tasks(batch(1), batch(query)))


def sums_of_all_kinds(x):
    """Along the outermost axis, along others, along all, and something of each number."""
    y = tm.tanh(x)
    return y, y.sum(0), y.sum(1), y.sum(), (x * y).max(1), y @ tm.swapaxes(y[:7], -1, -2)


def leaves_of(args):
    return [np.asarray(x) for x in tm.tree.leaves(args)]


@pytest.mark.parametrize("dtype, close", [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("compiled", [False, True])
def test_any_number_of_threads_gives_the_same_bits(dtype, close, compiled):
    x = rng.normal(size=(67, 5)).astype(dtype)
    program = simplified(sums_of_all_kinds, x)
    with nullcontext() if compiled else without_compiling():
        expected = Replay(program)([x])
        with all_large():
            one, *others = (Replay(program, threads=threads) for threads in (1, 2, 3))
        assert sum(cut.pieces > 1 for cut in one.cuts) >= 2
        first = one([x])
        for y, wanted in zip(first, expected, strict=True):
            np.testing.assert_allclose(y, wanted, rtol=close, atol=close * 67)
        for replay in others * 5:
            assert all(a.tobytes() == b.tobytes() for a, b in zip(replay([x]), first, strict=True))


def test_a_convolutional_step_in_pieces():
    """Windows in blocks, their weights in partial sums, places of maxima, scattered gradients."""
    step, args = prototypical_step(filters=4, way=3, query=2, size=16)
    program = simplified(step, *args)
    arrays = leaves_of(args)
    expected = Replay(program)(arrays)
    with patch.multiple(pieces, LEAST_SECONDS=1e-30, LEAST_ROWS=1, ROWS_OF_A_SUM=1):
        one, two = (Replay(program, threads=threads) for threads in (1, 2))
    first = one(arrays)
    for y, wanted in zip(first, expected, strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    for _ in range(5):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(two(arrays), first, strict=True))


def test_what_a_batch_norm_mixes_is_cut_step_by_step():
    """One episode has no tasks to split, and its examples meet in each batch norm."""
    step, args = prototypical_step(filters=32, way=20, query=5)
    with without_compiling():
        replay, execution = build_replay(simplified(step, *args), threads=2)
    assert not execution.chunks and "steps in pieces" in execution.how
    large = [s for s in replay.steps if sum(y.nbytes for y in s.results) > 2**20]
    cut = [s for s, how in zip(replay.steps, replay.cuts) if how.pieces > 1]
    assert len(large) == 15 and {*map(id, large)} <= {*map(id, cut)}
    products = [how.pieces for kind, how in zip(replay.kinds, replay.cuts) if kind == "products"]
    assert min(sorted(products)[len(products) // 4 :]) > 1
    (stretch,) = replay.schedule
    assert stretch.is_shared and len(stretch.pieces) > 4 * len(cut)


def test_single_kernels_go_together_and_pieces_wait_for_all_before():
    stretch = Stretch(0)
    for count in (1, 1, 1, 4, 1, 4):
        stretch.add(count)
    fours = [
        [(k, k + 1, needs) for k in range(first, first + 4)] for first, needs in ((3, 1), (8, 6))
    ]
    assert stretch.pieces == [(0, 3, 0), *fours[0], (7, 8, 5), *fours[1]]
    assert stretch.is_shared and stretch.last == 12


def test_a_chunk_of_tasks_is_not_cut():
    x = np.ones((4, 400, 400), np.float32)
    with without_compiling():
        replay, execution = build_replay(simplified(lambda x: tm.exp(x).sum(), x), threads=2)
    assert execution.chunks > 1
    assert all(how.pieces == 1 for chunk in replay.chunks.values() for how in chunk.cuts)
