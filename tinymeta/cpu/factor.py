"""Factors of square matrices and triangular systems, a matrix (n, n) after another of (.., n, n).

Up to SMALL rows the loops here are run, which compiled programs call as well and which need no
Python. A larger matrix goes to LAPACK for its Cholesky factor, by NumPy. NumPy has no triangular
systems and no factors of a general matrix (its `solve` keeps them to itself): large ones are taken
in halves and in panels of columns, so that most of the work is products, which are BLAS's.

What is called `_contiguous` takes (T, n, n), contiguous, and is what compiled programs call
(jit/array_kernels.py). Cost: n^3 / 3 multiplications, 2 n^3 / 3 of `lu`, n^2 m of a system.
"""

from math import sqrt

import numpy as np

from .inlining import inlined
from .native import native

_PANEL = 32  # columns
SMALL = 64  # rows from which a call of NumPy costs less than its library saves


def cholesky(out: np.ndarray, a: np.ndarray) -> None:
    """for i >= j:  out[i, j] = (a[i, j] - sum_k<j out[i, k] out[j, k]) / out[j, j]

    out[j, j] is the root of that sum. out, a (.., n, n); the upper triangle of a is not read, that
    of out is 0. NaN from the first sum that is not positive on.
    """
    if a.shape[-1] <= SMALL:
        cholesky_contiguous(_in_a_row(out), _in_a_row(a))
        return
    for lower, matrix in zip(_in_a_row(out), _in_a_row(a)):
        try:
            lower[...] = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            lower[...] = np.nan


@native
def cholesky_contiguous(out, a):
    for t in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(i + 1):
                rest = a[t, i, j]
                for k in range(j):
                    rest -= out[t, i, k] * out[t, j, k]
                if i > j:
                    out[t, i, j] = rest / out[t, j, j]
                elif rest > 0:
                    out[t, i, i] = sqrt(rest)
                else:
                    out[t, i, i] = np.nan
            out[t, i, i + 1 :] = 0


def lu(out: np.ndarray, a: np.ndarray) -> None:
    """for k:  the row that is largest in column k comes to the top of those left;
    for i > k:  L[i, k] = U[i, k] / U[k, k];  U[i, :] -= L[i, k] U[k, :]

    out (.., 3, n, n): P, L, U, at first 1, 1 and a (.., n, n). Rows that change places do so as in
    a rotation, one with its sign changed. A column without a pivot has no multipliers: L has 0.
    """
    matrices = _in_a_row(a)
    factors = out.reshape(len(matrices), *out.shape[-3:])
    if a.shape[-1] <= SMALL:
        lu_contiguous(factors, matrices)
    else:
        for (p, lower, upper), matrix in zip(factors, matrices):
            _lu_in_panels(p, lower, upper, matrix)


def _lu_in_panels(p: np.ndarray, lower: np.ndarray, upper: np.ndarray, matrix: np.ndarray) -> None:
    """One matrix, some columns after others: those to the right of them follow by a product."""
    n = len(matrix)
    p[...] = lower[...] = np.eye(n)
    upper[...] = matrix
    for first in range(0, n, _PANEL):
        last = min(first + _PANEL, n)
        _eliminate_columns(p, lower, upper, first, last)
        done, rest = slice(first, last), slice(last, n)
        rows = np.empty((last - first, n - last), matrix.dtype)
        triangular_solve(rows, lower[done, done], upper[done, rest], transposed=False)
        upper[done, rest] = rows
        upper[rest, rest] -= lower[rest, done] @ rows


@native
def lu_contiguous(out, a):
    n = a.shape[1]
    for t in range(a.shape[0]):
        p, lower, upper = out[t, 0], out[t, 1], out[t, 2]
        p[:], lower[:] = 0, 0
        for k in range(n):
            p[k, k], lower[k, k] = 1, 1
            for j in range(n):  # assigned as a whole, Numba compiles an error's text, too
                upper[k, j] = a[t, k, j]
        _eliminate(p, lower, upper, 0, n)


@native
def _eliminate_columns(p, lower, upper, first, last):
    _eliminate(p, lower, upper, first, last)


@inlined
def _eliminate(p, lower, upper, first, last):
    """The step k of `lu` for these columns; beyond the last, rows change places and no more."""
    n = len(upper)
    for k in range(first, last):
        top = k
        for i in range(k + 1, n):
            if abs(upper[i, k]) > abs(upper[top, k]):
                top = i
        if top != k:
            for j in range(n):
                upper[k, j], upper[top, j] = upper[top, j], -upper[k, j]
                p[j, k], p[j, top] = p[j, top], -p[j, k]
            for j in range(k):
                lower[k, j], lower[top, j] = lower[top, j], -lower[k, j]
        for i in range(k + 1, n):
            if upper[k, k] != 0:
                lower[i, k] = upper[i, k] / upper[k, k]
            upper[i, k] = 0
            for j in range(k + 1, last):
                upper[i, j] -= lower[i, k] * upper[k, j]


def triangular_solve(
    out: np.ndarray, matrix: np.ndarray, b: np.ndarray, *, transposed: bool
) -> None:
    """for i, c:  out[i, c] = (b[i, c] - sum_k<i L[i, k] out[k, c]) / L[i, i]

    out, b (.., n, m); L, the matrix (.., n, n), of which the upper triangle is not read.
    transposed: from the last row to the first, with L[k, i] and k > i.
    """
    arrays = _in_a_row(out), _in_a_row(matrix), _in_a_row(b)
    if matrix.shape[-1] <= SMALL:
        triangular_solve_contiguous(*arrays, transposed)
    else:
        for x, lower, right in zip(*arrays):
            _solve_in_halves(x, lower, right, transposed)


def _solve_in_halves(x: np.ndarray, lower: np.ndarray, b: np.ndarray, transposed: bool) -> None:
    """One system, x and b (n, m): half of the rows, then the others with these put in."""
    n = len(lower)
    if n <= SMALL:
        matrix = np.ascontiguousarray(lower)
        triangular_solve_contiguous(x[None], matrix[None], b[None], transposed)
        return
    above, below = slice(n // 2), slice(n // 2, n)
    corner = lower[below, above]
    first, last = (below, above) if transposed else (above, below)
    _solve_in_halves(x[first], lower[first, first], b[first], transposed)
    rest = b[last] - (corner.T if transposed else corner) @ x[first]
    _solve_in_halves(x[last], lower[last, last], rest, transposed)


@native
def triangular_solve_contiguous(out, matrix, b, transposed):
    n, width = b.shape[1:]
    for t in range(b.shape[0]):
        for step in range(n):
            i = n - 1 - step if transposed else step
            for c in range(width):
                out[t, i, c] = b[t, i, c]
            for solved in range(step):
                k = n - 1 - solved if transposed else solved
                factor = matrix[t, k, i] if transposed else matrix[t, i, k]
                for c in range(width):
                    out[t, i, c] -= factor * out[t, k, c]
            for c in range(width):  # by 0, too, as NumPy does
                out[t, i, c] = np.divide(out[t, i, c], matrix[t, i, i])


def _in_a_row(x: np.ndarray) -> np.ndarray:
    """(.., n, m) as (T, n, m), contiguous: itself in other axes, if it is that."""
    *lead, n, m = x.shape
    tasks = int(np.prod(lead))
    return np.ascontiguousarray(x).reshape(tasks, n, m)
