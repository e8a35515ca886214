"""Work with large images: no matrix of windows is stored, results lie over operands. Bytes counted.

What a block, and a span, of another size than usual would get wrong is compared with the whole.
"""

from contextlib import contextmanager
from importlib import import_module
from unittest.mock import patch

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cpu import window_blocks
from tinymeta.jit.compile import run_passes
from tinymeta.jit.replay import Replay
from tinymeta.jit.split import split
from tinymeta.jit.trace import Traced
from tinymeta.testing.interpreted import without_compiling

memory_module, sliding, window_rows = (
    import_module(f"tinymeta.jit.{name}") for name in ("memory", "sliding", "window_rows")
)
rng = np.random.default_rng(0)


def simplified(f, *args):
    *_, (_, program) = run_passes(Traced(f, args, {}).program)
    return program


# ---- windows in blocks ---------------------------------------------------------------------------

GEOMETRIES = {
    "same": dict(stride=1, padding="same"),
    "strided": dict(stride=(2, 3), padding="same"),
    "valid": dict(stride=1, padding="valid"),
    "padded beyond the image": dict(stride=1, padding=((6, 0), (1, 7))),
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("tasks, channels, outputs", [(1, 3, 5), (2, 1, 17)])
def test_products_in_blocks_are_those_of_stored_windows(geometry, tasks, channels, outputs):
    """All three, of both orders of derivative; the blocks are of 7 rows, which nothing divides."""
    x = rng.normal(size=(tasks, 2, 6, 5, channels)).astype(np.float32)
    w = rng.normal(size=(tasks, 3, 2, channels, outputs)).astype(np.float32)

    def loss(w, x):
        return tm.square(tm.conv2d(tm.tanh(x), w, **GEOMETRIES[geometry])).sum()

    def f(w, x):
        first = lambda w, x: tm.grad(loss, (0, 1))(w, x)
        size = lambda w, x: sum(tm.square(g).sum() for g in first(w, x))
        return *first(w, x), *tm.grad(size, (0, 1))(w, x)

    program = simplified(f, w, x)
    with patch.object(window_rows, "LARGE", 1e9):
        stored = Replay(program)
    with patch.object(window_rows, "LARGE", -1), patch.object(window_blocks, "LEAST_ROWS", 7):
        with patch.object(window_blocks, "BLOCK_BYTES", 0):
            blocks = Replay(program)
    ops = lambda replay: {step.results[0].op for step in replay.steps}
    assert "to_cols" in ops(stored) and {*window_rows.BLOCKED} <= ops(blocks)
    assert not {"to_cols", "from_cols"} & ops(blocks)
    for a, b in zip(stored([w, x]), blocks([w, x])):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4 * np.abs(a).max())


def test_windows_that_something_else_reads_are_stored():
    x, w = np.ones((1, 1, 8, 8, 1), np.float32), np.ones((1, 3, 3, 1, 4), np.float32)
    program = simplified(lambda x, w: tm.conv2d(x, w), x, w)
    (windows,) = [eqn for eqn in program.equations if eqn.op == "to_cols"]
    returned = program._replace(outputs=(*program.outputs, windows))
    with patch.object(window_rows, "LARGE", -1):
        for each, stored in ((program, False), (returned, True)):
            found = {eqn.op for eqn in window_rows.without_large_windows(each).equations}
            assert ("to_cols" in found) == stored


# ---- results over operands -----------------------------------------------------------------------


def elementwise(x, w):
    """Loops whose operands die, one that reads its operand turned, one with two results."""
    x = x @ w
    y = tm.exp(tm.sin(x) @ w)
    z = tm.tanh(tm.sin(y @ w).T)
    return (z @ w) * 2.0 + w[:1], tm.sum(z)


@contextmanager
def small_spans():
    """Replays that are made in this block slide what has more than 4 KB."""
    with (
        patch.object(memory_module, "SPAN", 1024),
        patch.object(sliding, "SPAN", 1024),
        patch.object(sliding, "WORTH_SLIDING", 4096),
    ):
        yield


def test_a_result_that_slides_over_its_operand():
    x, w = (rng.normal(size=(96, 96)) / 10 for _ in range(2))
    program = simplified(elementwise, x, w)
    whole = Replay(program)
    assert not whole.memory.slides
    with small_spans():
        sliding_replay = Replay(program)
    assert sliding_replay.memory.slides
    assert len(sliding_replay.kernels) > len(whole.kernels) + 50
    for a, b in zip(whole([x, w]), sliding_replay([x, w])):
        np.testing.assert_array_equal(a, b)


def test_it_is_noticed_if_a_result_slides_over_what_is_read_elsewhere():
    """Which random steps hardly ever do (testing/run_faults.py)."""
    x, w = (rng.normal(size=(96, 96)) / 10 for _ in range(2))
    program = simplified(elementwise, x, w)
    wrong = lambda kernel, x, y: x.nbytes == y.nbytes
    with small_spans(), patch.object(sliding, "_reads_as_it_writes", wrong):
        found, _ = Replay(program)([x, w])
    expected, _ = Replay(program)([x, w])
    assert not np.array_equal(found, expected)


def test_only_what_is_written_over_an_operand_overlaps():
    with small_spans(), patch.object(memory_module, "WORTH_PACKING", 0):
        memory = Replay(simplified(elementwise, *np.ones((2, 96, 96)))).memory
    blocks = [(begin, begin + x.nbytes, x) for x, begin in memory.offsets.items()]
    for i, (a, b, x) in enumerate(blocks):
        for c, d, y in blocks[:i]:
            (first, last), (other_first, other_last) = memory.lifetimes[x], memory.lifetimes[y]
            if a < d and c < b and first <= other_last and other_first <= last:
                pair = (x, y) if memory.slides.get(x) is y else (y, x)
                assert memory.slides.get(pair[0]) is pair[1]
                assert memory.offsets[pair[0]] == memory.offsets[pair[1]] - 1024


# ---- bytes ---------------------------------------------------------------------------------------


def chunk_of_large_images(shot, steps):
    """A task of 84 x 84 images, 5-way with 15 queries, Conv-4 with 32 filters and max pooling."""
    model = tm.nn.conv4(5, filters=32, channels=3, size=84, pool="max")
    method = tm.meta.maml(model, lr=0.1, steps=steps)
    batches = []
    for count in (5 * shot, 75):
        x = np.zeros((4, count, 84, 84, 3), np.float32)
        batches.append(tm.Batch(x, np.zeros((4, count), np.int64)))
    program = simplified(method.meta_grad, model.init(rng), tm.Tasks(*batches))
    with without_compiling():
        return Replay(split(program).chunk(1))


@pytest.mark.parametrize("shot, steps, most", [(1, 1, 200e6), (5, 1, 270e6), (1, 5, 270e6)])
def test_memory_of_a_task_of_large_images(shot, steps, most):
    chunk = chunk_of_large_images(shot, steps)
    assert chunk.memory.size < most
    windows = [x for x in chunk.memory.offsets if x.op in ("to_cols", "from_cols")]
    assert all(x.nbytes <= window_blocks.BLOCK_BYTES for x in windows)
    assert not [x for x in chunk.memory.offsets if x.op == "matmul" and x.nbytes > 1e6]
    assert chunk.memory.slides


def test_what_is_stored_is_named():
    x, w = np.ones((64, 32), np.float32), np.ones((32, 512), np.float32)
    found = tm.explain(lambda x, w: tm.sum(tm.tanh(x @ w) @ tm.tanh(x @ w).T), x, w)
    first, *lines = found.largest().splitlines()
    assert "matmul float32(64, 512)" in found.largest() and "131,072" in found.largest()
    living = list(found.replay.memory.offsets)
    assert 0 < int(first.split()[2].replace(",", "")) <= sum(x.nbytes for x in living)
    sizes = [int(line.split()[1].replace(",", "")) for line in lines]
    assert sizes == sorted(sizes, reverse=True) and "== largest values" in found.text()
