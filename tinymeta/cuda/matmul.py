"""Matrix products: tiles in shared memory, then tiles in registers.

    out[t, m, n] = sum_k x[t, m, k] y[t, k, n]          a block for each tile of out: its rows,
                                                        columns and task are the grid's three axes

A thread that computes one element alone reads 2 K numbers for K multiplications. `tiled`: the 16 x 16
threads of a block read a tile of x and one of y together, once, and each number serves 16 of them.
`product`: each thread computes a square of the result, so that a number, once in a register, serves a
row of it, and shared memory, too, is read a fraction as often (Volkov & Demmel 2008):

          n ->  TILE_N                       one thread's share: squares of 4 x 4, set apart so that
        +---------+    y tile (DEPTH, N)     neighbours read neighbouring quadruples of shared memory
        | k       |
    +---+---------+        +----+----+
    | k | # . # . |        | ## | ## |       while a tile is computed on, the next one is on its way
    |   | . . . . |   m    +----+----+       from memory into registers (double buffering)
    |   | # . # . |   |    | ## | ## |
    +---+---------+   v    +----+----+
    x tile (M, DEPTH)

What limits `tiled` is shared memory, two reads for a multiplication; what limits `product` is
arithmetic, if the matrices are large enough that 128 x 128 tiles keep all multiprocessors at work.
How x and y are read is a function of their own, `read(pointer, numbers, t, i, j)`: so convolution is
the same kernel (conv.py).
"""

import functools
from math import prod

from .array import allocate
from .launch import Kernel
from .movement import contiguous, copy
from .target import SIMULATED, cuda, device, int32, shared, types

EDGE = 16  # of the tiles of `tiled`
MOST = 65535  # blocks along the third axis of a grid


def matmul(out, x, w):
    """for t, n, m:  out[t, n, m] = sum_k x[t, n, k] * w[t, k, m]"""
    x, w = (a if a.lead is not None else contiguous(a) for a in (x, w))
    dense = out if out.is_dense else allocate(out.shape, out.dtype)
    numbers = [(a.lead, *a.strides[-2:]) for a in (x, w)]
    sizes = (prod(out.shape[:-2]), *out.shape[-2:], x.shape[-1])
    run(entry, entry, dense, x, w, sizes, *numbers)
    if dense is not out:
        copy(out, dense)


@device
def entry(p, numbers, t, i, j):
    """An element of a matrix that lies anyhow: numbers are its strides along t, i and j."""
    return p[int32(t * numbers[0]) + int32(i * numbers[1]) + int32(j * numbers[2])]


def run(left, right, out, x, y, sizes: tuple, x_numbers: tuple, y_numbers: tuple):
    """sizes: T, M, N, K. left, right: how x and y are read. Chooses the kernel by the sizes."""
    tasks, m, n, k = sizes
    kernel, tile_m, tile_n, threads = chosen(left, right, m, n, out.dtype.name)
    along = (int(x_numbers[-1] != 1), int(y_numbers[-1] != 1))  # which axis neighbours read along
    for first in range(0, tasks, MOST):
        kernel(
            (-(-m // tile_m), -(-n // tile_n), min(tasks - first, MOST)),
            threads,
            out,
            x,
            y,
            (m, n, k, *along, first),
            x_numbers,
            y_numbers,
        )


@functools.cache
def chosen(left, right, m: int, n: int, dtype: str) -> tuple:
    """(kernel, the rows and columns of its tile, the threads of a block)."""
    if SIMULATED:  # a Python thread for each of the GPU's: few of them
        return (
            (product(left, right, 8, 8, 4, 4, 4, dtype), 8, 8, 4)
            if max(m, n) > 4
            else (tiled(left, right, 4, dtype), 4, 4, (4, 4))
        )
    if max(m, n) <= 2 * EDGE or min(m, n) <= 4:
        return tiled(left, right, EDGE, dtype), EDGE, EDGE, (EDGE, EDGE)
    if dtype == "float32" and min(m, n) > 96:
        return product(left, right, 128, 128, 8, 8, 8, dtype), 128, 128, 256
    return product(left, right, 64, 64, 16, 4, 4, dtype), 64, 64, 256


@functools.cache
def tiled(left, right, edge: int, dtype: str) -> Kernel:
    """One element for each thread; a block of edge x edge threads shares its two tiles."""
    number, room = getattr(types, dtype), 2 * edge * edge

    def kernel(out, x, y, sizes, x_numbers, y_numbers):
        m, n, count = sizes[0], sizes[1], sizes[2]
        i, j, t = cuda.threadIdx.y, cuda.threadIdx.x, cuda.blockIdx.z + sizes[5]
        row, column = cuda.blockIdx.x * edge + i, cuda.blockIdx.y * edge + j
        tiles = shared(room, number)  # x's, then y's
        total = number(0)
        for k in range(0, count, edge):
            tiles[i * edge + j] = number(0)
            tiles[(edge + i) * edge + j] = number(0)
            if row < m and k + j < count:
                tiles[i * edge + j] = left(x, x_numbers, t, row, k + j)
            if k + i < count and column < n:
                tiles[(edge + i) * edge + j] = right(y, y_numbers, t, k + i, column)
            cuda.syncthreads()  # nobody reads before all have written
            for q in range(edge):
                total += tiles[i * edge + q] * tiles[(edge + q) * edge + j]
            cuda.syncthreads()  # nor writes before all have read
        if row < m and column < n:
            out[(t * m + row) * n + column] = total

    return Kernel(kernel, f"{left.__name__} {right.__name__} {edge} {dtype}")


@device
def in_tile(e, length, depth, lengthwise):
    """Element e of a tile of length x depth, read along one axis or the other: (place, k)."""
    return (e % length, e // length) if lengthwise else (e // depth, e % depth)


@functools.cache
def product(
    left, right, tile_m: int, tile_n: int, depth: int, tall: int, wide: int, dtype: str
) -> Kernel:
    """tall x wide elements for each thread, in squares of 4 x 4; tile_m, tile_n, depth: of a block."""
    number = getattr(types, dtype)
    across, down = tile_n // wide, tile_m // tall  # threads
    threads = across * down
    x_loads, y_loads = tile_m * depth // threads, tile_n * depth // threads
    x_step, y_step = tile_m + 4, tile_n + 4  # rows of a tile begin in other banks
    y_begin, room = depth * x_step, depth * (x_step + y_step)

    def kernel(out, x, y, sizes, x_numbers, y_numbers):
        m, n, count, x_by_row, y_by_row, first_task = sizes
        me, t = int32(cuda.threadIdx.x), int32(cuda.blockIdx.z + first_task)
        first_row, first_column = int32(cuda.blockIdx.x * tile_m), int32(cuda.blockIdx.y * tile_n)
        my_row, my_column = int32(me // across * 4), int32(me % across * 4)
        tiles = shared(room, number)  # x's, transposed, then y's
        x_next, y_next = cuda.local.array(x_loads, number), cuda.local.array(y_loads, number)
        a, b = cuda.local.array(tall, number), cuda.local.array(wide, number)
        total = cuda.local.array((tall, wide), number)
        for i in range(tall):
            for j in range(wide):
                total[i, j] = number(0)
        for k in range(0, count + depth, depth):
            for q in range(x_loads):  # on its way, while the last is used
                e = me + q * threads
                i, kk = in_tile(e, tile_m, depth, x_by_row)
                row, kk = int32(first_row + i), int32(k + kk)
                x_next[q] = left(x, x_numbers, t, row, kk) if row < m and kk < count else number(0)
            for q in range(y_loads):
                e = me + q * threads
                j, kk = in_tile(e, tile_n, depth, not y_by_row)
                column, kk = int32(first_column + j), int32(k + kk)
                y_next[q] = (
                    right(y, y_numbers, t, kk, column) if kk < count and column < n else number(0)
                )
            if k:
                for kk in range(depth):
                    for i in range(tall):
                        a[i] = tiles[kk * x_step + my_row + i // 4 * (4 * down) + i % 4]
                    for j in range(wide):
                        b[j] = tiles[
                            y_begin + kk * y_step + my_column + j // 4 * (4 * across) + j % 4
                        ]
                    for i in range(tall):
                        for j in range(wide):
                            total[i, j] += a[i] * b[j]
            cuda.syncthreads()  # all have read the tiles
            for q in range(x_loads):
                e = me + q * threads
                i, kk = in_tile(e, tile_m, depth, x_by_row)
                tiles[kk * x_step + i] = x_next[q]
            for q in range(y_loads):
                e = me + q * threads
                j, kk = in_tile(e, tile_n, depth, not y_by_row)
                tiles[y_begin + kk * y_step + j] = y_next[q]
            cuda.syncthreads()  # all have written them
        for i in range(tall):
            row = int32(first_row + my_row + i // 4 * (4 * down) + i % 4)
            for j in range(wide):
                column = int32(first_column + my_column + j // 4 * (4 * across) + j % 4)
                if row < m and column < n:
                    out[int32(int32(t * m + row) * n) + column] = total[i, j]

    return Kernel(
        kernel, f"{left.__name__} {right.__name__} {tile_m} {tile_n} {depth} {tall} {wide} {dtype}"
    )
