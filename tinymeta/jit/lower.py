"""Lowering: what has no kernel becomes equations that have one.

In: the traced program. Out: the same without conv, conv_weight and conv_input, which become matrix
products of the windows of images.

    v2 = conv(v0, v1, geometry)      v2 = reshape(v0)               # (T, N, H, W, C)
                                     v3 = to_cols(v2, geometry)     # (T, N H' W', h w C)
                                     v4 = reshape(v1)               # (T, h w C, O)
                                     v5 = matmul(v3, v4)            # (T, N H' W', O)
                                     v6 = reshape(v5)

    conv_weight(x, g)   to_cols(x)^T @ g
    conv_input(g, w)    from_cols(g @ w^T)      from_cols is the transpose of to_cols

Besides, a pad of several axes becomes pads of one axis each, a product of integers a sum of
products, a maximum of bools one of bytes, and the places of maxima that only index are int32.

Invariant: each equation is replaced by equations of the same value; all others stay. Cost: O(n), a
few equations for each convolution. The windows take h w times the memory of the image. Why then not
convolve in place: all orders of derivative read the same windows, and `simplify` merges equal
`to_cols`, so they are made once; and one fast matrix product serves all three convolutions. A GPU
reads windows where they are instead (cuda/conv.py), so this pass is the CPU's alone.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..core.primitive import registry
from ..cpu import conv as kernels
from ..cpu.pool import window_argmax
from .internal import INTERNAL, Internal
from .program import Builder, Equation, Program, rewrite
from .views import VIEWS, source


def lower(program: Program) -> Program:
    """The program with convolutions as matrix products."""
    builder = Builder()
    indices = _only_indices(program)

    def rule(eqn: Equation, inputs: tuple) -> Equation:
        if eqn in indices:
            return builder.build("window_places", inputs, eqn.static, eqn)
        lowering = _LOWERINGS.get(eqn.op)
        if lowering is None:
            return builder.build(eqn.op, inputs, eqn.static, eqn)
        return lowering(builder, eqn, inputs)

    return rewrite(program, rule)


def _conv(builder: Builder, eqn: Equation, inputs: tuple) -> Equation:
    x, w = inputs
    cols, weights = _windows(builder, eqn, x), _as_matrices(builder, eqn, w)
    y = builder.build("matmul", (cols, weights), {}, eqn)
    return builder.build("reshape", (y,), {"shape": eqn.shape}, eqn)


def _conv_weight(builder: Builder, eqn: Equation, inputs: tuple) -> Equation:
    x, g = inputs
    cols = _windows(builder, eqn, x)
    cols_t = builder.build("transpose", (cols,), {"axes": (0, 2, 1)}, eqn)
    gradients = _as_matrices(builder, eqn, g)
    w = builder.build("matmul", (cols_t, gradients), {}, eqn)
    return builder.build("reshape", (w,), {"shape": eqn.shape}, eqn)


def _conv_input(builder: Builder, eqn: Equation, inputs: tuple) -> Equation:
    g, w = inputs
    weights = _as_matrices(builder, eqn, w)
    weights_t = builder.build("transpose", (weights,), {"axes": (0, 2, 1)}, eqn)
    gradients = _as_matrices(builder, eqn, g)
    cols = builder.build("matmul", (gradients, weights_t), {}, eqn)
    images = (cols.shape[0], *eqn.shape[-4:])
    x = builder.build("from_cols", (cols,), {**eqn.static, "shape": images}, eqn)
    return builder.build("reshape", (x,), {"shape": eqn.shape}, eqn)


def padded_axis(widths: tuple) -> int:
    """The last axis that a pad makes longer; 0 if there is none."""
    return max((k for k, width in enumerate(widths) if any(width)), default=0)


def _pad(builder: Builder, eqn: Equation, inputs: tuple) -> Equation:
    """One pad for each axis that becomes longer."""
    (x,), none = inputs, (0, 0, 0)
    for axis, width in enumerate(eqn.static["widths"]):
        if tuple(width) != none:
            widths = tuple(width if k == axis else none for k in range(eqn.ndim))
            x = builder.build("pad", (x,), {"widths": widths}, eqn)
    return x


def _max(builder: Builder, eqn: Equation, inputs: tuple) -> Equation:
    """Of bools: the maximum of bytes that are 0 or 1."""
    if eqn.dtype != bool:
        return builder.build("max", inputs, eqn.static, eqn)
    in_bytes = builder.build("astype", inputs, {"dtype": np.dtype(np.uint8)}, eqn)
    largest = builder.build("max", (in_bytes,), eqn.static, eqn)
    return builder.build("astype", (largest,), {"dtype": eqn.dtype}, eqn)


def _matmul(builder: Builder, eqn: Equation, inputs: tuple) -> Equation:
    """Of integers: sum over k of x[.., m, k, 1] * y[.., 1, k, n], which one loop computes."""
    if eqn.dtype.kind not in "iu":
        return builder.build("matmul", inputs, {}, eqn)
    (*lead, m, count), n = inputs[0].shape, eqn.shape[-1]
    operands = []
    for x, shape in zip(inputs, ((*lead, m, count, 1), (*lead, 1, count, n))):
        x = builder.build("reshape", (x,), {"shape": shape}, eqn)
        operands.append(builder.build("broadcast_to", (x,), {"shape": (*lead, m, count, n)}, eqn))
    products = builder.build("mul", tuple(operands), {}, eqn)
    return builder.build("sum", (products,), {"axes": (eqn.ndim - 1,)}, eqn)


def _only_indices(program: Program) -> set[Equation]:
    """The places of maxima that nothing but picking and scattering reads, as its indices."""
    readers = ("take_along", "scatter_add_along")
    others = {source(y)[0] for y in program.outputs}
    for eqn in program.equations:
        if eqn.op not in VIEWS:
            read = eqn.inputs[:1] if eqn.op in readers else eqn.inputs
            others.update(source(x)[0] for x in read)
    found = {eqn for eqn in program.equations if eqn.op == "window_argmax"}
    return {eqn for eqn in found - others if prod(eqn.static["geometry"].image) < 2**31}


_LOWERINGS: dict[str, Callable] = {
    "conv": _conv,
    "conv_weight": _conv_weight,
    "conv_input": _conv_input,
    "pad": _pad,
    "max": _max,
    "matmul": _matmul,
}


def _windows(builder: Builder, eqn: Equation, x: Equation) -> Equation:
    """The windows of images (.., N, H, W, C) as matrices (T, N H' W', h w C)."""
    shape = (prod(x.shape[:-4]), *x.shape[-4:])
    images = builder.build("reshape", (x,), {"shape": shape}, eqn)
    return builder.build("to_cols", (images,), eqn.static, eqn)


def _as_matrices(builder: Builder, eqn: Equation, x: Equation) -> Equation:
    """(.., a, b, c, m) -> (T, a b c, m): images or weights as matrices of their last axis."""
    lead, rows = x.shape[:-4], x.shape[-4:-1]
    shape = (prod(lead), prod(rows), x.shape[-1])
    return builder.build("reshape", (x,), {"shape": shape}, eqn)


# ---- the internal primitives --------------------------------------------------------------------


def geometry_numbers(geometry: Any) -> tuple[int, ...]:
    """As kernels take it: H' W', h w, strides, and the padding above and on the left."""
    above, left = geometry.pads[0][0], geometry.pads[1][0]
    return (*geometry.result, *geometry.kernel, *geometry.stride, above, left)


def _to_cols_shape(x: Any, geometry: Any) -> tuple:
    tasks, n, _, _, channels = x.shape
    return (tasks, n * prod(geometry.result), prod(geometry.kernel) * channels), x.dtype


def _to_cols(out: Any, x: Any, geometry: Any) -> None:
    kernels.im2col(out, x, *geometry_numbers(geometry))


def _from_cols_shape(cols: Any, geometry: Any, shape: tuple) -> tuple:
    return shape, cols.dtype


def _from_cols(out: Any, cols: Any, geometry: Any, shape: tuple) -> None:
    kernels.col2im(out, cols, *geometry_numbers(geometry))


def _window_places_shape(x: Any, geometry: Any) -> tuple:
    return registry["window_argmax"].shape(x, geometry=geometry)[0], np.dtype(np.int32)


INTERNAL["window_places"] = Internal(_window_places_shape, window_argmax)
INTERNAL["to_cols"] = Internal(_to_cols_shape, _to_cols)
INTERNAL["from_cols"] = Internal(_from_cols_shape, _from_cols)
