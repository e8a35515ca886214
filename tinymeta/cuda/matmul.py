"""Matrix products: a plain matrix as a product reads it (product.py).

    out[t, m, n] = sum_k x[t, m, k] y[t, k, n]

Cost: 2 T M N K operations; x is read from memory N / tile.n times, y M / tile.m times. What the
kernel does, and what limits it, is told in product_source.py; examples/gpu_ladder.py climbs there
in five rungs.
"""

import functools
from math import prod

from .array import Array, allocate
from .movement import contiguous, copy
from .product import Matrix, Problem, Sizes, run_product
from .target import device_function, int32


def matmul(out: Array, x: Array, w: Array) -> None:
    """for t, n, m:  out[t, n, m] = sum_k x[t, n, k] * w[t, k, m]

    out (.., N, M), x (.., N, K), w (.., K, M), of one dtype and any strides.
    """
    x, x_task = _with_task_stride(x)
    w, w_task = _with_task_stride(w)
    dense = out if out.is_dense else allocate(out.shape, out.dtype)
    m, n, k = *out.shape[-2:], x.shape[-1]
    sizes = Sizes(prod(out.shape[:-2]), 1, m, n, k, m)
    x_strides = x_task, x.strides[-2], x.strides[-1]  # of the task, a line and k
    w_strides = w_task, w.strides[-1], w.strides[-2]
    # Neighbouring threads read along the axis whose neighbours lie side by side.
    problem = _product_of(x_along_k=x_strides[2] == 1, w_along_k=w_strides[1] != 1)
    by_fours = _four_at_a_time(x_strides, m, k), _four_at_a_time(w_strides, n, k)
    run_product(problem, dense, x, w, sizes, (m, k, *x_strides, *w_strides), by_fours)
    if dense is not out:
        copy(out, dense)


def _with_task_stride(x: Array) -> tuple[Array, int]:
    """x and the one stride that leads from a matrix to the next; a copy, if there is none."""
    if (stride := x.task_stride) is not None:
        return x, stride
    return contiguous(x), prod(x.shape[-2:])


def _four_at_a_time(strides: tuple, length: int, count: int) -> bool:
    """Whether four neighbours along the axis of stride 1 can be loaded at once.

    strides: of the task, of the `length` lines, of the `count` k.
    """
    task, line, k = strides
    if line == 1 != k:
        return (task | k | length) % 4 == 0
    return k == 1 and (task | line | count) % 4 == 0


@device_function
def _x_line(i, t, c, g):
    return int32(0), int32(0), int32(t * g[2] + i * g[3])


@device_function
def x_k(i, t, c, g):
    return int32(0), int32(0), int32(i * g[4])


@device_function
def _w_line(i, t, c, g):
    return int32(0), int32(0), int32(t * g[5] + i * g[6])


@device_function
def w_k(i, t, c, g):
    return int32(0), int32(0), int32(i * g[7])


@device_function
def no_bounds(g):
    """Those of a plain matrix, whose rows and columns are all 0."""
    return int32(1), int32(1)


@functools.cache
def _product_of(x_along_k: bool, w_along_k: bool) -> Problem:
    """The product of two plain matrices. Their numbers: M, K, and the strides of x and w."""
    x = Matrix(_x_line, x_k, no_bounds, x_along_k)
    w = Matrix(_w_line, w_k, no_bounds, w_along_k)
    return Problem(x, w)
