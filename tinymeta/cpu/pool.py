"""Where the maximum of each window is."""

from math import prod
from typing import Any

import numpy as np

from .native import native


def window_argmax(out: np.ndarray, x: np.ndarray, *, geometry: Any) -> None:
    """for n, i, j, c:
    out[n,i,j,c] = the first (y, z), as y W + z, that maximises x[n,y,z,c] in window (i, j);
    a NaN is the largest

    out (.., N, H', W', C) int64, or int32 in programs, x (.., N, H, W, C);
    geometry: ops.conv.Geometry. A window is cut at the edge of the image, so that padding is never
    the largest. Cost: h w comparisons for each element of out.
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


@native
def window_argmax_contiguous(out, x, h, w, stride_h, stride_w, top, left):
    """The loop nest of `window_argmax`: out (N, H', W', C), x (N, H, W, C), both contiguous.

    c is innermost, and what is larger is a select and no jump: then the channels of a place are
    compared at once, in vectors. Jumps, which no processor foresees here, take ten times as long.
    """
    height, width, channels = x.shape[1:]
    best = np.empty(channels, x.dtype)
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                y0, z0 = max(i * stride_h - top, 0), max(j * stride_w - left, 0)
                y1, z1 = min(i * stride_h - top + h, height), min(j * stride_w - left + w, width)
                for c in range(channels):
                    best[c], out[n, i, j, c] = x[n, y0, z0, c], y0 * width + z0
                for y in range(y0, y1):
                    for z in range(z0, z1):
                        for c in range(channels):
                            value, place = x[n, y, z, c], y * width + z
                            is_first_nan = (value != value) & (best[c] == best[c])
                            larger = (value > best[c]) | is_first_nan
                            best[c] = value if larger else best[c]
                            out[n, i, j, c] = place if larger else out[n, i, j, c]
