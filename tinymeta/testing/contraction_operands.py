"""How the arguments of products, factors and convolutions are drawn: matrices, images, windows."""

import numpy as np
from hypothesis import strategies as st

from ..ops.conv import Geometry, geometry_of
from .arrays import distinct, shapes, tensors
from .operands import Case


@st.composite
def matmul_cases(draw: st.DrawFn, min_side: int = 0) -> Case:
    """Two matrices that fit, (.., N, K) and (.., K, M), of sides min_side to 3.

    Shrinks to the smallest.
    """
    lead = draw(shapes(max_dims=2))
    side = st.integers(min_side, 3)
    n, k, m = draw(st.tuples(side, side, side))
    a = draw(tensors((*lead, n, k)))
    b = draw(tensors((*lead, k, m)))
    return Case((a, b), {})


@st.composite
def factor_cases(draw: st.DrawFn, op: str) -> Case:
    """Matrices (.., n, n) that have factors, by one order of rows only; for a triangular one b.

    Each row has a number on its diagonal that is larger than the others together. The triangle that
    `cholesky` and `triangular_solve` do not read holds anything.
    """
    lead = draw(shapes(max_dims=2))
    n = draw(st.integers(0, 3))
    others = draw(tensors((*lead, n, n), low=-0.5, high=0.5))
    diagonal = draw(tensors((*lead, n), low=2.0, high=3.0))
    on_diagonal = np.eye(n, dtype=bool)
    matrix = np.where(on_diagonal, diagonal[..., None], others)
    if op == "cholesky":
        return Case((matrix,), {})
    if op == "lu":
        order = draw(st.permutations(range(n)))
        return Case((np.array(matrix[..., order, :]),), {})
    columns = draw(st.integers(0, 2))
    b = draw(tensors((*lead, n, columns)))
    return Case((matrix, b), {"transposed": draw(st.booleans())})


@st.composite
def geometries(draw: st.DrawFn, pooling: bool = False) -> Geometry:
    """Strides 1 to 3, every padding, odd and even sizes, rows left over, images below the kernel.

    pooling: only those in which no window lies outside of the image.
    """
    small = st.integers(1, 3)
    kernel = draw(st.tuples(small, small))
    image = tuple(max(1, k + draw(st.integers(-1, 3))) for k in kernel)
    most = min(kernel) - 1 if pooling else 2
    pad = st.tuples(st.integers(0, most), st.integers(0, most))
    by_name = st.sampled_from(["valid", "same"])
    padding = draw(st.one_of(by_name, st.tuples(pad, pad)))
    pads = padding if isinstance(padding, tuple) else [(0, 0)] * 2
    padded = [n + sum(pad) for n, pad in zip(image, pads)]
    if any(n < k for n, k in zip(padded, kernel)):
        padding = "same"  # the one that always fits
    stride = draw(st.tuples(small, small))
    return geometry_of("case", image, kernel, stride, padding)


@st.composite
def conv_cases(draw: st.DrawFn, operands: str = "xw", min_examples: int = 0) -> Case:
    """Two operands of <g, conv(x, w)>, by their letters; static: their `Geometry`.

    x (.., N, H, W, C), w (.., h, w, C, O), g (.., N, H', W', O), with and without task axes, of any
    stride and padding; always valid. Shrinks to a 1x1 kernel on a 1x1 image.
    """
    geometry = draw(geometries())
    lead = draw(shapes(max_dims=2, min_side=1, max_side=2))
    n = draw(st.integers(min_examples, 2))
    channels = st.integers(1, 2)
    c, o = draw(st.tuples(channels, channels))
    sizes = {
        "x": (*lead, n, *geometry.image, c),
        "w": (*lead, *geometry.kernel, c, o),
        "g": (*lead, n, *geometry.result, o),
    }
    arrays = [draw(tensors(sizes[letter])) for letter in operands]
    return Case(tuple(arrays), {"geometry": geometry})


@st.composite
def pool_cases(draw: st.DrawFn, min_examples: int = 0) -> Case:
    """Images (.., N, H, W, C) without ties, and the `Geometry` of windows that are never empty.

    min_examples: the least N.
    """
    geometry = draw(geometries(pooling=True))
    lead = draw(shapes(min_dims=1, max_dims=2, min_side=min_examples, max_side=2))
    channels = draw(st.integers(1, 2))
    shape = (*lead, *geometry.image, channels)
    return Case((draw(distinct(shape)),), {"geometry": geometry})
