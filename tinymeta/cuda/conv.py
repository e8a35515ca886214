"""Convolution as a matrix product whose matrix of windows is never written: implicit GEMM.

The windows of an image, each a row, would take h w times the memory of the image. The product reads
an element of that matrix where it needs it, straight from the image: row m is the place (n, i, j),
column k the pixel (a, b, c) of the window there. Each task has weights of its own, so the tasks are
an axis of the grid (Chetlur et al. 2014, on GEMM without im2col).

conv         y = windows(x) @ w            conv_weight  w = windows(x)^T @ g
conv_input   x = spread(g) @ w^T, where spread(g)[(n, y, z), (a, b, o)] is g at the place whose window
             has the pixel (y, z) at (a, b): a gather, where col2im scatters, so no two threads add
             to one element

What limits it, beside the product's own arithmetic, are the divisions that take m and k apart.
"""

from math import prod

import numpy as np

from .matmul import run
from .movement import contiguous
from .target import device, int32, rest, whole

ZERO = np.float32(0)  # where no pixel is; it becomes a float64 beside one


def conv(out, x, w, *, geometry):
    """for t, n, i, j, o:
    out[t,n,i,j,o] = sum_{a,b,c} x[t, n, i sh + a - top, j sw + b - left, c] * w[t,a,b,c,o]
    """
    x, w = contiguous(x), contiguous(w)
    places, window = x.shape[-4] * prod(geometry.result), prod(w.shape[-4:-1])
    run(
        pixel,
        weight,
        out,
        x,
        w,
        (tasks(x), places, w.shape[-1], window),
        numbers(x, geometry),
        (window, w.shape[-1], 1),
    )


def conv_weight(out, x, g, *, geometry):
    """for t, a, b, c, o:
    out[t,a,b,c,o] = sum_{n,i,j} x[t, n, i sh + a - top, j sw + b - left, c] * g[t,n,i,j,o]
    """
    x, g = contiguous(x), contiguous(g)
    places, window = prod(g.shape[-4:-1]), prod(out.shape[-4:-1])
    run(
        pixel_turned,
        weight,
        out,
        x,
        g,
        (tasks(x), window, g.shape[-1], places),
        numbers(x, geometry, by_row=True),
        (places, g.shape[-1], 1),
    )


def conv_input(out, g, w, *, geometry):
    """for t, n, y, z, c:
    out[t,n,y,z,c] = sum_{a,b,o} g[t, n, (y + top - a) / sh, (z + left - b) / sw, o] w[t,a,b,c,o]
    where both divide and lie inside
    """
    g, w = contiguous(g), contiguous(w)
    channels, outs = w.shape[-2:]
    pixels = out.shape[-4] * prod(geometry.image)
    run(
        spread,
        weight_turned,
        out,
        g,
        w,
        (tasks(g), pixels, channels, prod(geometry.kernel) * outs),
        numbers(g, geometry),
        (prod(w.shape[-4:]), outs, channels),
    )


def tasks(x) -> int:
    return prod(x.shape[:-4])


def numbers(x, geometry, by_row: bool = False) -> tuple:
    """How an image is read: images in a task, height, width, channels; places, window, stride, pad.

    The last number, like a stride, is 1 if neighbouring columns of the matrix are neighbours here.
    """
    return (
        x.shape[-4],
        *geometry.image,
        x.shape[-1],
        *geometry.result,
        *geometry.kernel,
        *geometry.stride,
        geometry.pads[0][0],
        geometry.pads[1][0],
        int(not by_row),
    )


@device
def apart(i, middle, last):
    """The index i of an array (.., middle, last) as three."""
    outer = whole(i, last)
    return whole(outer, middle), rest(outer, middle), rest(i, last)


@device
def pixel(p, numbers, t, m, k):
    """windows(x)[t, m, k]: m = (n, i, j), k = (a, b, c); 0 outside of the image."""
    count, height, width, channels = numbers[0], numbers[1], numbers[2], numbers[3]
    places_h, places_w, w = numbers[4], numbers[5], numbers[7]
    (n, i, j), (a, b, c) = apart(m, places_h, places_w), apart(k, w, channels)
    y, z = i * numbers[8] + a - numbers[10], j * numbers[9] + b - numbers[11]
    if y < 0 or y >= height or z < 0 or z >= width:
        return ZERO
    return p[int32(int32(int32(int32(t * count + n) * height + y) * width + z) * channels) + c]


@device
def pixel_turned(p, numbers, t, k, m):
    return pixel(p, numbers, t, m, k)


@device
def spread(p, numbers, t, m, k):
    """spread(g)[t, m, k]: m = (n, y, z) of the image, k = (a, b, o); 0 where no window has it there."""
    count, height, width, outs = numbers[0], numbers[1], numbers[2], numbers[3]
    places_h, places_w, w = numbers[4], numbers[5], numbers[7]
    (n, y, z), (a, b, o) = apart(m, height, width), apart(k, w, outs)
    y, z = y + numbers[10] - a, z + numbers[11] - b
    if y < 0 or z < 0:
        return ZERO
    i, j = whole(y, numbers[8]), whole(z, numbers[9])
    if i * numbers[8] != y or j * numbers[9] != z or i >= places_h or j >= places_w:
        return ZERO
    return p[int32(int32(int32(int32(t * count + n) * places_h + i) * places_w + j) * outs) + o]


@device
def weight(p, numbers, t, k, o):
    """A dense (T, K, O): numbers are K, O and 1."""
    return p[int32(int32(t * numbers[0] + k) * numbers[1]) + o]


@device
def weight_turned(p, numbers, t, k, c):
    """w^T of dense (T, a b, C, O): k = (a, b, o); numbers are all of a task's, O and C."""
    outs, channels = numbers[1], numbers[2]
    return p[
        int32(t * numbers[0]) + int32(int32(whole(k, outs) * channels + c) * outs) + rest(k, outs)
    ]
