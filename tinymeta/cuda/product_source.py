"""The text of a product: a kernel in Python, for one size of tile and one way of loading it.

    out[t, m, n] = sum_k x[t, m, k] y[t, k, n]       a block for each tile of out, part of k, task

Three levels of tiling, each so that the level below is read a fraction as often:

    block    tile.m x tile.n of out: an element of x, once read from memory, serves tile.n sums
    shared   tile.depth of k at once: two tiles that all threads of the block read
    thread   share_m x share_n of out in registers: a number read from shared memory serves a row

          n ->  tile.n                   one thread's share: squares of 4 x 4, set apart so that
        +---------+    y tile            neighbours read neighbouring quadruples of shared memory
        | k       |    (depth, tile.n)
    +---+---------+        +----+----+
    | k | # . # . |        | ## | ## |   while a tile is computed on, the next one is on its way
    |   | . . . . |   m    +----+----+   from memory into registers (double buffering)
    |   | # . # . |   |    | ## | ## |
    +---+---------+   v    +----+----+
    x tile (tile.m, depth)

What limits it is the share of multiplications among its instructions. So the loop over a tile is
written out, which makes its addresses constants within the loads; and what can be known of a row or
a column before the loop over k is computed there, once. x is read by two functions of a Matrix
(product.py), of a line (a row of x, a column of y) and of a k, each of which gives a triple (row,
column, offset). They are added: the element lies at the sum of the offsets, and is 0 unless the
sums of the rows and of the columns lie inside of the matrix's bounds. Of a plain matrix both are 0;
of one made of windows they are a pixel (conv.py).
"""

from typing import NamedTuple

from .sharing import Sharing, Tile


class Loading(NamedTuple):
    """How the threads of a block share the loads of a tile of `length` lines by `depth`.

    along_k: whether neighbouring threads load neighbouring k or neighbouring lines: those that are
    neighbours in memory. width: how many neighbours a thread loads by one instruction, 1 or 4.
    """

    length: int
    depth: int
    threads: int
    along_k: bool
    width: int

    @property
    def across(self) -> int:
        """How many loads it takes from one side of the tile to the other."""
        return (self.depth if self.along_k else self.length) // self.width

    @property
    def steps(self) -> tuple[range, range]:
        """The lines that a thread loads, and the k of each, counted from its first ones."""
        beside = range(0, self.across * self.width, min(self.across, self.threads) * self.width)
        apart = max(self.threads // self.across, 1)
        below = range(0, self.length if self.along_k else self.depth, apart)
        return (below, beside) if self.along_k else (beside, below)


FAR = -(1 << 30)  # a row that lies outside of every matrix, whatever is added to it

KERNEL = """\
def kernel(out, x, y, sizes, g):
    n, tasks, out_rows, chunk, first_task = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    class_, part = divided(int32(cuda.blockIdx.y), sizes[5], sizes[6], sizes[7])
    tile_column, tile_row = divided(int32(cuda.blockIdx.x), sizes[8], sizes[9], sizes[10])
    first_row, first_column = int32(tile_row * {tile.m}), int32(tile_column * {tile.n})
    me, t = int32(cuda.threadIdx.x), int32(cuda.blockIdx.z + first_task)
    c = facts(class_, g)
    m, count = extent(c, g)
    if first_row >= m:
        return
    k = int32(part * chunk)
    end = count if count - k < chunk else int32(k + chunk)
    tiles = shared_array({tiles_size}, {dtype})  # x's, with k as its rows, then y's
    x_height, x_width = x_bounds(g)
    y_height, y_width = y_bounds(g)
{lines}
{begin}
    s = {zeros}  # the sums, row after row
    if k < end:
{load}
    while k < end:
{store}
        cuda.syncthreads()  # all have written the tiles
        k = int32(k + {tile.depth})
        if k < end:
{load_next}
{multiply}
        cuda.syncthreads()  # all have read them
    place = int32(int32(part * tasks + t) * out_rows)
{write}
"""


def product_source(
    tile: Tile, sharing: Sharing, x: Loading, y: Loading, dtype: str, writes_four: bool
) -> str:
    """The kernel as Python. writes_four: whether four neighbours of out are stored at once."""
    x_step, y_step = tile.m + sharing.gap, tile.n + sharing.gap
    y_begin = tile.depth * x_step
    lines = [*_lines("x", x, x_step, 0), *_lines("y", y, y_step, y_begin)]
    loads = [*_loads("x", x, dtype), *_loads("y", y, dtype)]
    stores = [*_stores("x", x, x_step, sharing), *_stores("y", y, y_step, sharing)]
    return KERNEL.format(
        tile=tile,
        dtype=dtype,
        tiles_size=tile.depth * (x_step + y_step),
        begin=_indented(sharing.begin, 1),
        lines=_indented(lines, 1),
        zeros=" + ".join(["(" + f"{dtype}(0), " * tile.share_n + ")"] * tile.share_m),
        load=_indented(loads, 2),
        load_next=_indented(loads, 3),
        store=_indented(stores, 2),
        multiply=_indented(sharing.multiply, 2),
        write=_indented(_writes(sharing.rows, sharing.columns, writes_four), 1),
    )


def _lines(name: str, loading: Loading, step: int, begin: int) -> list[str]:
    """What is known of a thread's lines before the loop over k, and where it writes its tile."""
    first, count = ("first_row", "m") if name == "x" else ("first_column", "n")
    beside = f"remainder(me, {loading.across}) * {loading.width}"
    below = f"quotient(me, {loading.across})"
    if loading.across > loading.threads:
        beside, below = f"me * {loading.width}", "0"
    line, k = (below, beside) if loading.along_k else (beside, below)
    text = [
        f"{name}_begin, {name}_first = int32({line}), int32({k})",
        f"{name}_to = int32({name}_first * {step} + {name}_begin + {begin})",
    ]
    for i, at in enumerate(loading.steps[0]):
        text += [
            f"line = int32({first} + {name}_begin + {at})",
            f"{name}_row{i}, {name}_column{i}, {name}_place{i} = {name}_line(line, t, c, g)",
            f"if line >= {count}:",
            f"    {name}_row{i} = int32({FAR})",
        ]
    return text


def _loads(name: str, loading: Loading, dtype: str) -> list[str]:
    """The elements of the next tile into registers: tuples of four, or single ones."""
    lines, ks = loading.steps
    four, zero, text = loading.width == 4, f"{dtype}(0)", []
    for j, at in enumerate(ks):
        text += [
            f"at = int32(k + {name}_first + {at})",
            f"row, column, {name}_k{j} = {name}_k(at, t, c, g)",
            "if at >= end:",
            f"    row = int32({FAR})",
        ]
        for i in range(len(lines)):
            place = f"int32({name}_place{i} + {name}_k{j})"
            value = f"load_four({name}, {place})" if four else f"{name}[{place}]"
            text += [
                f"{name}{i}_{j} = {f'({zero}, {zero}, {zero}, {zero})' if four else zero}",
                f"row_is_inside = uint32({name}_row{i} + row) < uint32({name}_height)",
                f"if row_is_inside and uint32({name}_column{i} + column) < uint32({name}_width):",
                f"    {name}{i}_{j} = {value}",
            ]
    return text


def _stores(name: str, loading: Loading, step: int, sharing: Sharing) -> list[str]:
    """What was loaded, from registers into the tile."""
    text = []
    for i, line in enumerate(loading.steps[0]):
        for j, k in enumerate(loading.steps[1]):
            value, at = f"{name}{i}_{j}", k * step + line
            if sharing.rounded:
                text.append(f"{value} = {sharing.rounded}({value})")
            if loading.width == 1:
                text.append(f"tiles[{name}_to + {at}] = {value}")
            elif loading.along_k:  # down a column
                text += [f"tiles[{name}_to + {at + e * step}] = {value}[{e}]" for e in range(4)]
            else:
                text.append(f"store_four(tiles, {name}_to + {at}, {value})")
    return text


def _writes(rows: list[int], columns: list[int], writes_four: bool) -> list[str]:
    """The share into `out`."""
    text = ["column = int32(first_column + column_from)"]
    for i, row in enumerate(rows):
        text += [
            f"row = int32(first_row + row_from + {row})",
            "if row < m:",
            "    to = int32(int32(place + out_row(row, c, g)) * n + column)",
        ]
        for j in range(0, len(columns), 4 if writes_four else 1):
            at, s = columns[j], i * len(columns) + j
            store = f"out[to + {at}] = s[{s}]"
            if writes_four:
                store = f"store_four(out, to + {at}, s[{s}:{s + 4}])"
            text += [f"    if column + {at} < n:", f"        {store}"]
    return text


def _indented(lines: list[str], by: int) -> str:
    return "\n".join("    " * by + line for line in lines)
