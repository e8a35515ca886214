"""Convolution without a matrix of windows: a block of its rows at a time, which stays in the cache.

conv_blocks           y = windows(x) @ w             windows as cpu/conv.py has them
conv_weight_blocks    w = windows(x)^T @ g
conv_input_blocks     x = the transpose of windows, of g @ w^T

                      images                 block (rows, K)               result
    conv              x      -- gather -->   windows         -- @ w -->    y, these rows of it
    conv_weight       x      -- gather -->   windows         -- ^T @ g --> added to w
    conv_input        x      <- scatter --   g @ w^T         <----------   g, these rows of it

In: float32 pointers and int64s; K = h w C is the length of a window, M = N H' W' the number of
windows of a task. Out: what cpu/conv.py gives, but for the order of sums. Invariant: the workspace
is as `workspace_size` says, whatever the size of the images.

Cost: 2 M K O operations, and each window is put together once for each product. The matrix of
windows is put together once for all that read it, and has M K numbers: of images of 84 x 84 that
is 2,000 times a block, and each reading comes from memory. So jit/window_rows.py takes these
kernels where the matrix would be larger than the cache.
"""

from .gemm import workspace_size as product_workspace
from .inlining import inlined
from .pointers import as_address, call_product, copy_bytes
from .simd import at

BLOCK_BYTES = 256 * 1024  # of a block of windows: a part of the second cache of most processors
LEAST_ROWS = 64  # of a block, so that a product is worth the packing of its operand


def block_rows(length: int) -> int:
    """How many windows of this length are in a block."""
    return max(LEAST_ROWS, BLOCK_BYTES // (4 * length))


def workspace_size(length: int, outputs: int) -> int:
    """How many float32 any of the three needs, for windows of this length and O outputs.

    A block, what a product packs of its right operand, and the weights of one block.
    """
    rows = block_rows(length)
    packed = max(
        product_workspace(outputs, length),
        product_workspace(outputs, rows),
        product_workspace(length, outputs),
    )
    return rows * length + packed + length * outputs


# ---- windows of images ---------------------------------------------------------------------------
# geometry: int64*, H W C H' W' h w, strides, and the padding above and on the left.


@inlined
def _place_of_window(r, geometry):
    """(image, row, column) of window r of a task"""
    n, place = divmod(r, geometry[3] * geometry[4])
    i, j = divmod(place, geometry[4])
    return n, i, j


@inlined
def _next_place(n, i, j, geometry):
    """The place of the window that follows: without a division, which takes as long as a run."""
    if j + 1 < geometry[4]:
        return n, i, j + 1
    if i + 1 < geometry[3]:
        return n, i + 1, 0
    return n + 1, 0, 0


@inlined
def _pixels_of_window(i, j, geometry):
    """(y and z of the first pixel, begin, end) of the window in row i and column j

    Of each of its rows the pixels begin <= b < end lie within the width of the image.
    """
    width, w = geometry[1], geometry[6]
    y, z = i * geometry[7] - geometry[9], j * geometry[8] - geometry[10]
    begin = min(w, max(0, -z))
    return y, z, begin, max(begin, min(w, width - z))


@inlined
def _gather_rows(block, x, geometry, first, last):
    """block[r - first, (a b c)] = x[n, y, z, c] for the windows first <= r < last, or 0 outside

    A row of a window is one run of neighbours in the image, with zeros on either side. Most have
    none: they are copied at once, as a loop takes longer to begin than a run of 9 numbers to copy.
    """
    height, width, channels = geometry[0], geometry[1], geometry[2]
    h, w = geometry[5], geometry[6]
    run = w * channels
    n, i, j = _place_of_window(first, geometry)
    for r in range(last - first):
        top, z, begin, end = _pixels_of_window(i, j, geometry)
        row = at(block, r * h * run)
        for a in range(h):
            y = top + a
            part = at(row, a * run)
            if y < 0 or y >= height:
                for c in range(run):
                    part[c] = 0
                continue
            source = at(x, ((n * height + y) * width + z) * channels)
            if end - begin == w:
                copy_bytes(as_address(part), as_address(source), 4 * run)
                continue
            for c in range(begin * channels):
                part[c] = 0
            for c in range(begin * channels, end * channels):
                part[c] = source[c]
            for c in range(end * channels, run):
                part[c] = 0
        n, i, j = _next_place(n, i, j, geometry)


@inlined
def _scatter_rows(x, block, geometry, first, last):
    """x[n, y, z, c] += block[r - first, (a b c)] for the windows first <= r < last

    The transpose of `_gather_rows`: what it would read outside of the image is left out.
    """
    height, width, channels = geometry[0], geometry[1], geometry[2]
    h, w = geometry[5], geometry[6]
    n, i, j = _place_of_window(first, geometry)
    for r in range(last - first):
        top, z, begin, end = _pixels_of_window(i, j, geometry)
        row = at(block, r * h * w * channels)
        for a in range(h):
            y = top + a
            if y < 0 or y >= height:
                continue
            part = at(row, a * w * channels)
            target = at(x, ((n * height + y) * width + z) * channels)
            for c in range(begin * channels, end * channels):
                target[c] += part[c]
        n, i, j = _next_place(n, i, j, geometry)


# ---- products, of one task -----------------------------------------------------------------------
# product: the address of gemm.py's.


@inlined
def conv_blocks(out, x, w, workspace, product, geometry, sizes, w_k, w_o):
    """out (M, O) = windows(x) (M, K) @ w (K, O);  sizes: M, K, O and the rows of a block

    w_k, w_o: strides of w.
    """
    windows, length, outputs, rows = sizes
    packed = at(workspace, rows * length)
    for first in range(0, windows, rows):
        last = min(first + rows, windows)
        _gather_rows(workspace, x, geometry, first, last)
        pointers = at(out, first * outputs), workspace, w, packed
        strides = outputs, length, 1, w_k, w_o
        call_product(product, pointers, (last - first, outputs, length, *strides))


@inlined
def conv_weight_blocks(out, x, g, workspace, product, geometry, sizes, g_m, g_o):
    """out (K, O) = windows(x)^T (K, M) @ g (M, O);  sizes: M, K, O and the rows of a block

    g_m, g_o: strides of g. The weights of each block are added up.
    """
    windows, length, outputs, rows = sizes
    partial = at(workspace, rows * length)
    packed = at(partial, length * outputs)
    for i in range(length * outputs):
        out[i] = 0
    for first in range(0, windows, rows):
        last = min(first + rows, windows)
        _gather_rows(workspace, x, geometry, first, last)
        pointers = partial, workspace, at(g, first * g_m), packed
        strides = outputs, 1, length, g_m, g_o
        call_product(product, pointers, (length, outputs, last - first, *strides))
        for i in range(length * outputs):
            out[i] += partial[i]


@inlined
def conv_input_blocks(out, g, w, workspace, product, geometry, sizes, g_m, g_o, w_o, w_k):
    """out = 0, then each row of g (M, O) @ w (O, K) is added to where its window lies in `out`

    sizes: M, K, O and the rows of a block. g_m, g_o, w_o, w_k: strides of g and of w, the transpose
    of the weights. `out`, the images, has been cleared.
    """
    windows, length, outputs, rows = sizes
    packed = at(workspace, rows * length)
    for first in range(0, windows, rows):
        last = min(first + rows, windows)
        pointers = workspace, at(g, first * g_m), w, packed
        strides = length, g_m, g_o, w_o, w_k
        call_product(product, pointers, (last - first, length, outputs, *strides))
        _scatter_rows(out, workspace, geometry, first, last)
