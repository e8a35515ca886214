"""Which tile a product is cut into, and into how many parts its sum: by a price of each way.

A large tile has fewer instructions for a multiplication, and reads less; but if there are fewer
blocks than a GPU has multiprocessors, the others are idle, and what a tile reaches beyond the
result is computed for nothing. Where even small tiles are few, the sum over k is cut into parts:
each block adds up one of them, and a second kernel adds the parts, in order. Atomic additions would
need no second kernel, but would change the last bits from run to run.

The price is the time by a model, in clocks of one multiprocessor of a large GPU; what it assumes is
what tinymeta/ptx/model.py does, and that a multiprocessor needs 256 threads to have always one
that can begin an instruction. It is the same on all GPUs, so the same bits come on each.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

from .sharing import Tile
from .target import SIMULATED

_MULTIPROCESSORS = 132
WIDTH = 128  # threads that begin an instruction in a clock, of a multiprocessor
_ENOUGH_THREADS = 256
BYTES = 1900  # of memory in a clock, for all
_LAUNCH = 2600  # clocks of a kernel more
_AROUND = 150  # a thread's instructions before and behind its loop
_A_STEP = 40  # those of the loads and barriers of one tile of k
_MOST_PARTS = 16  # each is an operand of the kernel that adds them

TILES = {
    "float32": (
        Tile(128, 128, 8, 8, 8),
        Tile(128, 64, 16, 8, 4),
        Tile(64, 64, 16, 4, 4),
        Tile(32, 64, 16, 4, 4),
        Tile(64, 16, 16, 4, 4),
        Tile(16, 64, 16, 4, 4),
        Tile(16, 16, 16, 2, 2),
    ),
    "float64": (Tile(64, 64, 16, 4, 4), Tile(16, 64, 16, 4, 4), Tile(16, 16, 16, 2, 2)),
}
BY_WARP = (
    Tile(128, 128, 16, 8, 8, by_warp=True),
    Tile(128, 64, 16, 8, 8, by_warp=True),
    Tile(64, 64, 16, 4, 8, by_warp=True),
    Tile(32, 64, 16, 4, 8, by_warp=True),
    Tile(32, 32, 16, 4, 8, by_warp=True),
)
TILES["tf32"] = (*BY_WARP, *TILES["float32"])  # where a warp's tiles are too large, float32
if SIMULATED:  # a Python thread for each of the GPU's: few of them
    TILES = {dtype: (Tile(8, 8, 4, 4, 4),) for dtype in TILES}


class Cut(NamedTuple):
    """A tile, and into how many parts the sum over k is cut: each `chunk` long but the last."""

    tile: Tile
    parts: int
    chunk: int


@functools.cache
def best_cut(copies: int, m: int, n: int, k: int, kind: str) -> Cut:
    """The cheapest cut of so many products of (m, k) by (k, n). kind: one of TILES."""
    return min(_cuts(k, kind), key=lambda cut: price(cut, copies, m, n, k, kind))


def _cuts(k: int, kind: str) -> Iterator[Cut]:
    for tile in TILES[kind]:
        steps = max(-(-k // tile.depth), 1)
        for parts in range(1, min(steps, _MOST_PARTS) + 1):
            chunk = -(-steps // parts) * tile.depth
            if -(-k // chunk) == parts or parts == 1:  # not one that leaves a part without work
                yield Cut(tile, parts, chunk)


def price(cut: Cut, copies: int, m: int, n: int, k: int, kind: str) -> float:
    """Clocks that a product takes, cut like this."""
    tile, parts, chunk = cut
    blocks = -(-m // tile.m) * -(-n // tile.n) * copies * parts
    a_step = tile.depth * _instructions(tile) + _A_STEP + _rounding(tile)
    steps = min(chunk, k) / tile.depth
    rounds = -(-blocks // _MULTIPROCESSORS)
    full = max(rounds * tile.threads, _ENOUGH_THREADS) / WIDTH
    computing = full * (_AROUND + steps * a_step)
    size = 8 if kind == "float64" else 4
    moving = blocks * steps * tile.depth * (tile.m + tile.n) * size / BYTES
    return max(computing, moving) + _adding(parts, copies * m * n, size)


def _instructions(tile: Tile) -> float:
    """Of a thread for one k: its multiplications, and the loads of four numbers or fewer.

    A load of shared memory keeps the multiprocessor's one unit for it as long as four others take.
    """
    if tile.by_warp:
        return _instructions_of_a_warp(tile)
    loads = -(-tile.share_m // 4) + -(-tile.share_n // 4)
    return max(tile.share_m * tile.share_n + loads, 4 * loads)


def _instructions_of_a_warp(tile: Tile) -> float:
    """Of each of its threads for one k: those that it begins, or that take as long.

    For eight k it loads four numbers so often, each time for four clocks of the multiprocessor in
    which this would begin 16 instructions of a warp, and each product takes one clock of it.
    """
    loads, products = 2 * (tile.share_m // 4 + tile.share_n // 8), tile.share_m * tile.share_n // 4
    return max(loads + products, 16 * loads, 4 * products) / 8


def _rounding(tile: Tile) -> float:
    """Of a thread for one tile of k: three for each number that it rounds to TF32."""
    return 3 * tile.depth * (tile.m + tile.n) / tile.threads if tile.by_warp else 0


def _adding(parts: int, elements: int, size: int) -> float:
    """Clocks of the kernel that adds the parts."""
    if parts == 1:
        return 0
    computing = elements * (20 + 4 * parts) / (_MULTIPROCESSORS * WIDTH)
    return _LAUNCH + max(computing, elements * (2 * parts + 1) * size / BYTES)
