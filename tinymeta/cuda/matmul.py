"""Matrix products: tiles in shared memory, then tiles in registers.

    out[t, m, n] = sum_k x[t, m, k] y[t, k, n]          a block for each tile of out: along the
                                                        first axis of the grid; tasks: the third

A thread that computes one element alone reads 2 K numbers from memory for K multiplications.
`shared_tile_kernel`: the 16 x 16 threads of a block read a tile of x and one of y together, once,
and each number serves 16 of them. `register_tile_kernel`: each thread computes a rectangle of the
result, so that a number, once in a register, serves a row of it, and shared memory, too, is read a
fraction as often (Volkov & Demmel, Benchmarking GPUs to tune dense linear algebra, 2008):

          n ->  tile_n                   one thread's share: squares of 4 x 4, set apart so that
        +---------+    y tile            neighbours read neighbouring quadruples of shared memory
        | k       |    (depth, tile_n)
    +---+---------+        +----+----+
    | k | # . # . |        | ## | ## |   while a tile is computed on, the next one is on its way
    |   | . . . . |   m    +----+----+   from memory into registers (double buffering)
    |   | # . # . |   |    | ## | ## |
    +---+---------+   v    +----+----+
    x tile (tile_m, depth)

Cost: 2 T M N K operations; x is read from memory N / tile_n times, y M / tile_m times. What limits
the first kernel is shared memory, two reads for a multiplication; what limits the second is
arithmetic, if the matrices are large enough that 128 x 128 tiles keep all multiprocessors at work.
An 8 x 8 share reads 16 numbers for 64 multiplications, a 4 x 4 share 8 for 16.

How x and y are read is a function of their own, `read(pointer, layout, t, i, j)`: so convolution is
the same kernel (conv.py).
"""

import functools
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from .array import Array, allocate
from .launch import GpuKernel
from .movement import contiguous, copy
from .target import (
    SIMULATED,
    cuda,
    device_function,
    int32,
    quotient,
    remainder,
    shared_array,
    types,
)

EDGE = 16  # of the tiles of `shared_tile_kernel`
MAX_GRID_Z = 65535  # blocks along the second and third axis of a grid; 2^31 along the first


def matmul(out: Array, x: Array, w: Array) -> None:
    """for t, n, m:  out[t, n, m] = sum_k x[t, n, k] * w[t, k, m]

    out (.., N, M), x (.., N, K), w (.., K, M), of one dtype and any strides.
    """
    x, w = _with_task_stride(x), _with_task_stride(w)
    dense = out if out.is_dense else allocate(out.shape, out.dtype)
    sizes = prod(out.shape[:-2]), *out.shape[-2:], x.shape[-1]
    layouts = [(a.task_stride, *a.strides[-2:]) for a in (x, w)]
    run_product(read_strided, read_strided, dense, x, w, sizes, *layouts)
    if dense is not out:
        copy(out, dense)


def _with_task_stride(x: Array) -> Array:
    """x itself if one stride leads from a matrix to the next, else a copy."""
    return x if x.task_stride is not None else contiguous(x)


@device_function
def read_strided(p, layout, t, i, j):
    """x[t, i, j]; layout: the strides of t, i and j."""
    return p[int32(t * layout[0]) + int32(i * layout[1]) + int32(j * layout[2])]


def run_product(
    read_x: Callable,
    read_y: Callable,
    out: Array,
    x: Array,
    y: Array,
    sizes: tuple,
    x_layout: tuple,
    y_layout: tuple,
) -> None:
    """out[t, m, n] = sum_k read_x(x, x_layout, t, m, k) read_y(y, y_layout, t, k, n)

    sizes: T, M, N, K. out (T, M, N): contiguous. read_x, read_y: device functions. The last number
    of a layout is 1 if neighbouring columns of that matrix are neighbours in memory.
    """
    tasks, m, n, k = sizes
    choice = choose_kernel(read_x, read_y, m, n, out.dtype.name)
    rows, columns = -(-m // choice.tile_m), -(-n // choice.tile_n)
    # Along which axis neighbouring threads read a tile, so that they read neighbours.
    x_by_row, y_by_row = int(x_layout[-1] != 1), int(y_layout[-1] != 1)
    for first in range(0, tasks, MAX_GRID_Z):
        grid = rows * columns, 1, min(tasks - first, MAX_GRID_Z)
        numbers = m, n, k, x_by_row, y_by_row, first
        choice.kernel(grid, choice.block, out, x, y, numbers, x_layout, y_layout)


class KernelChoice(NamedTuple):
    """A kernel, the rows and columns of its tile, and the threads of a block."""

    kernel: GpuKernel
    tile_m: int
    tile_n: int
    block: int | tuple[int, int]


@functools.cache
def choose_kernel(read_x: Callable, read_y: Callable, m: int, n: int, dtype: str) -> KernelChoice:
    """By the size of the result: large tiles read less, small ones leave fewer threads idle."""
    if SIMULATED:  # a Python thread for each of the GPU's: few of them
        if max(m, n) > 4:
            kernel = register_tile_kernel(read_x, read_y, 8, 8, 4, 4, 4, dtype)
            return KernelChoice(kernel, 8, 8, 4)
        return KernelChoice(shared_tile_kernel(read_x, read_y, 4, dtype), 4, 4, (4, 4))
    if max(m, n) <= 2 * EDGE or min(m, n) <= 4:
        kernel = shared_tile_kernel(read_x, read_y, EDGE, dtype)
        return KernelChoice(kernel, EDGE, EDGE, (EDGE, EDGE))
    if dtype == "float32" and min(m, n) > 96:
        kernel = register_tile_kernel(read_x, read_y, 128, 128, 8, 8, 8, dtype)
        return KernelChoice(kernel, 128, 128, 256)
    kernel = register_tile_kernel(read_x, read_y, 64, 64, 16, 4, 4, dtype)
    return KernelChoice(kernel, 64, 64, 256)


@device_function
def _tile_corner(tile, m, tile_m, tile_n):
    """(first row, first column) of a tile of the m rows; tiles are counted down each column."""
    rows = quotient(m + tile_m - 1, tile_m)
    return int32(remainder(tile, rows) * tile_m), int32(quotient(tile, rows) * tile_n)


@functools.cache
def shared_tile_kernel(read_x: Callable, read_y: Callable, edge: int, dtype: str) -> GpuKernel:
    """One element for each thread; a block of edge x edge threads shares its two tiles."""
    scalar, tile_size = getattr(types, dtype), 2 * edge * edge

    def kernel(out, x, y, sizes, x_layout, y_layout):
        m, n, count, first_task = sizes[0], sizes[1], sizes[2], sizes[5]
        i, j, t = cuda.threadIdx.y, cuda.threadIdx.x, cuda.blockIdx.z + first_task
        first_row, first_column = _tile_corner(cuda.blockIdx.x, m, edge, edge)
        row, column = first_row + i, first_column + j
        tiles = shared_array(tile_size, scalar)  # x's, then y's
        total = scalar(0)
        for k in range(0, count, edge):
            tiles[i * edge + j] = scalar(0)
            tiles[(edge + i) * edge + j] = scalar(0)
            if row < m and k + j < count:
                tiles[i * edge + j] = read_x(x, x_layout, t, row, k + j)
            if k + i < count and column < n:
                tiles[(edge + i) * edge + j] = read_y(y, y_layout, t, k + i, column)
            cuda.syncthreads()  # no thread reads before all have written
            for q in range(edge):
                total += tiles[i * edge + q] * tiles[(edge + q) * edge + j]
            cuda.syncthreads()  # nor writes before all have read
        if row < m and column < n:
            out[(t * m + row) * n + column] = total

    return GpuKernel(kernel, f"{read_x.__name__} {read_y.__name__} {edge} {dtype}")


@device_function
def _place_in_tile(e, length, depth, lengthwise):
    """(place, k) of element e of a tile of length x depth, read along one axis or the other."""
    return (e % length, e // length) if lengthwise else (e // depth, e % depth)


@functools.cache
def register_tile_kernel(
    read_x: Callable,
    read_y: Callable,
    tile_m: int,
    tile_n: int,
    depth: int,
    share_m: int,
    share_n: int,
    dtype: str,
) -> GpuKernel:
    """share_m x share_n elements for each thread, in squares of 4 x 4.

    tile_m, tile_n: rows and columns of a block's tile. depth: how many k of x and y a block has in
    shared memory at once. In a step it loads the next ones into registers, computes on those in
    shared memory, and exchanges them between two barriers; so there is one step more than tiles,
    and nothing is computed in the first.
    """
    scalar: Any = getattr(types, dtype)
    threads_n, threads_m = tile_n // share_n, tile_m // share_m
    threads = threads_n * threads_m
    x_loads, y_loads = tile_m * depth // threads, tile_n * depth // threads  # of each thread
    # Rows of a tile begin 4 numbers on, in other banks: else threads that write a column of it
    # would wait for each other.
    x_step, y_step = tile_m + 4, tile_n + 4
    y_begin, tiles_size = depth * x_step, depth * (x_step + y_step)

    def kernel(out, x, y, sizes, x_layout, y_layout):
        m, n, count, x_by_row, y_by_row, first_task = sizes
        me, t = int32(cuda.threadIdx.x), int32(cuda.blockIdx.z + first_task)
        first_row, first_column = _tile_corner(cuda.blockIdx.x, m, tile_m, tile_n)
        my_row, my_column = int32(me // threads_n * 4), int32(me % threads_n * 4)
        tiles = shared_array(tiles_size, scalar)  # x's, transposed, then y's
        # The loops over these have constant bounds: unrolled, the arrays become registers.
        x_next, y_next = cuda.local.array(x_loads, scalar), cuda.local.array(y_loads, scalar)
        a, b = cuda.local.array(share_m, scalar), cuda.local.array(share_n, scalar)
        total = cuda.local.array((share_m, share_n), scalar)
        for i in range(share_m):
            for j in range(share_n):
                total[i, j] = scalar(0)
        for k in range(0, count + depth, depth):
            for q in range(x_loads):  # on its way, while the last is used
                e = me + q * threads
                i, kk = _place_in_tile(e, tile_m, depth, x_by_row)
                row, kk = int32(first_row + i), int32(k + kk)
                x_next[q] = read_x(x, x_layout, t, row, kk) if row < m and kk < count else scalar(0)
            for q in range(y_loads):
                e = me + q * threads
                j, kk = _place_in_tile(e, tile_n, depth, not y_by_row)
                column, kk = int32(first_column + j), int32(k + kk)
                y_next[q] = (
                    read_y(y, y_layout, t, kk, column) if kk < count and column < n else scalar(0)
                )
            if k:
                for kk in range(depth):
                    # Four neighbours at a time: one load of 16 bytes.
                    for i in range(share_m):
                        a[i] = tiles[kk * x_step + my_row + i // 4 * (4 * threads_m) + i % 4]
                    for j in range(share_n):
                        b[j] = tiles[
                            y_begin + kk * y_step + my_column + j // 4 * (4 * threads_n) + j % 4
                        ]
                    for i in range(share_m):
                        for j in range(share_n):
                            total[i, j] += a[i] * b[j]
            cuda.syncthreads()  # all have read the tiles
            for q in range(x_loads):
                e = me + q * threads
                i, kk = _place_in_tile(e, tile_m, depth, x_by_row)
                tiles[kk * x_step + i] = x_next[q]
            for q in range(y_loads):
                e = me + q * threads
                j, kk = _place_in_tile(e, tile_n, depth, not y_by_row)
                tiles[y_begin + kk * y_step + j] = y_next[q]
            cuda.syncthreads()  # all have written them
        for i in range(share_m):
            row = int32(first_row + my_row + i // 4 * (4 * threads_m) + i % 4)
            for j in range(share_n):
                column = int32(first_column + my_column + j // 4 * (4 * threads_n) + j % 4)
                if row < m and column < n:
                    out[int32(int32(t * m + row) * n) + column] = total[i, j]

    shape = f"{tile_m} {tile_n} {depth} {share_m} {share_n}"
    return GpuKernel(kernel, f"{read_x.__name__} {read_y.__name__} {shape} {dtype}")
