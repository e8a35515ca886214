"""Factors of square matrices and triangular systems, a matrix (n, n) after another of (.., n, n).

For many small matrices, as a batch of tasks has them: a block of threads factors a matrix, in the
memory of the result. Between its steps, of which there are two or three for each column, its
threads wait for each other; that is what limits it, as the work of a step is a column or a row for
each thread. Of a triangular system every column of b is a thread's own, and nobody waits.

Each number is made by one thread in one order, so two runs agree to the bit. `out` is contiguous;
other arrays are made so.
"""

import math
from math import prod

from .array import Array
from .launch import THREADS, GpuKernel, block_count
from .movement import contiguous
from .target import cuda

_WARP = 32


def cholesky(out: Array, a: Array) -> None:
    """for i >= j:  out[i, j] = (a[i, j] - sum_k<j out[i, k] out[j, k]) / out[j, j]

    out[j, j] is the root of that sum. out, a (.., n, n); the upper triangle of a is not read, that
    of out is 0. NaN from the first sum that is not positive on.
    """
    n = a.shape[-1]
    if n:
        _cholesky(prod(a.shape[:-2]), _threads(n), out, contiguous(a), n)


def lu(out: Array, a: Array) -> None:
    """for k:  the row that is largest in column k comes to the top of those left;
    for i > k:  L[i, k] = U[i, k] / U[k, k];  U[i, :] -= L[i, k] U[k, :]

    out (.., 3, n, n): P, L, U, at first 1, 1 and a (.., n, n). Rows that change places do so as in
    a rotation, one with its sign changed. A column without a pivot has no multipliers: L has 0.
    """
    n = a.shape[-1]
    if n:
        _lu(prod(a.shape[:-2]), _threads(n), out, contiguous(a), n)


def triangular_solve(out: Array, matrix: Array, b: Array, *, transposed: bool) -> None:
    """for i, c:  out[i, c] = (b[i, c] - sum_k<i L[i, k] out[k, c]) / L[i, i]

    out, b (.., n, m); L, the matrix (.., n, n), of which the upper triangle is not read.
    transposed: from the last row to the first, with L[k, i] and k > i. A thread for each column.
    """
    *lead, n, width = b.shape
    count = prod(lead) * width
    steps = (1, n) if transposed else (n, 1)  # in L, to the next row and to the next column
    first, along = (n - 1, -1) if transposed else (0, 1)  # the rows, in the order they are solved
    numbers = count, n, width, *steps, first, along
    _triangular(block_count(count), THREADS, out, contiguous(matrix), contiguous(b), *numbers)


def _threads(n: int) -> int:
    """Of a block for a matrix of n rows: whole warps, no more than a row each."""
    return min(THREADS, -(-n // _WARP) * _WARP)


@GpuKernel
def _cholesky(out, a, n):
    """A block for each matrix: out, a, pointers to (T, n, n)."""
    begin, me, width = cuda.blockIdx.x * n * n, cuda.threadIdx.x, cuda.blockDim.x
    for j in range(n):
        row_j = begin + j * n
        for i in range(me, n, width):
            row_i = begin + i * n
            rest = a[row_i + j]
            for k in range(j):
                rest -= out[row_i + k] * out[row_j + k]
            out[row_i + j] = rest
        cuda.syncthreads()  # all of column j has what is left of a
        rest = out[row_j + j]
        cuda.syncthreads()  # all have read it
        for i in range(me, n, width):
            place = begin + i * n + j
            if i < j:
                out[place] = 0
            elif not rest > 0:
                out[place] = math.nan
            elif i == j:
                out[place] = math.sqrt(rest)
            else:
                out[place] = out[place] / math.sqrt(rest)
        cuda.syncthreads()  # column j is written


@GpuKernel
def _lu(out, a, n):
    """A block for each matrix: out, a pointer to (T, 3, n, n); a, to (T, n, n)."""
    size, me, width = n * n, cuda.threadIdx.x, cuda.blockDim.x
    begin, p = cuda.blockIdx.x * size, 3 * cuda.blockIdx.x * size
    lower, upper = p + size, p + 2 * size
    for e in range(me, size, width):
        out[p + e], out[lower + e] = 0, 0
        out[upper + e] = a[begin + e]
        if e // n == e % n:
            out[p + e], out[lower + e] = 1, 1
    cuda.syncthreads()
    for k in range(n):
        top = k  # found by every thread for itself: they read the same numbers at the same time
        for i in range(k + 1, n):
            if abs(out[upper + i * n + k]) > abs(out[upper + top * n + k]):
                top = i
        cuda.syncthreads()  # all have found it
        if top != k:
            for j in range(me, n, width):
                one, other = upper + k * n + j, upper + top * n + j
                out[one], out[other] = out[other], -out[one]
                one, other = p + j * n + k, p + j * n + top
                out[one], out[other] = out[other], -out[one]
                if j < k:
                    one, other = lower + k * n + j, lower + top * n + j
                    out[one], out[other] = out[other], -out[one]
        cuda.syncthreads()  # the rows are in their places
        pivot = out[upper + k * n + k]
        for i in range(k + 1 + me, n, width):
            row = upper + i * n
            multiplier = out[lower + i * n + k]  # 0
            if pivot != 0:
                multiplier = out[row + k] / pivot
                out[lower + i * n + k] = multiplier
            out[row + k] = 0
            for j in range(k + 1, n):
                out[row + j] -= multiplier * out[upper + k * n + j]
        cuda.syncthreads()  # column k is done


@GpuKernel
def _triangular(out, matrix, b, count, n, width, by_row, by_column, first, along):
    """A thread for each of the `count` columns of b. out, b: pointers to (T, n, width); matrix, to
    (T, n, n).
    """
    e = cuda.grid(1)
    if e < count:
        t, c = e // width, e % width
        begin = t * n * width + c
        for step in range(n):
            i = first + along * step
            rest = b[begin + i * width]
            for solved in range(step):
                k = first + along * solved
                factor = matrix[t * n * n + i * by_row + k * by_column]
                rest -= factor * out[begin + k * width]
            out[begin + i * width] = rest / matrix[t * n * n + i * (n + 1)]
