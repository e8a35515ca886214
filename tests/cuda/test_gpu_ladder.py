"""The rungs of examples/gpu_ladder.py: each gives the product, with fewer instructions."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tinymeta.cuda import allocate, driver, move, product, tiling
from tinymeta.cuda.target import SIMULATED
from tinymeta.ptx import model

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "examples"))
import gpu_ladder

rng = np.random.default_rng(0)


@pytest.mark.cuda
@pytest.mark.ptx_run
@pytest.mark.parametrize("name", gpu_ladder.RUNGS)
def test_a_rung_gives_the_product(name):
    (m, n, k) = (9, 7, 5) if SIMULATED else (130, 70, 35)
    a, b = rng.normal(size=(m, k)), rng.normal(size=(k, n))
    x, y = (move(matrix.astype(np.float32), "cuda") for matrix in (a, b))
    out = allocate((m, n), np.float32)
    gpu_ladder.RUNGS[name](out, x, y)
    tolerance = 10 * gpu_ladder.TOLERANCE.get(name, 1e-5)
    np.testing.assert_allclose(move(out, "cpu"), a @ b, rtol=1e-4, atol=tolerance)


@pytest.mark.ptx_run
def test_each_rung_takes_fewer_instructions(gpu, monkeypatch):
    x, y = (move(np.ones((256, 256), np.float32), "cuda") for _ in range(2))
    out, counts = allocate((256, 256), np.float32), []
    # Those of a product of larger matrices.
    tiles = {"float32": tiling.TILES["float32"][0], "tf32": tiling.BY_WARP[1]}
    monkeypatch.setattr(product, "best_cut", lambda *of: tiling.Cut(tiles[of[-1]], 1, 256))
    for rung in gpu_ladder.RUNGS.values():
        driver.current().synchronize()
        gpu.forget_statistics()
        rung(out, x, y)
        driver.current().synchronize()
        counts.append(gpu.statistics()[0])
    issued = [model.issued(found) / 256**3 for found in counts]
    assert issued == sorted(issued, reverse=True), issued
    loaded = [found.counts["bytes loaded"] for found in counts]
    assert loaded[0] > loaded[1] > loaded[2], loaded


@pytest.mark.cuda
def test_the_example_runs(capsys):
    gpu_ladder.main(["--size", "9"])
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == [
        *gpu_ladder.RUNGS
    ]
