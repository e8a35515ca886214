"""Where the maximum of each window is: a thread for each window and channel.

Channels lie side by side, so neighbouring threads read neighbours; windows overlap, and what one
thread has read the cache has for the next.
"""

from typing import Any

from .array import Array
from .launch import THREADS, GpuKernel, block_count
from .movement import contiguous
from .scalar import maximum, minimum
from .target import cuda


def window_argmax(out: Array, x: Array, *, geometry: Any) -> None:
    """for n, i, j, c:
    out[n,i,j,c] = the first (y, z), as y W + z, that maximises x[n,y,z,c] in window (i, j);
    a NaN is the largest

    out (.., N, H', W', C) int64, contiguous; x (.., N, H, W, C); geometry: ops.conv.Geometry.
    """
    top, left = geometry.pads[0][0], geometry.pads[1][0]
    places, window = geometry.result, geometry.kernel
    numbers = (*x.shape[-3:], *places, *window, *geometry.stride, top, left)
    count = out.size
    _largest_in_window(block_count(count), THREADS, out, contiguous(x), count, numbers)


@GpuKernel
def _largest_in_window(out, x, count, numbers):
    """The loop nest of `window_argmax`. out: int64*; x: a pointer; numbers: H W C H' W' h w .."""
    height, width, channels, places_h, places_w, h, w, stride_h, stride_w, top, left = numbers
    e = cuda.grid(1)
    if e < count:
        c, j = e % channels, e // channels % places_w
        i, n = e // (channels * places_w) % places_h, e // (channels * places_w * places_h)
        first_y, first_z = maximum(i * stride_h - top, 0), maximum(j * stride_w - left, 0)
        end_y = minimum(i * stride_h - top + h, height)
        end_z = minimum(j * stride_w - left + w, width)
        image = n * height * width * channels + c
        place = first_y * width + first_z
        best = x[image + place * channels]
        for y in range(first_y, end_y):
            for z in range(first_z, end_z):
                value = x[image + (y * width + z) * channels]
                if value > best or (value != value and best == best):
                    best, place = value, y * width + z
        out[e] = place
