"""Convolution as a matrix product whose matrix of windows is never written: implicit GEMM.

The windows of an image, each a row, would take h w times the memory of the image. The product reads
an element of that matrix where it needs it, straight from the image: row m is the place (n, i, j),
column k the pixel (a, b, c) of the window there. Each task has weights of its own, so the tasks are
an axis of the grid (Chetlur et al., cuDNN: efficient primitives for deep learning, 2014).

conv         y = windows(x) @ w            conv_weight  w = windows(x)^T @ g
conv_input   x = windows'(g) @ w^T, where windows'(g)[(n, y, z), (a, b, o)] is g at the place whose
             window has the pixel (y, z) at (a, b): a gather, where col2im scatters, so no two
             threads add to one element

The pixel that a window has at (a, b) is i sh - top + a, j sw - left + b: a sum of what the row says
and what the column says, as the product wants it (product_source.py); the divisions that take a row
apart stand before its loop. Windows reach beyond the image, where the product reads 0.

Of conv_input no place has the pixel (y, z) at (a, b) unless sh divides y + top - a, and sw
z + left - b: with a stride of 2 three quarters of the products would be with 0. So the pixels are
sh sw classes, by y mod sh and z mod sw; a class is a product by itself, over its a and b alone.

Layout: images x (.., N, H, W, C), weights w (.., h, w, C, O), gradients g (.., N, H', W', O), of
one dtype; the leading axes are the tasks T. `out` is contiguous, other arrays are made so.
geometry: ops.conv.Geometry (stride, pads, image, kernel, result).
"""

from math import prod
from typing import Any

from .array import Array
from .division import divided, divisor
from .matmul import no_bounds
from .movement import contiguous
from .product import Matrix, Problem, Sizes, run_product
from .target import device_function, int32, quotient, remainder


def conv(out: Array, x: Array, w: Array, *, geometry: Any) -> None:
    """for t, n, i, j, o:
    out[t,n,i,j,o] = sum_{a,b,c} x[t, n, i sh + a - top, j sw + b - left, c] * w[t,a,b,c,o]
    """
    x, w = contiguous(x), contiguous(w)
    places, window, outs = x.shape[-4] * prod(geometry.result), prod(w.shape[-4:-1]), w.shape[-1]
    sizes = Sizes(_task_count(x), 1, places, outs, window, places)
    numbers = places, window, *_numbers(geometry, x.shape[-4], x.shape[-1], outs)
    by_fours = x.shape[-1] % 4 == 0, outs % 4 == 0
    run_product(_CONV, out, x, w, sizes, numbers, by_fours)


def conv_weight(out: Array, x: Array, g: Array, *, geometry: Any) -> None:
    """for t, a, b, c, o:
    out[t,a,b,c,o] = sum_{n,i,j} x[t, n, i sh + a - top, j sw + b - left, c] * g[t,n,i,j,o]
    """
    x, g = contiguous(x), contiguous(g)
    places, window, outs = prod(g.shape[-4:-1]), prod(out.shape[-4:-1]), g.shape[-1]
    sizes = Sizes(_task_count(x), 1, window, outs, places, window)
    numbers = window, places, *_numbers(geometry, x.shape[-4], x.shape[-1], outs)
    by_fours = x.shape[-1] % 4 == 0, outs % 4 == 0
    run_product(_CONV_WEIGHT, out, x, g, sizes, numbers, by_fours)


def conv_input(out: Array, g: Array, w: Array, *, geometry: Any) -> None:
    """for t, n, y, z, c:
    out[t,n,y,z,c] = sum_{a,b,o} g[t, n, (y + top - a) / sh, (z + left - b) / sw, o] w[t,a,b,c,o]
    where both divide and lie inside
    """
    g, w = contiguous(g), contiguous(w)
    count, (channels, outs) = g.shape[-4], w.shape[-2:]
    classes = [min(s, n) for s, n in zip(geometry.stride, geometry.image)]
    rows, columns = (-(-n // s) for n, s in zip(geometry.image, geometry.stride))
    taps_a, taps_b = (-(-n // s) for n, s in zip(geometry.kernel, geometry.stride))
    m, k = count * rows * columns, taps_a * taps_b * outs  # the most that a class has
    sizes = Sizes(_task_count(g), prod(classes), m, channels, k, count * prod(geometry.image))
    numbers = classes[1], 0, *_numbers(geometry, count, channels, outs)
    for most in (rows, columns, taps_b):  # a class has these, or one less
        numbers = (*numbers, *divisor(most), *divisor(max(most - 1, 1))[1:])
    by_fours = outs % 4 == 0, outs % 4 == 0
    run_product(_CONV_INPUT, out, g, w, sizes, numbers, by_fours)


def _task_count(x: Array) -> int:
    return prod(x.shape[:-4])


def _numbers(geometry: Any, count: int, channels: int, outs: int) -> tuple[int, ...]:
    """What the functions below are given, as their g, behind the two numbers of the product.

    2 N, H, W, C, O    7 H', W'    9 h, w    11 sh, sw    13 top, left
    15, 18, 21, 24, 27: the divisors by H', W', w, C, O
    """
    (top, _), (left, _) = geometry.pads
    sizes = count, *geometry.image, channels, outs, *geometry.result
    window = *geometry.kernel, *geometry.stride, top, left
    by = *geometry.result, geometry.kernel[1], channels, outs
    return (*sizes, *window, *(part for n in by for part in divisor(max(n, 1))))


# ---- what is read: (row, column, offset) ---------------------------------------------------------


@device_function
def _window_place(m, t, c, g):
    """Where the window at the place m = (n, i, j) begins."""
    outer, j = divided(m, g[18], g[19], g[20])
    n, i = divided(outer, g[15], g[16], g[17])
    y, z = int32(i * g[11] - g[13]), int32(j * g[12] - g[14])
    return y, z, int32((((t * g[2] + n) * g[3] + y) * g[4] + z) * g[5])


@device_function
def _window_pixel(k, t, c, g):
    """Where in a window its element k = (a, b, c) lies."""
    outer, channel = divided(k, g[24], g[25], g[26])
    a, b = divided(outer, g[21], g[22], g[23])
    return a, b, int32((a * g[4] + b) * g[5] + channel)


@device_function
def _image_bounds(g):
    return g[3], g[4]


@device_function
def output(o, t, c, g):
    """The output o of the weights of a task, or of the gradient at its first place."""
    return int32(0), int32(0), int32(t * g[1] * g[6] + o)


@device_function
def _outputs_at(k, t, c, g):
    """Where the outputs of the weights of k begin, or those of the gradient at the place k."""
    return int32(0), int32(0), int32(k * g[6])


# ---- of the gradient, by classes of pixels -------------------------------------------------------
# What is known of a class, c: 0 the y and z of its first pixel, 2 the a and b of the first tap
# there, 4 how many k it has; 5, 8, 11 the divisors by its rows, columns, and taps along b.


@device_function
def _facts_of_class(class_, g):
    y, z = quotient(class_, g[0]), remainder(class_, g[0])
    a, b = remainder(int32(y + g[13]), g[11]), remainder(int32(z + g[14]), g[12])
    rows = either(_steps_from(y, g[3], g[11]), g[30], g[31], g[32], g[33], g[34])
    columns = either(_steps_from(z, g[4], g[12]), g[35], g[36], g[37], g[38], g[39])
    taps = either(_steps_from(b, g[10], g[12]), g[40], g[41], g[42], g[43], g[44])
    count = int32(_steps_from(a, g[9], g[11]) * taps[0] * g[6])
    return (y, z, a, b, count, *rows, *columns, *taps)


@device_function
def _steps_from(first, size, stride):
    """How many of first, first + stride, .. are less than size."""
    return quotient(int32(size - first + stride - 1), stride) if first < size else int32(0)


@device_function
def either(n, most, multiplier, shift, multiplier_of_fewer, shift_of_fewer):
    """The divisor by n, which is `most` or one less."""
    if n == most:
        return n, multiplier, shift
    return n, multiplier_of_fewer, shift_of_fewer


@device_function
def _extent_of_class(c, g):
    return int32(g[2] * c[5] * c[8]), c[4]


@device_function
def _pixel_of_class(m, c, g):
    """(n, y, z) of the row m of a class."""
    outer, z = divided(m, c[8], c[9], c[10])
    n, y = divided(outer, c[5], c[6], c[7])
    return n, int32(c[0] + y * g[11]), int32(c[1] + z * g[12])


@device_function
def _row_of_pixel(m, c, g):
    n, y, z = _pixel_of_class(m, c, g)
    return int32((n * g[3] + y) * g[4] + z)


@device_function
def _gradient_place(m, t, c, g):
    """The place whose window has the pixel m at the first tap of its class."""
    n, y, z = _pixel_of_class(m, c, g)
    i, j = quotient(int32(y + g[13] - c[2]), g[11]), quotient(int32(z + g[14] - c[3]), g[12])
    return i, j, int32((((t * g[2] + n) * g[7] + i) * g[8] + j) * g[6])


@device_function
def _tap_of_class(k, c, g):
    """(a, b, o) of k, where a and b count the taps of the class."""
    outer, o = divided(k, g[27], g[28], g[29])
    a, b = divided(outer, c[11], c[12], c[13])
    return a, b, o


@device_function
def _gradient_tap(k, t, c, g):
    """The next tap of a pixel belongs to the place before."""
    a, b, o = _tap_of_class(k, c, g)
    return int32(-a), int32(-b), int32(o - (a * g[8] + b) * g[6])


@device_function
def _gradient_bounds(g):
    return g[7], g[8]


@device_function
def _weight_channel(channel, t, c, g):
    return int32(0), int32(0), int32((t * g[9] * g[10] * g[5] + channel) * g[6])


@device_function
def _weight_tap(k, t, c, g):
    a, b, o = _tap_of_class(k, c, g)
    row = (c[2] + a * g[11]) * g[10] + c[3] + b * g[12]
    return int32(0), int32(0), int32(row * g[5] * g[6] + o)


_WINDOWS = Matrix(_window_place, _window_pixel, _image_bounds, along_k=True)
_WINDOWS_TRANSPOSED = Matrix(_window_pixel, _window_place, _image_bounds, along_k=False)
_OUTPUTS = Matrix(output, _outputs_at, no_bounds, along_k=False)
_GRADIENTS = Matrix(_gradient_place, _gradient_tap, _gradient_bounds, along_k=True)
_WEIGHTS_TRANSPOSED = Matrix(_weight_channel, _weight_tap, no_bounds, along_k=True)
_CONV = Problem(_WINDOWS, _OUTPUTS)
_CONV_WEIGHT = Problem(_WINDOWS_TRANSPOSED, _OUTPUTS)
_CONV_INPUT = Problem(
    _GRADIENTS, _WEIGHTS_TRANSPOSED, _facts_of_class, _extent_of_class, _row_of_pixel
)
