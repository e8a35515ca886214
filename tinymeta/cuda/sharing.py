"""How the threads of a block share a product's tile: each by itself; warp_source.py: by warps.

What differs between the two is text of the kernel that product_source.py writes: where a thread's
share of the sums lies, and how it is multiplied.
"""

from typing import NamedTuple


class Tile(NamedTuple):
    """How a product is cut: powers of two; Volkov & Demmel 2008 have the idea (ladder.py).

    by_warp: whether warps multiply in TF32 (warp_source.py), else each thread its own float32.
    """

    m: int
    n: int
    depth: int
    share_m: int
    share_n: int
    by_warp: bool = False

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.m // self.share_m * (self.n // self.share_n)


class Sharing(NamedTuple):
    """How the threads of a block share the sums of a tile.

    gap: rows of a tile in shared memory begin so many numbers behind the last one's end. rounded:
    what the numbers go through on their way there. begin: text that says where a thread's share
    begins in the tile of out, row_from and column_from, and what it reads of those of x and y,
    x_from and y_from. rows, columns: of its share, counted from there. multiply: a tile's products.
    """

    gap: int
    rounded: str
    begin: list[str]
    rows: list[int]
    columns: list[int]
    multiply: list[str]


def by_threads(tile: Tile) -> Sharing:
    """Each thread multiplies its rows of x by its columns of y."""
    # Rows begin 4 numbers on, in other banks: else threads that write a column of a tile would
    # wait for each other.
    gap = 4
    x_step, y_step = tile.m + gap, tile.n + gap
    rows, columns = share_places(tile.m, tile.share_m), share_places(tile.n, tile.share_n)
    threads_n = tile.n // tile.share_n
    begin = [
        f"row_from = x_from = int32(quotient(me, {threads_n}) * {min(4, tile.share_m)})",
        f"column_from = int32(remainder(me, {threads_n}) * {min(4, tile.share_n)})",
        f"y_from = int32(column_from + {tile.depth * x_step})",
    ]
    multiply = [
        f"s = outer_added(s, {shared('x', k * x_step, rows)}, {shared('y', k * y_step, columns)})"
        for k in range(tile.depth)
    ]
    return Sharing(gap, "", begin, rows, columns, multiply)


def share_places(length: int, share: int, most: int = 4) -> list[int]:
    """Where a thread's rows or columns lie, counted from its first one: fours, set apart.

    most: how many lie together, in the place of four.
    """
    group = min(most, share)
    apart = group * (length // share)
    return [i // group * apart + i % group for i in range(share)]


def shared(name: str, begin: int, places: list[int]) -> str:
    """Text: a thread's rows of x or columns of y for one k, from shared memory, as a tuple."""
    if len(places) < 4:
        return "(" + ", ".join(f"tiles[{name}_from + {begin + at}]" for at in places) + ")"
    return " + ".join(f"load_four(tiles, {name}_from + {begin + at})" for at in places[::4])
