"""What runs a step: a kernel that is generated, one of fixed_kernels.py, BLAS, or Python.

In: a step. Out: a kernel and what makes its arguments, for what runs without Python, or a function
of the arena.

    step                           runs on
    a loop                         the kernel that codegen.py generates
    windows, indices, argmax       the kernel that array_kernels.py generates
    pad, concatenate               fixed_kernels.assemble
    matmul float32                 fixed_kernels.multiply; BLAS where it is faster (`_goes_to_blas`)
    conv_blocks, ..                fixed_kernels.multiply_windows and its like, in blocks
    anything else                  its eager kernel, on views of the arena

What else there is: the user's own operations, in Python; floats of 16 and of more than 64 bits;
floats that become integers, where C leaves some open; products of float64, which are BLAS's.

Invariant: with blas_threads = 0 a float32 product never needs Python, so chunks of a split program
can run without Python's lock.
"""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.device import find_kernel
from ..core.primitive import registry
from ..cpu.window_blocks import block_rows
from . import fixed_kernels
from .array_kernels import ArrayKernel, array_kernel_of
from .cache import EXACT
from .codegen import LoopKernel, kernel_of
from .fuse import Step
from .internal import INTERNAL
from .lower import geometry_numbers, padded_axis
from .program import Equation
from .task_roles import PRODUCT_RATE, estimated_seconds
from .views import byte_of, memory_layout
from .window_rows import BLOCKED, window_sizes

if TYPE_CHECKING:
    from .arena import Arena

FOR_BLAS = 1e7  # multiplications from which two threads of BLAS beat one of our own
BEYOND_CACHE = 2e6  # numbers in x, y and their product from which one thread of BLAS does
_Generated = LoopKernel | ArrayKernel


def generated_kernel(step: Step, materialized: set[Equation], exact: bool) -> _Generated | None:
    """The kernel that is generated for a step; None if there is none. exact: `cache.EXACT`."""
    if not step.loop:
        return array_kernel_of(step.results[0])
    kernel = kernel_of(step.loop, materialized)
    return kernel._replace(source=EXACT + kernel.source) if exact else kernel


class MachineCall(NamedTuple):
    """A kernel of fixed_kernels.py and its arguments, for all rows or for some.

    make_args(eqn, address, workspace, first row, the one after the last); rows: how many there are,
    1 if they cannot be told apart.
    """

    kernel: fixed_kernels.LazyKernel
    eqn: Equation
    make_args: Callable
    rows: int = 1
    seconds: float = 0.0  # about how long it takes

    def args(
        self,
        address: Callable[[Equation], int],
        workspace: int = 0,
        rows: tuple[int, int] | None = None,
    ) -> list[int]:
        """The kernel arguments, as `LoopKernel.args` makes them."""
        return self.make_args(self.eqn, address, workspace, *(rows or (0, self.rows)))


def machine_call(eqn: Equation, blas_threads: int) -> MachineCall | None:
    """What runs a step for which no kernel is generated; None if it needs Python."""
    if eqn.op in ("pad", "concatenate"):
        return MachineCall(fixed_kernels.assemble, eqn, assemble_args)
    if eqn.op == "matmul" and eqn.dtype == np.float32 and not _goes_to_blas(eqn, blas_threads):
        tasks, m, _ = _product_sizes(eqn)
        rows = m if tasks == 1 else tasks
        return MachineCall(fixed_kernels.multiply, eqn, product_args, rows, estimated_seconds(eqn))
    if eqn.op in BLOCKED:
        return _call_of_windows(eqn)
    return None


def _goes_to_blas(eqn: Equation, blas_threads: int) -> bool:
    """Is BLAS faster for this product, although Python has to call it?

    Our kernel reads all of y for every few rows of x, which is cheap while y stays in the cache.
    """
    (m, count), n = eqn.inputs[0].shape[-2:], eqn.shape[-1]
    worth_two_threads = blas_threads > 1 and eqn.size * count > FOR_BLAS
    beyond_cache = blas_threads > 0 and m * count + count * n + m * n > BEYOND_CACHE
    return worth_two_threads or beyond_cache


def _product_sizes(eqn: Equation) -> tuple[int, int, int]:
    """(tasks, rows of a task's x, from one x to the next) of a product.

    If y is the same for all tasks and the rows of x are evenly spaced over them, it is one product.
    """
    x, y = eqn.inputs
    x_t, x_m, _ = matrix_strides(x)
    tasks, m = prod(eqn.shape[:-2]), eqn.shape[-2]
    if matrix_strides(y)[0] == 0 and (x_t == m * x_m or tasks == 1):
        return 1, m * tasks, 0
    return tasks, m, x_t


def product_args(
    eqn: Equation, address: Callable, workspace: int, first: int, end: int
) -> list[int]:
    """The arguments of `fixed_kernels.multiply`; rows: of x, or tasks if there are several."""
    x, y = eqn.inputs
    tasks, m, x_t = _product_sizes(eqn)
    _, x_m, x_k = matrix_strides(x)
    y_t, y_k, y_n = matrix_strides(y)
    n, count = eqn.shape[-1], x.shape[-1]
    if tasks == 1:
        m, begins = end - first, (first * n, first * x_m, 0)
    else:
        tasks, begins = end - first, (first * m * n, first * x_t, first * y_t)
    places = [byte_of(v, address) + 4 * begin for v, begin in zip((eqn, x, y), begins)]
    sizes, strides = (tasks, m, n, count), (x_t, x_m, x_k, y_t, y_k, y_n)
    if n == 1 < m and x_m == 1:  # a^T y is a row, y^T a: in vectors, each sum in the same order
        places = [places[0], places[2], places[1]]
        sizes, strides = (tasks, 1, m, count), (y_t, y_n, y_k, x_t, x_k, x_m)
    return [*places, workspace, *sizes, *strides, fixed_kernels.product.address]


def _call_of_windows(eqn: Equation) -> MachineCall:
    """Of a product of windows; rows: images, or tasks if there are several."""
    images = _images(eqn)
    tasks, count = images.shape[:2]
    length, outputs = window_sizes(eqn)
    windows = count * prod(eqn.static["geometry"].result)
    seconds = 2 * tasks * windows * length * outputs / PRODUCT_RATE
    rows = count if tasks == 1 else tasks
    return MachineCall(_OF_WINDOWS[eqn.op], eqn, _window_args, rows, seconds)


def _images(eqn: Equation) -> Equation:
    """The images (T, N, H, W, C) of a product of windows."""
    return eqn if eqn.op == "conv_input_blocks" else eqn.inputs[0]


def _window_args(
    eqn: Equation, address: Callable, workspace: int, first: int, end: int
) -> list[int]:
    """The arguments of a product of windows; rows: images, or tasks if there are several."""
    images, (a, b) = _images(eqn), eqn.inputs
    length, outputs = window_sizes(eqn)
    tasks, count, *image = images.shape
    places = prod(eqn.static["geometry"].result)  # of windows, in an image
    a_strides = (count * prod(image), 0, 0) if images is a else matrix_strides(a)
    b_strides = matrix_strides(b)
    # From row to row, in elements: of images, of what is multiplied with their windows, of w.
    if tasks == 1:
        count = end - first
        steps = {
            "conv_blocks": (places * outputs, prod(image), 0),
            "conv_weight_blocks": (0, prod(image), places * b_strides[1]),
            "conv_input_blocks": (prod(image), places * a_strides[1], 0),
        }[eqn.op]
    else:
        tasks, steps = end - first, (eqn.size // tasks, a_strides[0], b_strides[0])
    begins = [byte_of(v, address) + 4 * first * step for v, step in zip((eqn, a, b), steps)]
    return [
        *begins,
        workspace,
        *(tasks, count * places, length, outputs, block_rows(length), count * prod(image)),
        *a_strides,
        *b_strides,
        *image,
        *geometry_numbers(eqn.static["geometry"]),
        fixed_kernels.product.address,
    ]


def matrix_strides(x: Equation) -> tuple[int, int, int]:
    """Of matrices (.., m, n): from one to the next, along m, along n; those of size 1 are dense."""
    *lead, rows, columns = memory_layout(x).strides
    *sizes, m, n = x.shape
    task = 0
    for size, stride in zip(reversed(sizes), reversed(lead)):
        if size > 1:
            task = stride
            break
    return task, rows if m > 1 else n, columns if n > 1 else 1


def assemble_args(eqn: Equation, address: Callable, *_: int) -> list[int]:
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
        numbers += [byte_of(x, address), before * row, *runs, (gap + 1) * row]
        before += count
    return [byte_of(eqn, address), *numbers]


def python_step(eqn: Equation) -> Callable[["Arena"], None]:
    """A function that runs an equation by its eager kernel, on views of an arena."""
    layouts = [(memory_layout(x), x.shape) for x in eqn.inputs]
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
    "conv_weight_blocks": fixed_kernels.multiply_windows_transposed,
    "conv_input_blocks": fixed_kernels.multiply_into_images,
}
_KINDS = {
    **dict.fromkeys(("matmul", *BLOCKED), "products"),
    **dict.fromkeys(("to_cols", "from_cols", "window_argmax", "window_places"), "windows"),
}


def step_kind(step: Step, needs_python: bool) -> str:
    """What runs a step, in a word for `explain`."""
    op = step.results[0].op
    if needs_python:
        return "BLAS" if op == "matmul" else "Python"
    return "loops" if step.loop else _KINDS.get(op, "others")
