"""Gathering and scattering along the middle axis of (A, n, B).

Gathering: a thread for each result. Scattering the same way would have threads add to one place at
once; atomic additions would be right, but in an order that changes from run to run. So a thread owns
a column of the result, (a, b), and adds along j in order: two runs agree to the bit, and what limits
it is how few columns there may be.
"""

from .launch import Kernel
from .loops import THREADS
from .movement import contiguous
from .target import cuda


def take(out, x, i):
    """for a, j, b:  out[a, j, b] = x[a, i[j], b]"""
    gather(
        blocks(out.size),
        THREADS,
        out,
        contiguous(x),
        contiguous(i),
        out.size,
        x.shape[1],
        out.shape[1],
        x.shape[2],
        1,
        0,
    )


def take_along(out, x, i):
    """for a, j, b:  out[a, j, b] = x[a, i[a, j, b], b]"""
    gather(
        blocks(out.size),
        THREADS,
        out,
        contiguous(x),
        contiguous(i),
        out.size,
        x.shape[1],
        out.shape[1],
        x.shape[2],
        0,
        1,
    )


def scatter_add(out, g, i, *, size):
    """out = 0;  for a, j, b:  out[a, i[j], b] += g[a, j, b]"""
    scatter(
        blocks(out.shape[0] * out.shape[2]),
        THREADS,
        out,
        contiguous(g),
        contiguous(i),
        out.shape[0] * out.shape[2],
        size,
        g.shape[1],
        g.shape[2],
        1,
        0,
    )


def scatter_add_along(out, g, i, *, size):
    """out = 0;  for a, j, b:  out[a, i[a, j, b], b] += g[a, j, b]"""
    scatter(
        blocks(out.shape[0] * out.shape[2]),
        THREADS,
        out,
        contiguous(g),
        contiguous(i),
        out.shape[0] * out.shape[2],
        size,
        g.shape[1],
        g.shape[2],
        0,
        1,
    )


def blocks(threads: int) -> int:
    return -(-threads // THREADS)


@Kernel
def gather(out, x, index, count, n, m, width, by_j, by_element):
    """The index of element (a, j, b): index[j] where by_j is 1, index[a, j, b] where by_element is."""
    e = cuda.grid(1)
    if e < count:
        b, j, a = e % width, e // width % m, e // (width * m)
        out[e] = x[(a * n + index[by_j * j + by_element * e]) * width + b]


@Kernel
def scatter(out, g, index, count, n, m, width, by_j, by_element):
    column = cuda.grid(1)
    if column < count:
        a, b = column // width, column % width
        for k in range(n):
            out[(a * n + k) * width + b] = 0
        for j in range(m):
            e = (a * m + j) * width + b
            place = (a * n + index[by_j * j + by_element * e]) * width + b
            out[place] += g[e]
