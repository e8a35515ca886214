"""Products of two tensors, of many kinds, composed of `matmul` and products by elements.

What is summed over becomes the last axis of one matrix and the first of another: one product.
"""

from typing import Any

from ..core.checks import is_whole, shown
from ..core.tensor import Tensor
from .checks import as_axis, size_of
from .elementwise import mul
from .matmul import matmul
from .movement import reshape, transpose
from .promote import promote


def outer(a: Any, b: Any) -> Tensor:
    """a_i b_j of two vectors, (n, m); what has more axes is flattened first."""
    a, b = promote("outer", (a, b))
    column = reshape(a, (a.size, 1))
    row = reshape(b, (1, b.size))
    return mul(column, row)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """The sum of products over `axes`: the axes of a that are left, then those of b.

    axes: how many, the last of a and the first of b; or (of a, of b), each an axis or several, in
    pairs. Raises ValueError for axes that are not there or whose sizes differ.
    """
    a, b = promote("tensordot", (a, b))
    of_a, of_b = _paired_axes(axes, a.ndim, b.ndim)
    sizes = [a.shape[i] for i in of_a]
    if sizes != [b.shape[j] for j in of_b]:
        raise ValueError(
            f"tensordot: the shapes {a.shape} and {b.shape} do not agree along the axes "
            f"{of_a} and {of_b}"
        )
    left = [i for i in range(a.ndim) if i not in of_a]
    right = [j for j in range(b.ndim) if j not in of_b]
    left_shape = [a.shape[i] for i in left]
    right_shape = [b.shape[j] for j in right]
    count = size_of(sizes)  # of the products in a sum
    rows = reshape(transpose(a, (*left, *of_a)), (size_of(left_shape), count))
    columns = reshape(transpose(b, (*of_b, *right)), (count, size_of(right_shape)))
    products = matmul(rows, columns)
    return reshape(products, (*left_shape, *right_shape))


def _paired_axes(axes: Any, a_ndim: int, b_ndim: int) -> tuple[list[int], list[int]]:
    """The axes of a and of b that are summed over, in pairs."""
    if is_whole(axes):
        count = int(axes)
        if not 0 <= count <= min(a_ndim, b_ndim):
            raise ValueError(
                f"tensordot: axes {shown(axes)} is more than tensors of {a_ndim} and {b_ndim} "
                "axes have, or less than 0"
            )
        last_of_a = range(a_ndim - count, a_ndim)
        return list(last_of_a), list(range(count))
    if not isinstance(axes, (tuple, list)) or len(axes) != 2:
        raise ValueError(
            f"tensordot: axes {shown(axes)} is neither a number of axes nor a pair (of a, of b)"
        )
    first, second = axes
    of_a = _axes_of_one(first, a_ndim)
    of_b = _axes_of_one(second, b_ndim)
    if _has_repeats(of_a) or _has_repeats(of_b) or len(of_a) != len(of_b):
        raise ValueError(f"tensordot: axes {shown(axes)} must name as many axes of both, each once")
    return of_a, of_b


def _axes_of_one(axes: Any, ndim: int) -> list[int]:
    """An axis, or several, as a list of non-negative ones."""
    several = axes if isinstance(axes, (tuple, list)) else [axes]
    return [as_axis("tensordot", axis, ndim) for axis in several]


def _has_repeats(axes: list[int]) -> bool:
    return len({*axes}) < len(axes)


def dot(a: Any, b: Any) -> Tensor:
    """NumPy's dot: of vectors the inner product, of matrices the matrix product, by a 0-d `*`.

    In general the sum over the last axis of a and the last but one, or the only, of b.
    """
    a, b = promote("dot", (a, b))
    if not a.ndim or not b.ndim:
        return mul(a, b)
    rows_of_b = max(b.ndim - 2, 0)
    return tensordot(a, b, (a.ndim - 1, rows_of_b))


def inner(a: Any, b: Any) -> Tensor:
    """The sum of products over the last axes of a and b; by a 0-d one, `*`."""
    a, b = promote("inner", (a, b))
    if not a.ndim or not b.ndim:
        return mul(a, b)
    return tensordot(a, b, (a.ndim - 1, b.ndim - 1))


def kron(a: Any, b: Any) -> Tensor:
    """The Kronecker product: for each element of a, it times b; sizes are multiplied."""
    a, b = promote("kron", (a, b))
    ndim = max(a.ndim, b.ndim)
    a_shape = (1,) * (ndim - a.ndim) + a.shape
    b_shape = (1,) * (ndim - b.ndim) + b.shape
    # a as (n1, 1, n2, 1, ..) times b as (1, m1, 1, m2, ..): each element of a meets each of b, and
    # the axes (n1, m1), (n2, m2) that belong together lie side by side.
    a_axes: list[int] = []
    b_axes: list[int] = []
    for n, m in zip(a_shape, b_shape):
        a_axes += [n, 1]
        b_axes += [1, m]
    a_spaced = reshape(a, tuple(a_axes))
    b_spaced = reshape(b, tuple(b_axes))
    products = mul(a_spaced, b_spaced)
    sizes = [n * m for n, m in zip(a_shape, b_shape)]
    return reshape(products, tuple(sizes))
