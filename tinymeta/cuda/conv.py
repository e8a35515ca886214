"""Convolution as a matrix product whose matrix of windows is never written: implicit GEMM.

The windows of an image, each a row, would take h w times the memory of the image. The product reads
an element of that matrix where it needs it, straight from the image: row m is the place (n, i, j),
column k the pixel (a, b, c) of the window there. Each task has weights of its own, so the tasks are
an axis of the grid (Chetlur et al., cuDNN: efficient primitives for deep learning, 2014).

conv         y = windows(x) @ w            conv_weight  w = windows(x)^T @ g
conv_input   x = windows'(g) @ w^T, where windows'(g)[(n, y, z), (a, b, o)] is g at the place whose
             window has the pixel (y, z) at (a, b): a gather, where col2im scatters, so no two
             threads add to one element

Layout: images x (.., N, H, W, C), weights w (.., h, w, C, O), gradients g (.., N, H', W', O), of
one dtype; the leading axes are the tasks T. `out` is contiguous, other arrays are made so.
geometry: ops.conv.Geometry (stride, pads, image, kernel, result). Blocking and cost are those of
the product (matmul.py); what limits it, beside the product's own arithmetic, are the divisions that
unravel m and k.
"""

from math import prod
from typing import Any

import numpy as np

from .array import Array
from .matmul import run_product
from .movement import contiguous
from .target import device_function, int32, quotient, remainder

ZERO = np.float32(0)  # where no pixel is; it becomes a float64 beside one


def conv(out: Array, x: Array, w: Array, *, geometry: Any) -> None:
    """for t, n, i, j, o:
    out[t,n,i,j,o] = sum_{a,b,c} x[t, n, i sh + a - top, j sw + b - left, c] * w[t,a,b,c,o]
    """
    x, w = contiguous(x), contiguous(w)
    places = x.shape[-4] * prod(geometry.result)
    window, outs = prod(w.shape[-4:-1]), w.shape[-1]
    sizes = _task_count(x), places, outs, window
    x_layout, w_layout = _image_layout(x, geometry), (window, outs, 1)
    run_product(read_window, read_weight, out, x, w, sizes, x_layout, w_layout)


def conv_weight(out: Array, x: Array, g: Array, *, geometry: Any) -> None:
    """for t, a, b, c, o:
    out[t,a,b,c,o] = sum_{n,i,j} x[t, n, i sh + a - top, j sw + b - left, c] * g[t,n,i,j,o]
    """
    x, g = contiguous(x), contiguous(g)
    places, outs = prod(g.shape[-4:-1]), g.shape[-1]
    window = prod(out.shape[-4:-1])
    sizes = _task_count(x), window, outs, places
    x_layout, g_layout = _image_layout(x, geometry, transposed=True), (places, outs, 1)
    run_product(read_window_transposed, read_weight, out, x, g, sizes, x_layout, g_layout)


def conv_input(out: Array, g: Array, w: Array, *, geometry: Any) -> None:
    """for t, n, y, z, c:
    out[t,n,y,z,c] = sum_{a,b,o} g[t, n, (y + top - a) / sh, (z + left - b) / sw, o] w[t,a,b,c,o]
    where both divide and lie inside
    """
    g, w = contiguous(g), contiguous(w)
    channels, outs = w.shape[-2:]
    pixels = out.shape[-4] * prod(geometry.image)
    window = prod(geometry.kernel) * outs
    sizes = _task_count(g), pixels, channels, window
    g_layout, w_layout = _image_layout(g, geometry), (prod(w.shape[-4:]), outs, channels)
    run_product(read_gradient, read_weight_transposed, out, g, w, sizes, g_layout, w_layout)


def _task_count(x: Array) -> int:
    return prod(x.shape[:-4])


def _image_layout(x: Array, geometry: Any, transposed: bool = False) -> tuple[int, ...]:
    """How an image is read: N, H, W, channels; H', W', h, w, sh, sw, top, left; is 1 the stride?

    The last number is 1 if neighbouring columns of the matrix are neighbours in the image.
    """
    top, left = geometry.pads[0][0], geometry.pads[1][0]
    image = x.shape[-4], *geometry.image, x.shape[-1]
    window = *geometry.result, *geometry.kernel, *geometry.stride, top, left
    return (*image, *window, int(not transposed))


# ---- how the product reads its matrices ----------------------------------------------------------


@device_function
def _unravelled(i, middle, last):
    """(a, b, c) of the index i into an array (.., middle, last)."""
    outer = quotient(i, last)
    return quotient(outer, middle), remainder(outer, middle), remainder(i, last)


@device_function
def read_window(p, layout, t, m, k):
    """windows(x)[t, m, k]: m = (n, i, j), k = (a, b, c); 0 outside of the image."""
    count, height, width, channels = layout[0], layout[1], layout[2], layout[3]
    places_h, places_w, w = layout[4], layout[5], layout[7]
    n, i, j = _unravelled(m, places_h, places_w)
    a, b, c = _unravelled(k, w, channels)
    y, z = i * layout[8] + a - layout[10], j * layout[9] + b - layout[11]
    if y < 0 or y >= height or z < 0 or z >= width:
        return ZERO
    return p[int32(int32(int32(int32(t * count + n) * height + y) * width + z) * channels) + c]


@device_function
def read_window_transposed(p, layout, t, k, m):
    """windows(x)^T[t, k, m]"""
    return read_window(p, layout, t, m, k)


@device_function
def read_gradient(p, layout, t, m, k):
    """windows'(g)[t, m, k]: m = (n, y, z) of the image, k = (a, b, o); 0 where no window fits."""
    count, height, width, outs = layout[0], layout[1], layout[2], layout[3]
    places_h, places_w, w = layout[4], layout[5], layout[7]
    n, y, z = _unravelled(m, height, width)
    a, b, o = _unravelled(k, w, outs)
    y, z = y + layout[10] - a, z + layout[11] - b
    if y < 0 or z < 0:
        return ZERO
    i, j = quotient(y, layout[8]), quotient(z, layout[9])
    if i * layout[8] != y or j * layout[9] != z or i >= places_h or j >= places_w:
        return ZERO
    return p[int32(int32(int32(int32(t * count + n) * places_h + i) * places_w + j) * outs) + o]


@device_function
def read_weight(p, layout, t, k, o):
    """w[t, k, o] of a contiguous (T, K, O); layout: K, O, 1."""
    return p[int32(int32(t * layout[0] + k) * layout[1]) + o]


@device_function
def read_weight_transposed(p, layout, t, k, c):
    """w^T[t, k, c] of a contiguous (T, a b, C, O): k = (a, b, o).

    layout: the elements of a task, O, C.
    """
    outs, channels = layout[1], layout[2]
    row = int32(quotient(k, outs) * channels + c)
    return p[int32(t * layout[0]) + int32(row * outs) + remainder(k, outs)]
