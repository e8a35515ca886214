"""Linear algebra under NumPy's names, `tm.linalg.solve` and so on, composed of factor.py.

Matrices are the last two axes and leading axes broadcast, so all of it is done for all tasks at
once, and can be differentiated to any order. Of what is asked the factor is

    solve, inv, det, slogdet    P L U, by row exchanges: stable for any matrix that is invertible
    cholesky                    L L', of half the cost, for a positive definite one
    lstsq                       Q R, of a matrix of full rank

Where there is none, np.linalg.LinAlgError is raised, a ValueError, as NumPy does. A program of
`jit`, or a GPU, does not look at values: there the result of that task is NaN or infinite.
Integers become float32; float16, for which NumPy has none of this either, is a TypeError.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.checks import check_flag
from ..core.naming import with_error_prefix
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from .broadcast import broadcast_to
from .compose import norm
from .elementwise import abs, log, sign, square
from .factor import check_square, cholesky_p, lu_p, parts, pivots, solution, triangular_solve_p
from .matmul import broadcast_leading_axes, matmul, matmul_p
from .more_reduce import prod
from .movement import expand_dims, matrix_transpose, squeeze
from .promote import promote
from .reduce import sum

__all__ = ["cholesky", "det", "inv", "lstsq", "norm", "slogdet", "solve", "solve_triangular"]

# ---- arguments ----------------------------------------------------------------------------------


def _floating(name: str, *inputs: Any) -> tuple[Any, ...]:
    """The inputs as tensors of one dtype, float32 or float64; TypeError for another float."""
    found = promote(name, inputs, floating=True)
    if found[0].dtype not in (np.float32, np.float64):
        raise TypeError(
            f"{name} has no loop for {found[0].dtype}: cast to float32 or float64 with astype"
        )
    return found


def _system(name: str, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """A matrix and a right side with the same rows, as matrices, and whether that was a vector."""
    a, b = _floating(name, a, b)
    is_vector = b.ndim == 1
    columns = expand_dims(b, -1) if is_vector else b
    are_matrices = a.ndim > 1 and columns.ndim > 1
    if not are_matrices or columns.shape[-2] != a.shape[-2]:
        raise ValueError(
            f"{name}: {a.shape} and {b.shape} do not fit: the matrix is (.., m, n) and the right "
            "side (m,) or (.., m, k)"
        )
    return a, columns, is_vector


def _as_given(x: Tensor, is_vector: bool) -> Tensor:
    return squeeze(x, -1) if is_vector else x


def _refuse(x: Tensor, is_bad: Callable, problem: str) -> None:
    """Raise LinAlgError with the problem, if the values of x are known and bad for some task."""

    def test(values: np.ndarray) -> None:
        bad = np.asarray(is_bad(values))
        if bad.any():
            of = "the matrix is"
            if bad.size > 1:
                of = f"{bad.sum()} of {bad.size} matrices are"
            raise np.linalg.LinAlgError(problem.format(of=of))

    if x.size:
        require(x, test)


def _has_zero(values: np.ndarray) -> np.ndarray:
    """Has a matrix a 0 on its diagonal?"""
    diagonals = np.diagonal(values, axis1=-2, axis2=-1)
    return (diagonals == 0).any(-1)


def _has_nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values).any((-2, -1))


# ---- factors -------------------------------------------------------------------------------------


def cholesky(a: Any) -> Tensor:
    """The lower triangular L with a = L L', for a symmetric positive definite a (.., n, n).

    NumPy reads the lower triangle of a; here it is the mean of both, which is the same, so that
    the gradient is symmetric, as in PyTorch and JAX. Raises LinAlgError if a is not positive
    definite, ValueError if it is not square.
    """
    (a,) = _floating("cholesky", a)
    check_square("cholesky", a)
    found = cholesky_p((a + matrix_transpose(a)) * 0.5)
    is_known = isinstance(a.value, np.ndarray)
    if is_known and np.isfinite(a.value).all():  # else NaN stays NaN
        how = "add a multiple of the identity, or make sure that it is symmetric"
        _refuse(found, _has_nan, f"cholesky: {{of}} not positive definite: {how}")
    return found


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Tensor:
    """x with a x = b, of a triangular matrix (.., n, n) and b, (n,) or (.., n, k).

    The other triangle of a is not read. The name and `lower` are SciPy's. Raises LinAlgError for a
    0 on the diagonal, ValueError where the shapes do not fit.
    """
    check_flag("solve_triangular", lower=lower)
    a, b, is_vector = _system("solve_triangular", a, b)
    _refuse(a, _has_zero, "solve_triangular: {of} singular, with a 0 on its diagonal")
    a, b = broadcast_leading_axes("solve_triangular", a, b, 2)
    x = triangular_solve_p(a if lower else matrix_transpose(a), b, transposed=not lower)
    return _as_given(x, is_vector)


def solve(a: Any, b: Any) -> Tensor:
    """x with a x = b, of square matrices (.., n, n) and b, (n,) or (.., n, k).

    One factorization with row exchanges, as in LAPACK; an error of about the condition of a times
    the rounding, in x and in its gradient. Raises LinAlgError for a singular matrix, ValueError
    where the shapes do not fit.
    """
    return _solution("solve", a, b)


def inv(a: Any) -> Tensor:
    """The inverse of each matrix (.., n, n); `solve` is what is wanted in a product with it.

    Raises LinAlgError for a singular matrix, ValueError for one that is not square.
    """
    (a,) = _floating("inv", a)
    check_square("inv", a)
    identity = np.eye(a.shape[-1], dtype=a.dtype)
    return _solution("inv", a, identity)


def _solution(name: str, a: Any, b: Any) -> Tensor:
    """A matrix that several right sides share is factored once."""
    a, b, is_vector = _system(name, a, b)
    factors = lu_p(a)
    _, columns = broadcast_leading_axes(name, a, b, 2)
    _, _, upper = parts(factors)
    _refuse(upper, _has_zero, f"{name}: {{of}} singular: there is no one solution")
    return _as_given(solution(factors, columns), is_vector)


# ---- determinants --------------------------------------------------------------------------------


class SlogdetResult(NamedTuple):
    """What `slogdet` returns, as NumPy does: det = sign exp(logabsdet)."""

    sign: Any
    logabsdet: Any


def _pivots(name: str, a: Any) -> Any:
    """(.., n) numbers of which the determinant is the product."""
    (a,) = _floating(name, a)
    return pivots(lu_p(a))


def det(a: Any) -> Tensor:
    """The determinant of each matrix (.., n, n); that of large ones is beyond floats: `slogdet`.

    Of a singular matrix it is 0 with a gradient of NaN or infinity, as the inverse is in it. Raises
    ValueError for a matrix that is not square.
    """
    return prod(_pivots("det", a), -1)


def slogdet(a: Any) -> SlogdetResult:
    """(sign, logabsdet) of the determinant of each matrix (.., n, n); (0, -inf) of a singular one.

    Of a positive definite one 2 sum(log(diagonal of cholesky(a))) is half of the work. Raises
    ValueError for a matrix that is not square.
    """
    numbers = _pivots("slogdet", a)
    signs = prod(sign(numbers), -1)
    return SlogdetResult(signs, sum(log(abs(numbers)), -1))


# ---- least squares -------------------------------------------------------------------------------


class LstsqResult(NamedTuple):
    """What `lstsq` returns, as NumPy does, but for the singular values, which are None."""

    x: Any
    residuals: Any
    rank: int
    s: None = None


def _orthonormal(a: Any) -> tuple[Any, Any]:
    """Q and L, with a = Q L' and Q'Q = 1, for a (.., m, n) of rank n <= m.

    The Cholesky factor of a'a, twice. Once, the columns of Q are orthogonal to the square of the
    condition times the rounding; to start again from them repairs that (Yamamoto et al. 2015).
    """
    lower: Any = None
    for _ in range(2):
        factor = cholesky_p(matmul_p(matrix_transpose(a), a))
        a = matrix_transpose(triangular_solve_p(factor, matrix_transpose(a), transposed=False))
        lower = factor if lower is None else matmul_p(lower, factor)
    return a, lower


def lstsq(a: Any, b: Any) -> LstsqResult:
    """The x with the least |a x - b|, of a (.., m, n) of full rank and b, (m,) or (.., m, k).

    If there are several, for m < n, the smallest. residuals: the squares of |a x - b|, empty unless
    m > n. As exact as by reflections, up to a condition of 1e7 in float64 and 2e3 in float32: from
    about there on a is taken for one without full rank, which NumPy's finds by singular values.
    Raises LinAlgError for that, ValueError where the shapes do not fit.
    """
    a, b, is_vector = _system("lstsq", a, b)
    m, n = a.shape[-2:]
    q, lower = _orthonormal(a if m >= n else matrix_transpose(a))
    _refuse(lower, _has_nan, "lstsq: {of} without full rank, or nearly so: drop or add columns")
    q, columns = broadcast_leading_axes("lstsq", q, b, 2)
    leading = q.shape[:-2]
    lower = broadcast_to(lower, (*leading, *lower.shape[-2:]))
    if m >= n:
        x: Any = triangular_solve_p(lower, matmul_p(matrix_transpose(q), columns), transposed=True)
    else:
        x = matmul_p(q, triangular_solve_p(lower, columns, transposed=False))
    missed: Any = matmul(a, x) - b
    residuals = asarray(np.zeros(0, a.dtype))
    if m > n:
        residuals = sum(square(missed), -2)
    return LstsqResult(_as_given(x, is_vector), residuals, min(m, n))


for _name in __all__:
    globals()[_name] = with_error_prefix(_name, globals()[_name])
