"""Products of matrices that are read by functions of their own: the kernels, and their launches.

A Problem says how its two matrices are read and where the rows of the result lie; run_product cuts
it (tiling.py), has the kernel of that cut made (product_source.py), launches it once for as many
tasks as a grid has room for, and adds the parts of the sum, if it was cut into parts.

A problem may be several products in one, its classes, each with rows and a length of the sum of its
own: the pixels of an image whose gradient comes through other weights (conv.py).

Invariant: an element of the result is added up in an order that depends on shapes alone.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from ..core.scope import state
from . import fours, target, tensor_cores
from .array import Array, allocate
from .division import divided, divisor
from .launch import GpuKernel
from .loop_source import LoopBody, LoopResult
from .loops import run_loop
from .product_source import Loading, product_source
from .sharing import Tile, by_threads
from .target import device_function, int32, quotient, remainder
from .tiling import best_cut
from .warp_source import by_warps

MAX_GRID_Z = 65535  # blocks along the second and third axis of a grid; 2^31 along the first


class Matrix(NamedTuple):
    """How a matrix is read, by functions of the GPU.

    line(i, t, c, g), k(i, t, c, g): (row, column, offset), which are added. line: a row of x or a
    column of y. c, g: of the Problem. bounds(g): (height, width), inside of which the sums are, or
    the element is 0. along_k: whether neighbours in memory are neighbouring k, else lines.
    """

    line: Callable
    k: Callable
    bounds: Callable
    along_k: bool


# Those of a product of one class, whose numbers begin with its M and K.


@device_function
def _just_the_class(class_, g):
    return class_


@device_function
def _first_two(c, g):
    return g[0], g[1]


@device_function
def _same_row(m, c, g):
    return m


class Problem(NamedTuple):
    """out[t, out_row(m), n] = sum_k x[t, m, k] y[t, k, n]

    g: the numbers that it comes with. facts(class_, g): c, what the others are told of a class.
    extent(c, g): how many m and k a class has. out_row(m, c, g): a row of out.
    """

    x: Matrix
    y: Matrix
    facts: Callable = _just_the_class
    extent: Callable = _first_two
    out_row: Callable = _same_row


class Sizes(NamedTuple):
    """tasks, classes; m, k: the most of any class; n; rows: of out for a task."""

    tasks: int
    classes: int
    m: int
    n: int
    k: int
    rows: int


def run_product(
    problem: Problem,
    out: Array,
    x: Array,
    y: Array,
    sizes: Sizes,
    g: tuple[int, ...],
    by_fours: tuple[bool, bool],
) -> None:
    """out (T, rows, N): dense. g: what the problem's functions are given.

    by_fours: of x and y, whether four neighbours, counted from a multiple of four, are all inside
    or all outside and lie side by side at a multiple of four from where the array begins.
    """
    tasks, classes, m, n, k, rows = sizes
    dtype = out.dtype.name
    kind = state.products if dtype == "float32" else dtype
    tile, parts, chunk = best_cut(tasks * classes, m, n, k, kind)
    target_array = out if parts == 1 else allocate((parts, out.size), out.dtype)
    x_four, y_four = by_fours[0] and _starts_at_four(x), by_fours[1] and _starts_at_four(y)
    writes_four = n % 4 == 0 and _starts_at_four(target_array)
    kernel = product_kernel(problem, tile, x_four, y_four, writes_four, dtype)
    tile_rows, tile_columns = -(-m // tile.m), -(-n // tile.n)
    for first in range(0, tasks, MAX_GRID_Z):
        grid = tile_rows * tile_columns, classes * parts, min(tasks - first, MAX_GRID_Z)
        numbers = n, tasks, rows, chunk, first, *divisor(parts), *divisor(max(tile_rows, 1))
        kernel(grid, tile.threads, target_array, x, y, numbers, g)
    if parts > 1:
        _add_parts(out, target_array)


def _starts_at_four(a: Array) -> bool:
    """Whether four numbers can be loaded at once from where an array begins."""
    return a.address % 16 == 0


def _add_parts(out: Array, parts: Array) -> None:
    """out = the rows of `parts`, added from the first to the last: they are few, so by a thread."""
    count, size = parts.shape
    name = out.dtype.name
    total = LoopResult(" + ".join(f"x{part}" for part in range(count)), name)
    rows = [(parts.view((size,), (1,), part * size), (1,)) for part in range(count)]
    result = out.view((size,), (1,)), (1,)
    run_loop(LoopBody((name,) * count, (), (total,)), (size,), rows, [result])


@functools.cache
def product_kernel(
    problem: Problem, tile: Tile, x_four: bool, y_four: bool, writes_four: bool, dtype: str
) -> GpuKernel:
    """The kernel of a problem for a tile; four numbers at a time where it says so."""
    x = _loading(problem.x, tile.m, tile, x_four)
    y = _loading(problem.y, tile.n, tile, y_four)
    wide = writes_four and tile.share_n % 4 == 0
    namespace = {
        "cuda": target.cuda,
        "shared_array": target.shared_array,
        "load_four": fours.load_four,
        "store_four": fours.store_four,
        "outer_added": fours.outer_added,
        "rounded_to_tf32": tensor_cores.rounded_to_tf32,
        "warp_product_added": tensor_cores.warp_product_added,
        "float32": target.types.float32,
        "float64": target.types.float64,
        "int32": int32,
        "uint32": target.uint32,
        "quotient": quotient,
        "remainder": remainder,
        "divided": divided,
        "facts": problem.facts,
        "extent": problem.extent,
        "out_row": problem.out_row,
        "__name__": __name__,
    }
    for name, matrix in (("x", problem.x), ("y", problem.y)):
        namespace |= {f"{name}_line": matrix.line, f"{name}_k": matrix.k}
        namespace[f"{name}_bounds"] = matrix.bounds
    sharing = by_warps(tile) if tile.by_warp else by_threads(tile)
    source = product_source(tile, sharing, x, y, dtype, wide)
    exec(compile(source, "<tinymeta product>", "exec"), namespace)
    ways = [f"{'k' if way.along_k else 'line'}{way.width}" for way in (x, y)]
    shape = f"{tile.m}x{tile.n}x{tile.depth} of {tile.share_m}x{tile.share_n}"
    name = f"{problem.x.line.__name__} {problem.y.line.__name__} {shape} {' '.join(ways)}"
    name = f"tf32 {name}" if tile.by_warp else name
    return GpuKernel(namespace["kernel"], f"{name} out{4 if wide else 1} {dtype}")


def _loading(matrix: Matrix, length: int, tile: Tile, four: bool) -> Loading:
    """Four at a time if they may, and every thread has four to load."""
    has_four = length * tile.depth >= 4 * tile.threads
    width = 4 if four and has_four else 1
    return Loading(length, tile.depth, tile.threads, matrix.along_k, width)
