"""A product runs on a kernel of ours, or on BLAS where that has threads or blocks for the cache."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit.lower import lower
from tinymeta.jit.replay import Replay
from tinymeta.jit.simplify import simplify
from tinymeta.jit.step_kernels import BEYOND_CACHE, FOR_BLAS
from tinymeta.jit.trace import Traced

rng = np.random.default_rng(0)
SUM = int(BEYOND_CACHE / (48 + 8)) + 1  # rows from which x^T y of 48 and 8 columns is large
assert 48 * 8 * SUM * 3 / 4 > FOR_BLAS


@pytest.mark.parametrize(
    "rows, blas_threads, kind",
    [
        (100, 0, "products"),
        (100, 2, "products"),
        (SUM, 0, "products"),
        (SUM, 1, "BLAS"),
        (3 * SUM // 4, 1, "products"),
        (3 * SUM // 4, 2, "BLAS"),
    ],
)
def test_large_products_go_to_blas(rows, blas_threads, kind):
    x, y = (rng.normal(size=(rows, n)).astype(np.float32) for n in (48, 8))
    program = lower(simplify(Traced(lambda x, y: tm.transpose(x) @ y, (x, y), {}).program))
    replay = Replay(program, blas_threads=blas_threads)
    assert set(replay.kinds) == {kind}
    (found,) = replay([x, y])
    np.testing.assert_allclose(found, x.T.astype(np.float64) @ y, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("tasks", [(), (1,), (3,)])
@pytest.mark.parametrize("rows, count", [(2, 2), (40, 10), (37, 1300)])
def test_one_column_of_a_transpose_is_computed_as_a_row(tasks, rows, count):
    """Its kernel is told to compute one row, and its numbers have the bits of any other column."""
    x = rng.normal(size=(*tasks, count, rows)).astype(np.float32)
    y = rng.normal(size=(*tasks, count, 2)).astype(np.float32)
    replay, both = (
        Replay(lower(simplify(Traced(lambda x, y: x.mT @ y, (x, y), {}).program)))
        for y in (y[..., :1], y)
    )
    sizes = replay.args.tolist()[4:8]
    assert sizes[1:] == [1, rows, count] and replay.kinds == ["products"]
    found, expected = replay([x, y[..., :1]])[0], both([x, y])[0]
    assert found.shape == (*tasks, rows, 1)
    assert found.tobytes() == expected[..., :1].tobytes()
