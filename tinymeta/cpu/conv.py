"""Convolution as a matrix product: each window of the image becomes a row of a matrix.

windows      (T, N H' W', h w C)    windows(x)[t, (n i j), (a b c)] = x[t, n, y, z, c], where
                                    y = i sh + a - top, z = j sw + b - left; 0 outside of the image
conv         y = windows(x) @ w          im2col, then one product for each task
conv_weight  w = windows(x)^T @ g
conv_input   windows = g @ w^T           then col2im adds each row back to where im2col read it

Layout: images x (.., N, H, W, C), weights w (.., h, w, C, O), gradients g (.., N, H', W', O), of
one dtype; the leading axes are the tasks T. Channels come last, so that a window's row is made of
h w runs of C neighbours. geometry: ops.conv.Geometry (stride, pads, image, kernel, result).

Why not nine loops: they would read each weight N H' W' times at the rate of one number a cycle,
whereas a product keeps tiles of both in registers. The price is the matrix of windows, h w times
the memory of the image, which is kept in a workspace. Cost: 2 T N H' W' h w C O operations, and one
write and one read of T N H' W' h w C numbers.
"""

from math import prod
from typing import Any

import numpy as np

from .native import as_bits, native
from .workspace import workspace


def conv(out: np.ndarray, x: np.ndarray, w: np.ndarray, *, geometry: Any) -> None:
    """for t, n, i, j, o:
    out[t,n,i,j,o] = sum_{a,b,c} x[t, n, i sh + a - top, j sw + b - left, c] * w[t,a,b,c,o]
    """
    windows = _windows(x, geometry)
    weights = _as_matrices(w, 3)
    tasks, places, _ = windows.shape
    np.matmul(windows, weights, out=out.reshape(tasks, places, w.shape[-1]))


def conv_weight(out: np.ndarray, x: np.ndarray, g: np.ndarray, *, geometry: Any) -> None:
    """for t, a, b, c, o:
    out[t,a,b,c,o] = sum_{n,i,j} x[t, n, i sh + a - top, j sw + b - left, c] * g[t,n,i,j,o]
    """
    windows = _windows(x, geometry)
    gradients = _as_matrices(g, 3)
    tasks, _, pixels = windows.shape
    np.matmul(windows.swapaxes(1, 2), gradients, out=out.reshape(tasks, pixels, g.shape[-1]))


def conv_input(out: np.ndarray, g: np.ndarray, w: np.ndarray, *, geometry: Any) -> None:
    """out = 0;  for t, n, i, j, a, b, c:
    out[t, n, i sh + a - top, j sw + b - left, c] += sum_o g[t,n,i,j,o] w[t,a,b,c,o]
    """
    gradients = _as_matrices(g, 3)
    weights = _as_matrices(w, 3)
    tasks, places, _ = gradients.shape
    windows = workspace("windows", (tasks, places, weights.shape[1]), out.dtype)
    np.matmul(gradients, weights.swapaxes(1, 2), out=windows)
    images = out.reshape(tasks, *out.shape[-4:])
    col2im(images, windows, *_numbers(geometry))


def _as_matrices(x: np.ndarray, axes: int) -> np.ndarray:
    """(.., r1, .., r_axes, m) -> (T, r1 * .. * r_axes, m)"""
    lead, rows = x.shape[: -axes - 1], x.shape[-axes - 1 : -1]
    return x.reshape(prod(lead), prod(rows), x.shape[-1])


def _windows(x: np.ndarray, geometry: Any) -> np.ndarray:
    """The matrix of windows of each task, in a workspace."""
    images = x.reshape(prod(x.shape[:-4]), *x.shape[-4:])
    tasks, count, _, _, channels = images.shape
    shape = (tasks, count * prod(geometry.result), prod(geometry.kernel) * channels)
    windows = workspace("windows", shape, x.dtype)
    im2col(as_bits(windows), as_bits(np.ascontiguousarray(images)), *_numbers(geometry))
    return windows


def _numbers(geometry: Any) -> tuple[int, ...]:
    """The numbers that im2col and col2im take: H' W' h w sh sw top left."""
    top, left = geometry.pads[0][0], geometry.pads[1][0]
    return (*geometry.result, *geometry.kernel, *geometry.stride, top, left)


@native
def im2col(cols, x, places_h, places_w, h, w, stride_h, stride_w, top, left):
    """for t, n, i, j, a, b:
    cols[t, (n i j), (a b :)] = x[t, n, i sh + a - top, j sw + b - left, :], or 0 outside

    cols (T, N H' W', h w C) and x (T, N, H, W, C): contiguous arrays of one dtype; the rest: int64.
    cols is written from its first number to its last, each once.
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


@native
def col2im(out, cols, places_h, places_w, h, w, stride_h, stride_w, top, left):
    """out = 0;  for t, n, i, j, a, b:
    out[t, n, i sh + a - top, j sw + b - left, :] += cols[t, (n i j), (a b :)]

    The transpose of im2col, with the same arguments. Windows overlap, so one element gets up to
    h w additions, always in the order of the windows.
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
