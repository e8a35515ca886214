"""Large matrices of windows vanish: the products that read them take a block of rows at a time.

In: a simplified program for the CPU. Out: the same, where a matrix of windows would be larger than
LARGE and float32 products alone read it.

    v2 = to_cols(v0)            v3 = conv_blocks(v0, v1)
    v3 = matmul(v2, v1)
    v4 = transpose(v2)          v5 = conv_weight_blocks(v0, g)
    v5 = matmul(v4, g)
    v6 = matmul(g, w)           v7 = conv_input_blocks(g, w)
    v7 = from_cols(v6)

Invariant: the same values but for the order of sums; all other equations stay. Cost: O(n). A
window is then put together for each product that reads it, in the cache: it costs less than to
fetch a stored one from memory, and a matrix of 84 x 84 images takes 152 MB. Small matrices are kept
(lower.py): all orders of derivative share one. Products of float64 are BLAS's, which wants the
whole.
"""

from math import prod
from typing import Any

import numpy as np

from ..cpu import conv as kernels
from ..cpu.window_blocks import BLOCK_BYTES
from .internal import INTERNAL, Internal
from .program import Builder, Equation, Program, rewrite

BLOCKED = ("conv_blocks", "conv_weight_blocks", "conv_input_blocks")
LARGE = BLOCK_BYTES  # of a matrix of windows, from which it is not stored
_TRANSPOSED = {"axes": (0, 2, 1)}


def without_large_windows(program: Program) -> Program:
    """The program with products in blocks instead of large matrices of windows."""
    large = _large_windows(program)
    if not large:
        return program
    builder = Builder()

    def rule(eqn: Equation, inputs: tuple) -> Equation:
        if eqn.op == "from_cols" and _matrix(eqn.inputs[0]) in large:
            return _input_in_blocks(builder, eqn, inputs[0])
        if eqn.op == "matmul":
            for k, x in enumerate(eqn.inputs):
                windows = _matrix(x)
                if windows in large and windows.op == "to_cols":
                    return _product_in_blocks(builder, eqn, inputs, k)
        return builder.build(eqn.op, inputs, eqn.static, eqn)

    return rewrite(program, rule)


def _input_in_blocks(builder: Builder, eqn: Equation, x: Equation) -> Equation:
    """from_cols of a product, or of the transpose of one: (a b)^T = b^T a^T."""
    g, w = _matrix(x).inputs
    if _is_transposed(x):
        g, w = _transposed(builder, w), _transposed(builder, g)
    return builder.build("conv_input_blocks", (g, w), eqn.static, eqn)


def _product_in_blocks(builder: Builder, eqn: Equation, inputs: tuple, k: int) -> Equation:
    """A product whose k-th operand is a matrix of windows, or its transpose."""
    is_transposed = _is_transposed(inputs[k])
    windows, other = _matrix(inputs[k]), inputs[1 - k]
    if k == 1:  # a b = (b^T a^T)^T, so that windows come first
        is_transposed, other = not is_transposed, _transposed(builder, other)
    op = "conv_weight_blocks" if is_transposed else "conv_blocks"
    product = builder.build(op, (*windows.inputs, other), windows.static, eqn)
    return product if k == 0 else _transposed(builder, product)


def _transposed(builder: Builder, x: Equation) -> Equation:
    """The transpose of matrices (T, m, n)."""
    return x.inputs[0] if _is_transposed(x) else builder.build("transpose", (x,), _TRANSPOSED, x)


def _is_transposed(x: Equation) -> bool:
    """Is it the transpose of matrices?"""
    return x.op == "transpose" and x.static == _TRANSPOSED


def _matrix(x: Equation) -> Equation:
    """Matrices themselves, if x is their transpose."""
    return x.inputs[0] if _is_transposed(x) else x


def _large_windows(program: Program) -> set[Equation]:
    """The large matrices, `to_cols` or products for `from_cols`, that need not be stored."""
    large = {x for x in program.equations if _is_large(x)}
    large.difference_update(map(_matrix, program.outputs))
    read: set[Equation] = set()  # products that were read; what is read twice is computed once
    for reader in program.equations:
        if _is_transposed(reader):
            continue  # its own readers decide
        matrices = [_matrix(x) for x in reader.inputs]
        for k, matrix in enumerate(matrices):
            if not _is_in_blocks(reader, matrix) or matrix in matrices[:k] or matrix in read:
                large.discard(matrix)
            if matrix.op == "matmul":
                read.add(matrix)
        if large.issuperset(matrices):
            large.difference_update(matrices[1:])  # of a product one operand is in blocks
    return large


def _is_large(x: Equation) -> bool:
    """Is it a matrix of windows, or a product that becomes images, and larger than the cache?"""
    if x.dtype != np.float32 or x.nbytes <= LARGE:
        return False
    reads_windows = any(_matrix(y).op == "to_cols" for y in x.inputs)
    return x.op == "to_cols" or x.op == "matmul" and not reads_windows


def _is_in_blocks(reader: Equation, matrix: Equation) -> bool:
    """Can a reader take a large matrix in blocks?"""
    return reader.op == ("from_cols" if matrix.op == "matmul" else "matmul")


# ---- the three operations ------------------------------------------------------------------------


def _conv_shape(x: Any, w: Any, geometry: Any) -> tuple:
    return (x.shape[0], x.shape[1] * prod(geometry.result), w.shape[-1]), x.dtype


def _conv(out: np.ndarray, x: np.ndarray, w: np.ndarray, geometry: Any) -> None:
    kernels.conv(out, x, _as_weights(w, x, geometry), geometry=geometry)


def _conv_weight_shape(x: Any, g: Any, geometry: Any) -> tuple:
    return (x.shape[0], prod(geometry.kernel) * x.shape[-1], g.shape[-1]), x.dtype


def _conv_weight(out: np.ndarray, x: np.ndarray, g: np.ndarray, geometry: Any) -> None:
    gradients = g.reshape(*x.shape[:2], *geometry.result, g.shape[-1])
    kernels.conv_weight(out, x, gradients, geometry=geometry)


def _conv_input_shape(g: Any, w: Any, geometry: Any, shape: tuple) -> tuple:
    return shape, g.dtype


def _conv_input(out: np.ndarray, g: np.ndarray, w: np.ndarray, geometry: Any, shape: tuple) -> None:
    gradients = g.reshape(*shape[:2], *geometry.result, g.shape[-1])
    weights = _as_weights(w.swapaxes(1, 2), out, geometry)
    kernels.conv_input(out, gradients, weights, geometry=geometry)


def _as_weights(w: np.ndarray, images: np.ndarray, geometry: Any) -> np.ndarray:
    """(T, h w C, O) -> (T, h, w, C, O)"""
    return w.reshape(len(w), *geometry.kernel, images.shape[-1], w.shape[-1])


INTERNAL["conv_blocks"] = Internal(_conv_shape, _conv)
INTERNAL["conv_weight_blocks"] = Internal(_conv_weight_shape, _conv_weight)
INTERNAL["conv_input_blocks"] = Internal(_conv_input_shape, _conv_input)


def window_sizes(eqn: Equation) -> tuple[int, int]:
    """(numbers in a window, outputs) of one of the three: h w C and O."""
    kernel = prod(eqn.static["geometry"].kernel)
    first, second = eqn.inputs
    if eqn.op == "conv_input_blocks":
        return kernel * eqn.shape[-1], first.shape[-1]
    return kernel * first.shape[-1], second.shape[-1]
