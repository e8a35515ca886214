"""Kernels that are written, not generated: products, and parts put into a whole.

What is compiled for a program and its dtypes is a loop (codegen.py) or a call of a function of cpu/
(array_kernels.py). These serve all programs, so each is compiled once, when it is first needed.
Their arguments are made by step_kernels.py.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from ..cpu import gemm
from ..cpu.inlining import inlined
from ..cpu.native import callback
from ..cpu.pointers import OPTIONS, POINTERS, SIGNATURE, as_address, call_product, copy_bytes
from ..cpu.simd import at
from ..cpu.window_blocks import conv_blocks, conv_input_blocks, conv_weight_blocks

float32_at, uint8_at = POINTERS["float32_at"], POINTERS["uint8_at"]


class LazyKernel:
    """A function of (arena, args), compiled when its address is first asked for, not at import."""

    def __init__(self, function: Callable, signature: Any = SIGNATURE):
        self.function, self.signature = function, signature
        self._callback: Any = None

    @cached_property
    def address(self) -> int:
        """Of its machine code, which lives as long as this object."""
        self._callback = callback(self.function, self.signature, OPTIONS)
        return self._callback.address


product = LazyKernel(gemm.product, gemm.PRODUCT)  # which those that follow call


@LazyKernel
def multiply(arena, args):
    """out (T, M, N) = x (T, M, K) @ y (T, K, N), float32; `step_kernels.product_args` has the args.

    args: bytes of out, x, y and the workspace; T M N K; strides of x (T M K) and of y (T K N); the
    address of `product`.
    """
    out, x, y = (float32_at(arena, args[0]), float32_at(arena, args[1]), float32_at(arena, args[2]))
    workspace = float32_at(arena, args[3])
    tasks, m, n, count = args[4], args[5], args[6], args[7]
    x_t, x_m, x_k, y_t, y_k, y_n = args[8], args[9], args[10], args[11], args[12], args[13]
    for t in range(tasks):
        pointers = at(out, t * m * n), at(x, t * x_t), at(y, t * y_t), workspace
        call_product(args[14], pointers, (m, n, count, n, x_m, x_k, y_k, y_n))


@LazyKernel
def assemble(arena, args):
    """out (A, w) = 0;  for each part x (A, n, r), a, i, c:  out[a, first + i step + c] = x[a, i, c]

    All is in bytes, so one kernel serves every dtype. args: as `step_kernels.assemble_args` has
    them: byte of out, A, w, is it to be cleared, how many parts; of each: byte, first, n, r, step.
    """
    rows, width = args[1], args[2]
    out = uint8_at(arena, args[0])
    if args[3]:
        for c in range(rows * width):
            out[c] = 0
    for k in range(args[4]):
        part = at(args, 5 + 5 * k)
        first, count, run, step = part[1], part[2], part[3], part[4]
        source = uint8_at(arena, part[0])
        for a in range(rows):
            for i in range(count):
                target = at(out, a * width + first + i * step)
                copy_bytes(as_address(target), as_address(at(source, (a * count + i) * run)), run)


# ---- products of windows, in blocks --------------------------------------------------------------
# window_rows.py puts them into programs. args:
#
#   0..3     bytes of the result, of both operands, of the workspace
#   4..9     T; M, K, O (windows of a task, numbers of a window, outputs); rows of a block; numbers
#            of a task's images
#   10..15   strides of the first operand and of the second: from task to task, then of a matrix; of
#            images, only the first is read
#   16..26   the geometry, as cpu/window_blocks.py has it
#   27       the address of `product`


@inlined
def _window_operands(arena, args):
    """(result, both operands, workspace, geometry, sizes), as these args have them"""
    out, x, y = float32_at(arena, args[0]), float32_at(arena, args[1]), float32_at(arena, args[2])
    workspace = float32_at(arena, args[3])
    return out, x, y, workspace, at(args, 16), (args[5], args[6], args[7], args[8])


@LazyKernel
def multiply_windows(arena, args):
    """out (T, M, O) = windows of x (T, N, H, W, C), as (T, M, K), @ w (T, K, O), float32"""
    out, x, w, workspace, geometry, sizes = _window_operands(arena, args)
    for t in range(args[4]):
        conv_blocks(
            at(out, t * args[5] * args[7]),
            at(x, t * args[10]),
            at(w, t * args[13]),
            workspace,
            args[27],
            geometry,
            sizes,
            args[14],
            args[15],
        )


@LazyKernel
def multiply_windows_transposed(arena, args):
    """out (T, K, O) = windows of x, turned to (T, K, M), @ g (T, M, O), float32"""
    out, x, g, workspace, geometry, sizes = _window_operands(arena, args)
    for t in range(args[4]):
        conv_weight_blocks(
            at(out, t * args[6] * args[7]),
            at(x, t * args[10]),
            at(g, t * args[13]),
            workspace,
            args[27],
            geometry,
            sizes,
            args[14],
            args[15],
        )


@LazyKernel
def multiply_into_images(arena, args):
    """out (T, N, H, W, C): each row of g (T, M, O) @ w (T, O, K) added to where its window lies"""
    out, g, w, workspace, geometry, sizes = _window_operands(arena, args)
    for i in range(args[4] * args[9]):
        out[i] = 0
    for t in range(args[4]):
        conv_input_blocks(
            at(out, t * args[9]),
            at(g, t * args[10]),
            at(w, t * args[13]),
            workspace,
            args[27],
            geometry,
            sizes,
            args[11],
            args[12],
            args[14],
            args[15],
        )
