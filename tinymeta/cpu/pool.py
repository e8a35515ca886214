"""Where the maximum of each window is."""

from math import prod
from typing import Any

import numpy as np

from .native import native


def window_argmax(out: np.ndarray, x: np.ndarray, *, geometry: Any) -> None:
    """for n, i, j, c:
    out[n,i,j,c] = the first (y, z), as y W + z, that maximises x[n,y,z,c] in window (i, j);
    a NaN is the largest

    out (.., N, H', W', C) int64, x (.., N, H, W, C); geometry: ops.conv.Geometry. A window is cut
    at the edge of the image, so that padding is never the largest. Cost: h w comparisons for each
    element of out.
    """
    height, width, channels = x.shape[-3:]
    if out.size:
        places = out.reshape(-1, *geometry.result, channels)
    else:
        places = out.reshape(0, 1, 1, channels)  # -1 cannot be worked out from no elements
    images = x.reshape(prod(x.shape[:-3]), height, width, channels)
    top, left = geometry.pads[0][0], geometry.pads[1][0]
    images = np.ascontiguousarray(images)
    window_argmax_contiguous(places, images, *geometry.kernel, *geometry.stride, top, left)


@native()
def window_argmax_contiguous(out, x, h, w, stride_h, stride_w, top, left):
    height, width = x.shape[1:3]
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                y0, z0 = max(i * stride_h - top, 0), max(j * stride_w - left, 0)
                y1, z1 = min(i * stride_h - top + h, height), min(j * stride_w - left + w, width)
                for c in range(out.shape[3]):
                    best, place = x[n, y0, z0, c], y0 * width + z0
                    for y in range(y0, y1):
                        for z in range(z0, z1):
                            value = x[n, y, z, c]
                            if value > best or (value != value and best == best):
                                best, place = value, y * width + z
                    out[n, i, j, c] = place
