"""What runs a step: a kernel that is generated, one of fixed_kernels.py, BLAS, or Python.

In: a step and its plan. Out: a kernel with its arguments, for what runs without Python, or a
function of the arena.

    step                           runs on
    a loop                         the kernel that codegen.py generates
    windows, indices, argmax       the kernel that array_kernels.py generates
    pad, concatenate               fixed_kernels.assemble
    matmul float32                 fixed_kernels.multiply; BLAS where it is faster (`_goes_to_blas`)
    conv_blocks, ..                fixed_kernels.multiply_windows and its like, in blocks
    anything else                  its eager kernel, on views of the arena

What else there is: operations of the user's own, which are Python; floats of 16 and of more than 64
bits; floats that become integers, of which C leaves open what happens to those that do not fit;
products of float64, which are BLAS's.

Invariant: with blas_threads = 0 a float32 product never needs Python, so chunks of a split program
can run without Python's lock.
"""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ..core.device import find_kernel
from ..core.primitive import registry
from ..cpu.window_blocks import block_rows
from . import fixed_kernels
from .array_kernels import ArrayKernel, array_kernel_of
from .codegen import LoopKernel, kernel_of
from .fuse import Step
from .internal import INTERNAL
from .lower import geometry_numbers, padded_axis
from .plan import ExecutionPlan
from .program import Equation
from .views import stored_layout
from .window_rows import BLOCKED, window_sizes

if TYPE_CHECKING:
    from .arena import Arena

FOR_BLAS = 1e7  # multiplications from which two threads of BLAS beat one of our own
BEYOND_CACHE = 2e6  # numbers in x, y and their product from which one thread of BLAS does


def generated_kernel(step: Step, materialized: set[Equation]) -> LoopKernel | ArrayKernel | None:
    """The kernel that is generated for a step; None if there is none."""
    if step.loop:
        return kernel_of(step.loop, materialized)
    return array_kernel_of(step.results[0])


def machine_call(
    plan: ExecutionPlan, k: int, blas_threads: int
) -> tuple[fixed_kernels.LazyKernel, list[int]] | None:
    """(kernel, arguments) of step k, for which none is generated; None if it needs Python."""
    eqn = plan.steps[k].results[0]
    if eqn.op in ("pad", "concatenate"):
        return fixed_kernels.assemble, assemble_args(plan, eqn)
    if eqn.op == "matmul" and eqn.dtype == np.float32 and not _goes_to_blas(eqn, blas_threads):
        return fixed_kernels.multiply, product_args(plan, k, eqn)
    if eqn.op in BLOCKED:
        return _OF_WINDOWS[eqn.op], _window_args(plan, k, eqn)
    return None


def _goes_to_blas(eqn: Equation, blas_threads: int) -> bool:
    """Is BLAS faster for this product, although Python has to call it?

    Our kernel reads all of y for every few rows of x, which is cheap while y stays in the cache.
    """
    (m, count), n = eqn.inputs[0].shape[-2:], eqn.shape[-1]
    worth_two_threads = blas_threads > 1 and eqn.size * count > FOR_BLAS
    beyond_cache = blas_threads > 0 and m * count + count * n + m * n > BEYOND_CACHE
    return worth_two_threads or beyond_cache


def product_args(plan: ExecutionPlan, k: int, eqn: Equation) -> list[int]:
    """The arguments of `fixed_kernels.multiply` for step k.

    If y is the same for all tasks and the rows of x are evenly spaced over them, it is one product.
    """
    x, y = eqn.inputs
    x_t, x_m, x_k = matrix_strides(x)
    y_t, y_k, y_n = matrix_strides(y)
    tasks, m, n, count = int(np.prod(eqn.shape[:-2])), eqn.shape[-2], eqn.shape[-1], x.shape[-1]
    if y_t == 0 and (x_t == m * x_m or tasks == 1):
        tasks, m, x_t = 1, m * tasks, 0
    workspace = plan.memory.workspaces.get(k, 0)
    places = [plan.address(eqn), plan.address(x), plan.address(y), workspace]
    return [*places, tasks, m, n, count, x_t, x_m, x_k, y_t, y_k, y_n]


def _window_args(plan: ExecutionPlan, k: int, eqn: Equation) -> list[int]:
    """The arguments of a product of windows for step k."""
    first, second = eqn.inputs
    length, outputs = window_sizes(eqn)
    geometry = eqn.static["geometry"]
    images = eqn if eqn.op == "conv_input_blocks" else first
    tasks, count, *image = images.shape
    image_size = images.size // tasks
    strides = (image_size, 0, 0) if images is first else matrix_strides(first)
    windows = count * prod(geometry.result)
    return [
        plan.address(eqn),
        plan.address(first),
        plan.address(second),
        plan.memory.workspaces[k],
        *(tasks, windows, length, outputs, block_rows(length), image_size),
        *strides,
        *matrix_strides(second),
        *image,
        *geometry_numbers(geometry),
    ]


def matrix_strides(x: Equation) -> tuple[int, int, int]:
    """Of matrices (.., m, n): from one to the next, along m, along n; those of size 1 are dense."""
    *lead, rows, columns = stored_layout(x).strides
    *sizes, m, n = x.shape
    task = 0
    for size, stride in zip(reversed(sizes), reversed(lead)):
        if size > 1:
            task = stride
            break
    return task, rows if m > 1 else n, columns if n > 1 else 1


def assemble_args(plan: ExecutionPlan, eqn: Equation) -> list[int]:
    """The arguments of `fixed_kernels.assemble` for a pad of one axis or a concatenate.

    An array is (A, n, B), the axis in the middle, and B counts bytes. Without gaps between its rows
    a part is one run of n B bytes.
    """
    is_pad = eqn.op == "pad"
    axis = padded_axis(eqn.static["widths"]) if is_pad else eqn.static["axis"]
    before, gap = eqn.static["widths"][axis][::2] if is_pad else (0, 0)
    row = prod(eqn.shape[axis + 1 :]) * eqn.dtype.itemsize
    numbers = [prod(eqn.shape[:axis]), eqn.shape[axis] * row, int(is_pad), len(eqn.inputs)]
    for x in eqn.inputs:
        count = x.shape[axis]
        runs = (count, row) if gap else (1, count * row)
        numbers += [plan.address(x), before * row, *runs, (gap + 1) * row]
        before += count
    return [plan.address(eqn), *numbers]


def python_step(eqn: Equation) -> Callable[["Arena"], None]:
    """A function that runs an equation by its eager kernel, on views of an arena."""
    layouts = [(stored_layout(x), x.shape) for x in eqn.inputs]
    if eqn.op in INTERNAL:
        kernel = INTERNAL[eqn.op].kernel
    else:
        kernel = find_kernel(registry[eqn.op], "cpu")

    def run_eager_kernel(arena: "Arena") -> None:
        inputs = [arena.strided_view(layout, shape) for layout, shape in layouts]
        kernel(arena.view(eqn), *inputs, **eqn.static)

    return run_eager_kernel


_OF_WINDOWS = {
    "conv_blocks": fixed_kernels.multiply_windows,
    "conv_weight_blocks": fixed_kernels.multiply_windows_turned,
    "conv_input_blocks": fixed_kernels.multiply_into_images,
}
_KINDS = {
    "matmul": "products",
    "conv_blocks": "products",
    "conv_weight_blocks": "products",
    "conv_input_blocks": "products",
    "to_cols": "windows",
    "from_cols": "windows",
    "window_argmax": "windows",
    "window_places": "windows",
}


def step_kind(step: Step, needs_python: bool) -> str:
    """What runs a step, in a word for `explain`."""
    op = step.results[0].op
    if needs_python:
        return "BLAS" if op == "matmul" else "Python"
    return "loops" if step.loop else _KINDS.get(op, "others")
