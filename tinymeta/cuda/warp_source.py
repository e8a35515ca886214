"""How warps share a product's tile: each multiplies fragments on tensor cores, in TF32.

The tile of out is made of squares of 32 x 32, and so are the shares of warps, set apart as those of
threads are (sharing.py). For eight k each thread loads four neighbouring rows of x and four
neighbouring columns of y of each square, at its two k, and the warp multiplies all of them: eight
products of 16 x 8 by 8 x 8 a square (tensor_cores.py says who has what).

    thread 4 g + p     x tile, a row for each k          y tile               out, 32 x 32
                       k = p      ..[4 g .. 4 g + 3]..   the same of columns  rows 4 g .. 4 g + 3,
                       k = p + 4  ..[4 g .. 4 g + 3]..                        columns 8 p .. 8 p + 7

Numbers are rounded to TF32 where they enter a tile, once, not where they are multiplied. What
limits it are loads of shared memory, 128 bytes a clock of a multiprocessor: a warp of a x b squares
takes 8 (a + b) clocks for them and 8 a b for its products.
"""

from .sharing import Sharing, Tile, share_places, shared

_STEP = 8  # k of a product of a warp


def by_warps(tile: Tile) -> Sharing:
    """share_m: 4 rows for each square of a warp along m; share_n: 8 columns for each along n."""
    # Where a row begins 8 numbers on, the four k of a quarter of a warp lie in four sets of banks.
    gap = 8
    x_step, y_step = tile.m + gap, tile.n + gap
    warps_n = tile.n // (4 * tile.share_n)
    begin = [
        "warp, group, place = quotient(me, 32), quotient(remainder(me, 32), 4), remainder(me, 4)",
        f"warp_m, warp_n = quotient(warp, {warps_n}), remainder(warp, {warps_n})",
        "row_from = int32(warp_m * 32 + group * 4)",
        "column_from = int32(warp_n * 32 + place * 8)",
        f"x_from = int32(place * {x_step} + row_from)",
        f"y_from = int32(place * {y_step} + warp_n * 32 + group * 4 + {tile.depth * x_step})",
    ]
    rows, columns = share_places(tile.m, tile.share_m), share_places(tile.n, tile.share_n, 8)
    read = share_places(tile.n, tile.share_n // 2)  # the first columns that it reads of each square
    multiply = []
    for k in range(0, tile.depth, _STEP):
        x, y = (
            f"{shared(name, k * step, places)} + {shared(name, (k + 4) * step, places)}"
            for name, step, places in (("x", x_step, rows), ("y", y_step, read))
        )
        multiply.append(f"s = warp_product_added(s, {x}, {y})")
    return Sharing(gap, "rounded_to_tf32", begin, rows, columns, multiply)
