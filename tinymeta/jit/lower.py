"""Lowering: a convolution is a matrix product of the windows of its image.

    conv         cols(x) @ w              conv_weight  cols(x)^T @ g
    conv_input   from_cols(g @ w^T)

Nothing else is done to the program. Common subexpressions are looked for afterwards, so that all
orders of derivative share the windows of one image, and products are all that is left to be fast at.
"""

from math import prod

from ..cpu import conv as kernels
from .program import OWN, Builder, Line, Own, Program, rebuilt


def lower(program: Program) -> Program:
    make = Builder()
    return rebuilt(
        program, lambda line, inputs: LOWERED.get(line.op, unchanged)(make, line, inputs)
    )


def unchanged(make, line, inputs):
    return make(line.op, inputs, line.static, line)


def conv(make, line, inputs):
    x, w = inputs
    y = make("matmul", (columns(make, line, x), matrices(make, line, w, 3)), {}, line)
    return make("reshape", (y,), {"shape": line.shape}, line)


def conv_weight(make, line, inputs):
    x, g = inputs
    cols = make("transpose", (columns(make, line, x),), {"axes": (0, 2, 1)}, line)
    w = make("matmul", (cols, matrices(make, line, g, 3)), {}, line)
    return make("reshape", (w,), {"shape": line.shape}, line)


def conv_input(make, line, inputs):
    g, w = inputs
    turned = make("transpose", (matrices(make, line, w, 3),), {"axes": (0, 2, 1)}, line)
    cols = make("matmul", (matrices(make, line, g, 3), turned), {}, line)
    images = (cols.shape[0], *line.shape[-4:])
    x = make("from_cols", (cols,), {**line.static, "shape": images}, line)
    return make("reshape", (x,), {"shape": line.shape}, line)


LOWERED = {"conv": conv, "conv_weight": conv_weight, "conv_input": conv_input}


def columns(make, line: Line, x: Line) -> Line:
    """The windows of images (.., N, H, W, C): (T, N H' W', h w C)."""
    images = make("reshape", (x,), {"shape": (prod(x.shape[:-4]), *x.shape[-4:])}, line)
    return make("to_cols", (images,), line.static, line)


def matrices(make, line: Line, x: Line, rows: int) -> Line:
    """(.., r1, .., r_rows, m) -> (T, r1 * .. * r_rows, m)."""
    lead, inner = x.shape[: -rows - 1], x.shape[-rows - 1 : -1]
    return make("reshape", (x,), {"shape": (prod(lead), prod(inner), x.shape[-1])}, line)


# ---- the two operations of its own --------------------------------------------------------------


def cols_shape(x, geometry):
    tasks, n, _, _, channels = x.shape
    return (tasks, n * prod(geometry.result), prod(geometry.kernel) * channels), x.dtype


def to_cols(out, x, geometry):
    kernels.im2col(out, x, *numbers(geometry))


def from_cols(out, cols, geometry, shape):
    kernels.col2im(out, cols, *numbers(geometry))


def numbers(geometry) -> tuple[int, ...]:
    """As the kernels take them: places, window, stride, and the padding above and on the left."""
    return (
        *geometry.result,
        *geometry.kernel,
        *geometry.stride,
        geometry.pads[0][0],
        geometry.pads[1][0],
    )


OWN["to_cols"] = Own(cols_shape, to_cols)
OWN["from_cols"] = Own(lambda cols, geometry, shape: (shape, cols.dtype), from_cols)
