"""What the emulated GPU counts; and how many instructions our products take, which must not grow.

The counts are exact and the same on every machine, for one version of Numba's compiler; the bounds
leave a tenth for others.
"""

import numpy as np
import pytest
from test_ptx_instructions import KERNEL, Written

from benchmarks import gpu_model
from tinymeta.cuda import allocate, conv, driver, matmul, move, product, tiling
from tinymeta.cuda.sharing import Tile
from tinymeta.ops.conv import geometry_of
from tinymeta.ptx import compiler, emulator, kinds, model
from tinymeta.ptx.counting import emulated_gpu

pytestmark = pytest.mark.ptx_run
F32 = np.float32
ADD = KERNEL.format(kind="f32", result="f32", size=4, out_size=4, code="add.f32 %c0, %a0, %a1;")
HALF = "setp.lt.u32 %p0, %r0, 4; mov.f32 %c0, %a0; @%p0 add.f32 %c0, %a0, %a1;"
IN_HALF = KERNEL.format(kind="f32", result="f32", size=4, out_size=4, code=HALF)
LOOP = """mov.u32 %r1, 0; mov.f32 %c0, %a0;
    again: fma.rn.f32 %c0, %a0, %a1, %c0; add.u32 %r1, %r1, 1; setp.lt.u32 %p0, %r1, 5;
    @%p0 bra again;"""
FIVE_TIMES = KERNEL.format(kind="f32", result="f32", size=4, out_size=4, code=LOOP)


def counted(gpu, run):
    """What the one kernel of a function did."""
    driver.current().synchronize()
    gpu.forget_statistics()
    run()
    driver.current().synchronize()
    (found,) = gpu.statistics()
    return found


def ones(*shape):
    return move(np.ones(shape, F32), "cuda")


@pytest.mark.parametrize("blocks", [1, 3])
def test_every_instruction_of_every_thread(blocks, gpu):
    """Which all write the same elements: a race, but that is not what is asked here."""
    gpu.configure(races=0)
    out, x, kernel = allocate((8,), F32), ones(8), Written(ADD)
    kernel(1, 8, out, x, x)
    found = counted(gpu, lambda: kernel(blocks, 8, out, x, x))
    assert (found.launches, found.blocks, found.threads) == (1, blocks, 8 * blocks)
    each = {kind: n // (8 * blocks) for kind, n in found.counts.items() if n}
    assert each == {
        "float32": 1,
        "integer": 3,
        "move": 1,
        "branch": 1,
        "parameter": 3,
        "global load": 2,
        "global store": 1,
        "bytes loaded": 8,
        "bytes stored": 4,
    }
    assert found.instructions == 12 * 8 * blocks


def test_what_is_skipped_is_not_counted_and_a_loop_as_often_as_it_runs(gpu):
    out, x = allocate((8,), F32), ones(8)
    half, five_times = Written(IN_HALF), Written(FIVE_TIMES)
    assert counted(gpu, lambda: half(1, 8, out, x, x)).counts["float32"] == 4
    found = counted(gpu, lambda: five_times(1, 8, out, x, x))
    assert found.counts["ffma"] == 5 * 8 and found.counts["branch"] == (5 + 1) * 8
    assert move(out, "cpu").tolist() == [6] * 8


# ---- of our kernels ------------------------------------------------------------------------------


def counted_alone(kernel, shapes, **static):
    """What a kernel does that fills the first of arrays with these shapes; it computes nothing."""
    with emulated_gpu(computes=False) as gpu:
        out, *operands = (ones(*shape) for shape in shapes)
        return counted(gpu, lambda: kernel(out, *operands, **static))


def per_ffma(found, useful):
    """Instructions for each multiplication that the result needs."""
    return model.issued(found) / useful


def cut_into(tile, monkeypatch):
    """Products have this tile, and their sums are in one part."""
    monkeypatch.setattr(product, "best_cut", lambda *sizes: tiling.Cut(Tile(*tile), 1, 10**6))


@pytest.mark.parametrize(
    "tile, most",
    [((128, 128, 8, 8, 8), 1.2), ((128, 64, 16, 8, 4), 1.25), ((64, 64, 16, 4, 4), 1.4)],
    ids=str,
)
def test_instructions_of_a_product(tile, most, monkeypatch):
    cut_into(tile, monkeypatch)
    m, n, k = 256, 128, 256
    found = counted_alone(matmul.matmul, [(m, n), (m, k), (k, n)])
    assert per_ffma(found, m * n * k) < most
    assert found.counts["bytes stored"] == 4 * m * n
    assert found.counts["bytes loaded"] == 4 * k * m * n * (1 / tile[0] + 1 / tile[1])


@pytest.mark.parametrize(
    "tile, most",
    [((128, 64, 16, 8, 4), 1.5), ((64, 64, 16, 4, 4), 1.6), ((16, 64, 16, 4, 4), 1.75)],
    ids=str,
)
@pytest.mark.parametrize("name", ["conv", "conv_weight", "conv_input"])
@pytest.mark.parametrize("stride", [1, 2])
def test_instructions_of_a_convolution(name, stride, tile, most, monkeypatch):
    """3 x 3, 64 channels to 64, to 4 images of 16 x 16; nothing is multiplied in vain."""
    cut_into(tile, monkeypatch)
    found, useful = counted_convolution(name, stride)
    assert per_ffma(found, useful) < most
    assert found.counts["ffma"] < 1.13 * useful  # by tiles beyond the 576 rows of conv_weight


def counted_convolution(name, stride):
    """(what its kernel did, how many multiplications the result needs)."""
    x, w, g = (4, 16 * stride, 16 * stride, 64), (3, 3, 64, 64), (4, 16, 16, 64)
    geometry = geometry_of("conv", x[1:3], (3, 3), stride, "same")
    shapes = {"conv": (g, x, w), "conv_weight": (w, x, g), "conv_input": (x, g, w)}[name]
    found = counted_alone(getattr(conv, name), shapes, geometry=geometry)
    return found, 4 * 16 * 16 * 9 * 64 * 64


@pytest.mark.parametrize(
    "name, most", [("matmul", 0.3), ("conv", 0.35), ("conv_weight", 0.4), ("conv_input", 0.36)]
)
def test_instructions_of_a_product_by_warps(name, most, monkeypatch):
    """In TF32, of a tile of 64 x 64: a quarter of those above, and nothing is multiplied twice."""
    (tile,) = (t for t in tiling.BY_WARP if t.m == t.n == 64)
    monkeypatch.setattr(product, "best_cut", lambda *sizes: tiling.Cut(tile, 1, 10**6))
    if name == "matmul":
        found, useful = counted_alone(matmul.matmul, [(256, 128), (256, 256), (256, 128)]), 2**23
    else:
        found, useful = counted_convolution(name, 1)
    assert per_ffma(found, useful) < most
    assert found.counts["matrix product"] / 32 * 1024 == useful
    assert found.counts["bytes shared"] / useful < 0.4  # a clock of it is 341 multiplications


# ---- the model -----------------------------------------------------------------------------------


def test_the_command_prints_a_line_for_each_kernel(capsys):
    gpu_model.main(["sinusoid", "--tasks", "1"])
    head, columns, *lines = capsys.readouterr().out.splitlines()
    assert "sinusoid" in head and columns.split()[:2] == ["launches", "blocks"]
    assert len(lines) > 10 and "in all, on H100" in lines[-3]
    assert lines[-2].startswith("as a graph: ") and "registers" in columns
    *_, microseconds = lines[-3].partition(" in all")[0].split()
    launches = int(lines[-3].split()[0])
    assert 1e6 * model.H100.launch * launches < float(microseconds) < 1000


def test_the_command_says_what_is_missing(monkeypatch, capsys):
    def path():
        raise compiler.Missing("a C compiler on Linux is needed: gcc")

    monkeypatch.setattr(compiler, "compiler", path)
    with pytest.raises(SystemExit):
        gpu_model.main(["sinusoid"])
    assert "nothing can be counted here: a C compiler" in capsys.readouterr().err


def test_the_prediction_is_what_is_said():
    """A launch costs itself and the longer of two: beginning instructions, and moving bytes."""
    gpu = model.Gpu("one", 10, 1e9, 128, 1e12, 1e-6)
    counts = dict.fromkeys(kinds.KINDS, 0)
    computes = emulator.KernelCounts(
        "", 2, 8, 0, {**counts, "ffma": 128 * 4 * 10**6, "move": 10**9}
    )
    assert model.predicted_seconds(computes, gpu) == pytest.approx(2e-6 + 1e-3)
    wide = computes._replace(blocks=80)
    assert model.predicted_seconds(wide, gpu) == pytest.approx(2e-6 + 0.4e-3)
    moves = emulator.KernelCounts(
        "", 1, 8, 0, {**counts, "bytes loaded": 3 * 10**9, "bytes stored": 10**9}
    )
    assert model.predicted_seconds(moves, gpu) == pytest.approx(1e-6 + 4e-3)
    by_warps = {**counts, "matrix product": 32 * 4 * 10**6}  # a clock of a multiprocessor for each
    assert model.predicted_seconds(computes._replace(counts=by_warps), gpu) == pytest.approx(
        2e-6 + 1e-3
    )
    by_warps = {**counts, "matrix product": 32, "bytes shared": 128 * 4 * 10**6}
    assert model.predicted_seconds(computes._replace(counts=by_warps), gpu) == pytest.approx(
        2e-6 + 1e-3
    )
    rounds = computes._replace(counts={**counts, "round to tf32": 3 * 128 * 4 * 10**5})
    assert model.predicted_seconds(rounds, gpu) == pytest.approx(2e-6 + 0.9e-3)
    once = model.each_byte_once(moves, 10**9)
    assert model.predicted_seconds(once, gpu) == pytest.approx(1e-6 + 1e-3)
    assert model.each_byte_once(moves, 10**12).counts["bytes loaded"] == 4 * 10**9
    divides = computes._replace(counts={**counts, "division": 128 * 4 * 10**5})
    assert model.predicted_seconds(divides, gpu) == pytest.approx(2e-6 + 1e-3)
