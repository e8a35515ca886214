"""A matrix product on a GPU in five rungs, each of which removes what limits the one before.

    python examples/gpu_ladder.py --size 512

    out[m, n] = sum_k x[m, k] y[k, n]           M N K multiplications, each one FFMA instruction

naive           A thread for each element. Each multiplication loads two numbers from memory: the
                limit is memory, and what its caches save of that.
shared tile     A block's 16 x 16 threads read a tile of x and one of y together, once: a number
                from memory serves 16 sums. Each multiplication loads two numbers from shared
                memory: the limit is its one load unit, for four units that multiply.
register tile   A thread computes 8 x 8 elements: 16 numbers from shared memory, once in registers,
                serve 64 multiplications (Volkov & Demmel, Benchmarking GPUs to tune dense linear
                algebra, 2008). The limit is the share of multiplications among its instructions:
                the others compute addresses, count loops, ask whether a row is inside.
written out     tinymeta's own (tinymeta/cuda/product_source.py): the loop over a tile is text
                without a loop, addresses are constants, four numbers are loaded at once, and the
                next tile is on its way while one is computed on. The limit is arithmetic.
by warps        The same tiles, multiplied by tensor cores, as `tm.device("cuda", products="tf32")`
                asks for (tinymeta/cuda/warp_source.py): 32 threads together make 1,024
                multiplications by one instruction, of numbers that are rounded to 10 bits behind
                the point. The limit is shared memory, and what loads the tiles.

Where a GPU is, it prints a time; `python -m tinymeta.ptx examples/gpu_ladder.py` counts the
instructions of each rung without one. NUMBA_ENABLE_CUDASIM=1 runs them in Numba's simulator.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

import tinymeta as tm
from tinymeta.cuda import Array, allocate, move
from tinymeta.cuda.driver import current
from tinymeta.cuda.launch import GpuKernel
from tinymeta.cuda.matmul import matmul
from tinymeta.cuda.target import SIMULATED, cuda, int32, shared_array, types

EDGE = 4 if SIMULATED else 16  # of the second rung's tiles, and of the first one's blocks
TILE = 8 if SIMULATED else 128  # of the third rung
SHARE = 4 if SIMULATED else 8  # rows and columns of a thread there
DEPTH = 4 if SIMULATED else 8  # k of a tile there
float32 = types.float32


def naive(out, x, y, m, n, count):
    row = cuda.blockIdx.y * EDGE + cuda.threadIdx.y
    column = cuda.blockIdx.x * EDGE + cuda.threadIdx.x
    if row < m and column < n:
        total = float32(0)
        for k in range(count):
            total += x[row * count + k] * y[k * n + column]
        out[row * n + column] = total


TWO_TILES = 2 * EDGE * EDGE


def shared_tile(out, x, y, m, n, count):
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    row, column = cuda.blockIdx.y * EDGE + i, cuda.blockIdx.x * EDGE + j
    tiles = shared_array(TWO_TILES, float32)  # x's, then y's
    total = float32(0)
    for k in range(0, count, EDGE):
        tiles[i * EDGE + j] = float32(0)
        tiles[(EDGE + i) * EDGE + j] = float32(0)
        if row < m and k + j < count:
            tiles[i * EDGE + j] = x[row * count + k + j]
        if k + i < count and column < n:
            tiles[(EDGE + i) * EDGE + j] = y[(k + i) * n + column]
        cuda.syncthreads()  # no thread reads before all have written
        for q in range(EDGE):
            total += tiles[i * EDGE + q] * tiles[(EDGE + q) * EDGE + j]
        cuda.syncthreads()  # nor writes before all have read
    if row < m and column < n:
        out[row * n + column] = total


ACROSS = TILE // SHARE  # threads along each side of a tile
THREADS = ACROSS * ACROSS
LOADS = TILE * DEPTH // THREADS  # of x and of y, of each thread
STEP = TILE + 4  # rows of a tile begin in other banks, or threads that write a column would wait
TILES = 2 * DEPTH * STEP


def register_tile(out, x, y, m, n, count):
    me = int32(cuda.threadIdx.x)
    first_row, first_column = int32(cuda.blockIdx.y * TILE), int32(cuda.blockIdx.x * TILE)
    # A share is made of squares of 4 x 4, set apart, so that neighbours read neighbours.
    my_row, my_column = int32(me // ACROSS * 4), int32(me % ACROSS * 4)
    tiles = shared_array(TILES, float32)  # x's, with k as its rows, then y's
    # The loops over these have constant bounds: the compiler unrolls them, and makes registers.
    a, b = cuda.local.array(SHARE, float32), cuda.local.array(SHARE, float32)
    total = cuda.local.array((SHARE, SHARE), float32)
    for i in range(SHARE):
        for j in range(SHARE):
            total[i, j] = float32(0)
    for k in range(0, count, DEPTH):
        for q in range(LOADS):
            e = me + q * THREADS
            i, kk = int32(e // DEPTH), int32(e % DEPTH)
            row, at = int32(first_row + i), int32(k + kk)
            is_inside = row < m and at < count
            tiles[kk * STEP + i] = x[row * count + at] if is_inside else float32(0)
            j, kk = int32(e % TILE), int32(e // TILE)
            column, at = int32(first_column + j), int32(k + kk)
            is_inside = at < count and column < n
            tiles[(DEPTH + kk) * STEP + j] = y[at * n + column] if is_inside else float32(0)
        cuda.syncthreads()  # no thread reads before all have written
        for kk in range(DEPTH):
            for i in range(SHARE):
                a[i] = tiles[kk * STEP + my_row + i // 4 * (4 * ACROSS) + i % 4]
                b[i] = tiles[(DEPTH + kk) * STEP + my_column + i // 4 * (4 * ACROSS) + i % 4]
            for i in range(SHARE):
                for j in range(SHARE):
                    total[i, j] += a[i] * b[j]
        cuda.syncthreads()  # nor writes before all have read
    for i in range(SHARE):
        row = int32(first_row + my_row + i // 4 * (4 * ACROSS) + i % 4)
        for j in range(SHARE):
            column = int32(first_column + my_column + j // 4 * (4 * ACROSS) + j % 4)
            if row < m and column < n:
                out[row * n + column] = total[i, j]


def launched(kernel: GpuKernel, edge: int, block: int | tuple) -> Callable[..., None]:
    """(out, x, y) -> None: a kernel with a block for each tile of edge x edge."""

    def run(out: Array, x: Array, y: Array) -> None:
        (m, count), n = x.shape, y.shape[1]
        kernel((-(-n // edge), -(-m // edge)), block, out, x, y, m, n, count)

    return run


def by_warps(out: Array, x: Array, y: Array) -> None:
    """What tm.matmul launches where products in TF32 are asked for."""
    with tm.device("cuda", products="tf32"):
        matmul(out, x, y)


RUNGS = {
    "naive": launched(GpuKernel(naive), EDGE, (EDGE, EDGE)),
    "shared tile": launched(GpuKernel(shared_tile), EDGE, (EDGE, EDGE)),
    "register tile": launched(GpuKernel(register_tile), TILE, THREADS),
    "written out": matmul,
}
if not SIMULATED:  # whose threads know of no warp
    RUNGS["by warps"] = by_warps
TOLERANCE = {"by warps": 1e-3}  # of an element, for each of its products; of others 1e-5


def climb(size: int) -> dict[str, float]:
    """The seconds of each rung for a product of two size x size matrices, checked beside NumPy."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, size, size)).astype(np.float32)
    x, y = move(a, "cuda"), move(b, "cuda")
    expected, seconds = a.astype(float) @ b.astype(float), {}
    for name, rung in RUNGS.items():
        out = allocate((size, size), np.float32)
        rung(out, x, y)  # compiles it
        tolerance = TOLERANCE.get(name, 1e-5) * size
        np.testing.assert_allclose(move(out, "cpu"), expected, rtol=1e-4, atol=tolerance)
        begin = time.perf_counter()
        rung(out, x, y)
        current().synchronize()
        seconds[name] = time.perf_counter() - begin
    return seconds


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--size", type=int, default=10 if SIMULATED else 512, help="rows and columns")
    size = p.parse_args(arguments).size
    if (reason := tm.devices()["cuda"]) is not True:
        p.error(str(reason))
    for name, seconds in climb(size).items():
        print(f"{name:<14} {2e-9 * size**3 / seconds:10.3f} GFLOP/s")


if __name__ == "__main__":
    main()
