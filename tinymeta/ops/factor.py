"""Factors of square matrices, and systems of a triangular one: what linalg.py is composed of.

    cholesky           L with a = L L'                a positive definite, its lower triangle read
    lu                 P, L and U with a = P L U      any a, with row exchanges
    triangular_solve   x with L x = b, or L' x = b    L's lower triangle read

Matrices are the last two axes, (.., n, n); leading ones are tasks. A third primitive, `lu`, is here
because no composition of the other two is stable for matrices that are not positive definite: by
normal equations the error would grow with the square of the condition. With it `solve`, `inv`,
`det` and `slogdet` are all one factorization.

P holds 0, 1 and -1: where two rows change places one also changes its sign, which is a rotation. So
det P = 1 and det a is the product of U's diagonal. P is constant as long as the same rows are
reordered, so no derivative goes through it.

Where there are no factors there is NaN: from the first pivot of `cholesky` that is not positive on.
Rules: Giles 2008, "Collected matrix derivative results"; Murray 2016, arXiv:1602.07527.
"""

from typing import Any

import numpy as np

from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from .broadcast import broadcast_to, sum_p
from .checks import ShapeDtype
from .indexing import getitem
from .matmul import matmul_p
from .movement import matrix_transpose

# ---- shapes and parts ---------------------------------------------------------------------------


def check_square(name: str, a: Any) -> None:
    """Raise ValueError for what is no matrix (.., n, n)."""
    sides = a.shape[-2:]
    if len(sides) < 2 or sides[0] != sides[1]:
        raise ValueError(f"{name}: the last two axes of {a.shape} must be equal: a square matrix")


def _cholesky_shape(a: Any) -> ShapeDtype:
    check_square("cholesky", a)
    return a.shape, a.dtype


def _lu_shape(a: Any) -> ShapeDtype:
    check_square("lu", a)
    *lead, n, _ = a.shape
    return (*lead, 3, n, n), a.dtype


def _solved_shape(matrix: Any, b: Any, transposed: bool) -> ShapeDtype:
    check_square("triangular_solve", matrix)
    if b.shape[:-1] != matrix.shape[:-1]:
        raise ValueError(
            f"triangular_solve: {matrix.shape} and {b.shape} do not fit: b needs the leading axes "
            "and the rows of the matrix"
        )
    return b.shape, b.dtype


def parts(stacked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """P, L and U (.., n, n) of what `lu_p` returns, (.., 3, n, n)."""
    every = slice(None)
    p = getitem(stacked, (..., 0, every, every))
    lower = getitem(stacked, (..., 1, every, every))
    upper = getitem(stacked, (..., 2, every, every))
    return p, lower, upper


def masked(x: Tensor, mask: np.ndarray) -> Tensor:
    """Each matrix (.., n, n) times the numbers of a constant one (n, n), element by element."""
    constant: Any = asarray(mask.astype(x.dtype))
    return x * constant


def _lower_mask(n: int, diagonal: float) -> np.ndarray:
    """Ones below the diagonal, this number on it, zeros above."""
    return np.tri(n, n, -1) + diagonal * np.eye(n)


# ---- derivative rules ---------------------------------------------------------------------------


def _half(x: Tensor) -> Tensor:
    """The lower triangle with half of the diagonal: of M + M' it is the one that M has."""
    return masked(x, _lower_mask(x.shape[-1], 0.5))


def _cholesky_rule(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    """With dL = L half(L^-1 da L^-T):  half(s + s') of s = L^-T half(L' g) L^-1."""
    inner = triangular_solve_p(y, _half(matmul_p(matrix_transpose(y), g)), transposed=True)
    s: Any = triangular_solve_p(y, matrix_transpose(inner), transposed=True)
    return _half(s + matrix_transpose(s))


def _matrix_rule(g: Tensor, x: Tensor, matrix: Tensor, b: Tensor, transposed: bool) -> Tensor:
    """From dL x + L dx = db:  - (L^-T g) x', of which the lower triangle was read."""
    of_b = triangular_solve_p(matrix, g, transposed=not transposed)
    left, right = (x, of_b) if transposed else (of_b, x)
    product = matmul_p(left, matrix_transpose(right))
    return masked(product, -_lower_mask(x.shape[-2], 1.0))


def _lu_rule(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    """With m = L^-1 P' da U^-1:  dL = L (m below the diagonal), dU = (the rest of m) U.

    So, with s what L' gL - gU U' is below the diagonal:  P L^-T (gU + s U^-T).
    """
    p, lower, upper = parts(y)
    _, of_lower, of_upper = parts(g)
    below = _lower_mask(a.shape[-1], 0.0)
    of_upper = masked(of_upper, 1.0 - below)
    from_lower: Any = matmul_p(matrix_transpose(lower), of_lower)
    s = masked(from_lower - matmul_p(of_upper, matrix_transpose(upper)), below)
    solved: Any = triangular_solve_p(matrix_transpose(upper), matrix_transpose(s), transposed=True)
    total = of_upper + matrix_transpose(solved)
    return matmul_p(p, triangular_solve_p(lower, total, transposed=True))


# fmt: off
# Declared first, as rules name them before they are assigned.
triangular_solve_p: Primitive

cholesky_p = Primitive("cholesky", shape=_cholesky_shape, family="factor", vjps=(_cholesky_rule,))
lu_p = Primitive("lu", shape=_lu_shape, family="factor", vjps=(_lu_rule,))
triangular_solve_p = Primitive("triangular_solve", shape=_solved_shape, family="factor", vjps=(
    _matrix_rule,
    lambda g, x, matrix, b, transposed: triangular_solve_p(matrix, g, transposed=not transposed)))
# fmt: on


# ---- what is made of P, L and U -----------------------------------------------------------------


def pivots(factors: Tensor) -> Tensor:
    """The diagonals of U, (.., n), of what `lu_p` returns: a determinant is the product of one."""
    _, _, upper = parts(factors)
    diagonal = masked(upper, np.eye(upper.shape[-1]))
    return sum_p(diagonal, axes=(upper.ndim - 1,))


def solution(factors: Tensor, b: Tensor) -> Tensor:
    """x with P L U x = b, (.., n, k): first L y = P' b, then U x = y.

    factors: what `lu_p` returns; its leading axes broadcast to those of b.
    """
    leading = b.shape[:-2]
    sides = factors.shape[-2:]
    p, lower, upper = (broadcast_to(x, (*leading, *sides)) for x in parts(factors))
    reordered = matmul_p(matrix_transpose(p), b)
    y = triangular_solve_p(lower, reordered, transposed=False)
    return triangular_solve_p(matrix_transpose(upper), y, transposed=True)
