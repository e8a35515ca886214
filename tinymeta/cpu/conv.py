"""Convolution as a matrix product: each window of the image becomes a row of `cols`.

cols         (T, N H' W', h w C)
conv         y    = cols(x) @ w          im2col, then one product for each task
conv_weight  w    = cols(x)^T @ g
conv_input   cols = g @ w^T              then col2im adds each row back to where im2col read it
"""

from math import prod

import numpy as np

from .native import native
from .scratch import scratch


def conv(out, x, w, *, geometry):
    """for t, n, i, j, o:
    out[t,n,i,j,o] = sum_{a,b,c} x[t, n, i sh + a - top, j sw + b - left, c] * w[t,a,b,c,o]
    """
    cols, w = columns(x, geometry), as_matrices(w, 3)
    np.matmul(cols, w, out=out.reshape(len(cols), cols.shape[1], w.shape[2]))


def conv_weight(out, x, g, *, geometry):
    """for t, a, b, c, o:
    out[t,a,b,c,o] = sum_{n,i,j} x[t, n, i sh + a - top, j sw + b - left, c] * g[t,n,i,j,o]
    """
    cols, g = columns(x, geometry), as_matrices(g, 3)
    np.matmul(cols.swapaxes(1, 2), g, out=out.reshape(len(cols), cols.shape[2], g.shape[2]))


def conv_input(out, g, w, *, geometry):
    """out = 0;  for t, n, i, j, a, b, c:
    out[t, n, i sh + a - top, j sw + b - left, c] += sum_o g[t,n,i,j,o] w[t,a,b,c,o]
    """
    g, w = as_matrices(g, 3), as_matrices(w, 3)
    cols = scratch("cols", (len(g), g.shape[1], w.shape[1]), out.dtype)
    np.matmul(g, w.swapaxes(1, 2), out=cols)
    n, height, width, channels = out.shape[-4:]
    top, left = geometry.pads[0][0], geometry.pads[1][0]
    col2im(
        out.reshape(len(g), n, height, width, channels),
        cols,
        *geometry.result,
        *geometry.kernel,
        *geometry.stride,
        top,
        left,
    )


def as_matrices(x, rows):
    """(.., r1, .., r_rows, m) -> (T, r1 * .. * r_rows, m)"""
    lead, inner = x.shape[: -rows - 1], x.shape[-rows - 1 : -1]
    return x.reshape(prod(lead), prod(inner), x.shape[-1])


def columns(x, geometry):
    n, height, width, channels = x.shape[-4:]
    x = x.reshape(prod(x.shape[:-4]), n, height, width, channels)
    places, window = geometry.result, geometry.kernel
    shape = (len(x), n * places[0] * places[1], window[0] * window[1] * channels)
    cols = scratch("cols", shape, x.dtype)
    im2col(
        cols,
        np.ascontiguousarray(x),
        *places,
        *window,
        *geometry.stride,
        geometry.pads[0][0],
        geometry.pads[1][0],
    )
    return cols


@native()
def im2col(cols, x, places_h, places_w, h, w, stride_h, stride_w, top, left):
    """for t, n, i, j, a, b:
    cols[t, (n i j), (a b :)] = x[t, n, i sh + a - top, j sw + b - left, :], or 0 outside
    """
    tasks, count, height, width, channels = x.shape
    for t in range(tasks):
        row = 0
        for n in range(count):
            for i in range(places_h):
                for j in range(places_w):
                    k = 0
                    for a in range(h):
                        y = i * stride_h + a - top
                        for b in range(w):
                            z = j * stride_w + b - left
                            if 0 <= y < height and 0 <= z < width:
                                for c in range(channels):
                                    cols[t, row, k + c] = x[t, n, y, z, c]
                            else:
                                for c in range(channels):
                                    cols[t, row, k + c] = 0
                            k += channels
                    row += 1


@native()
def col2im(out, cols, places_h, places_w, h, w, stride_h, stride_w, top, left):
    """out = 0;  for t, n, i, j, a, b:
    out[t, n, i sh + a - top, j sw + b - left, :] += cols[t, (n i j), (a b :)]
    """
    tasks, count, height, width, channels = out.shape
    out[:] = 0
    for t in range(tasks):
        row = 0
        for n in range(count):
            for i in range(places_h):
                for j in range(places_w):
                    k = 0
                    for a in range(h):
                        y = i * stride_h + a - top
                        for b in range(w):
                            z = j * stride_w + b - left
                            if 0 <= y < height and 0 <= z < width:
                                for c in range(channels):
                                    out[t, n, y, z, c] += cols[t, row, k + c]
                            k += channels
                    row += 1
