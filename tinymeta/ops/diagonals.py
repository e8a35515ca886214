"""Triangles and diagonals of matrices, composed: tril, triu, diag, diagonal, trace."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.checks import is_whole, shown
from ..core.tensor import Tensor, asarray
from .checks import as_axis, as_shape
from .elementwise import where
from .index import scatter_add_p, take
from .movement import reshape, transpose
from .reduce import sum as summed


def _offset(name: str, k: Any) -> int:
    """Which diagonal: 0 the main one, 1 the one above. Raises ValueError for no whole number."""
    if not is_whole(k) or abs(int(k)) > 2**31:
        raise ValueError(f"{name}: the diagonal {shown(k)} must be a whole number, 0 the main one")
    return int(k)


def tril(x: Any, k: int = 0) -> Tensor:
    """The matrices `x` (.., n, m) with zeros above the k-th diagonal."""
    return _triangle("tril", x, k, np.less_equal)


def triu(x: Any, k: int = 0) -> Tensor:
    """The matrices `x` (.., n, m) with zeros below the k-th diagonal."""
    return _triangle("triu", x, k, np.greater_equal)


def _triangle(name: str, x: Any, k: Any, keeps: Callable) -> Tensor:
    """x where its diagonal keeps(its, k), else 0."""
    x, k = asarray(x), _offset(name, k)
    if x.ndim < 2:
        raise ValueError(f"{name}: matrices (.., n, m) are needed, got shape {x.shape}")
    as_shape(name, x.shape)  # raises for more than any memory: a view may have had none
    n, m = x.shape[-2:]
    columns = np.arange(m)
    on_diagonal = np.arange(n)[:, None] + k  # the column, of each row
    mask = keeps(columns, on_diagonal)  # of bools, with no grid of numbers
    return where(mask, x, np.zeros((), x.dtype))


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """x[.., i, .., i + offset, ..]: the diagonal of two axes, which becomes the last axis.

    Raises ValueError for an axis that is not there, or twice the same.
    """
    x, k = asarray(x), _offset("diagonal", offset)
    i = as_axis("diagonal", axis1, x.ndim)
    j = as_axis("diagonal", axis2, x.ndim)
    if i == j:
        raise ValueError(f"diagonal: axis1 and axis2 are both axis {i} of {x.shape}")
    others = [a for a in range(x.ndim) if a not in (i, j)]
    as_shape("diagonal", x.shape)  # raises for more than any memory: a view may have had none
    matrices = transpose(x, (*others, i, j))
    *leading, n, m = matrices.shape
    flat = reshape(matrices, (*leading, n * m))
    return take(flat, _places(n, m, k), axis=-1)


def _places(n: int, m: int, k: int) -> np.ndarray:
    """Where the k-th diagonal of a flattened (n, m) matrix lies."""
    first = max(0, -k)
    last = min(n, m - k)  # of either side the first that ends; none if k is beyond the matrix
    rows = np.arange(first, max(first, last))
    columns = rows + k
    return rows * m + columns


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of the diagonal of two axes, with offset, axis1 and axis2 as in `diagonal`.

    Integers are added up in 64 bits.
    """
    return summed(diagonal(x, offset, axis1, axis2), -1)


def diag(x: Any, k: int = 0) -> Tensor:
    """Of a vector the matrix with it as its k-th diagonal, of a matrix its k-th diagonal.

    Raises ValueError for other numbers of axes.
    """
    x, k = asarray(x), _offset("diag", k)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: a vector or a matrix is needed, got shape {x.shape}")
    n = x.size + abs(k)
    as_shape("diag", (n, n))  # raises for one that is too large
    column = reshape(x, (1, x.size, 1))
    placed = scatter_add_p(column, _places(n, n, k), size=n * n)
    return reshape(placed, (n, n))
