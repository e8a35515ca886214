"""Kernels that are written, not generated: a product of matrices, and parts put into a whole.

What is compiled for a program and its dtypes is a loop (codegen.py) or a call of a function of cpu/
(array_kernels.py). These two serve all programs, so each is compiled once, when it is first needed.
Their arguments are made by step_kernels.py.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from ..cpu.gemm import at, product
from ..cpu.native import callback
from ..cpu.pointers import OPTIONS, POINTERS, SIGNATURE, as_address, copy_bytes

float32_at, uint8_at = POINTERS["float32_at"], POINTERS["uint8_at"]


class LazyKernel:
    """A function of (arena, args), compiled when its address is first asked for, not at import."""

    def __init__(self, function: Callable):
        self.function = function
        self._callback: Any = None

    @cached_property
    def address(self) -> int:
        """Of its machine code, which lives as long as this object."""
        self._callback = callback(self.function, SIGNATURE, OPTIONS)
        return self._callback.address


@LazyKernel
def multiply(arena, args):
    """out (T, M, N) = x (T, M, K) @ y (T, K, N), float32; `step_kernels.product_args` has the args.

    args: bytes of out, x, y and the workspace; T M N K; strides of x (T M K) and of y (T K N).
    """
    out, x, y = (float32_at(arena, args[0]), float32_at(arena, args[1]), float32_at(arena, args[2]))
    workspace = float32_at(arena, args[3])
    tasks, m, n, count = args[4], args[5], args[6], args[7]
    x_t, x_m, x_k, y_t, y_k, y_n = args[8], args[9], args[10], args[11], args[12], args[13]
    for t in range(tasks):
        product(
            at(out, t * m * n),
            at(x, t * x_t),
            at(y, t * y_t),
            workspace,
            m,
            n,
            count,
            n,
            x_m,
            x_k,
            y_k,
            y_n,
        )


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
