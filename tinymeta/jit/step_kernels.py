"""Steps that are no loops: products and windows by kernels of ours, by BLAS, or by eager kernels.

In: a step's equation and its plan. Out: a kernel with its arguments, for what runs without Python,
or a function of the arena.

    equation                       runs on
    matmul float32                 machine.multiply; BLAS where that is faster (see `_goes_to_blas`)
    to_cols, from_cols float32     machine.to_cols, machine.from_cols
    anything else                  its eager kernel, on views of the arena

Invariant: with blas_threads = 0 a float32 product never needs Python, so chunks of a split program
can run without Python's lock.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..core.device import find_kernel
from ..core.primitive import registry
from . import machine
from .fuse import Step
from .lower import geometry_numbers
from .plan import ExecutionPlan
from .program import INTERNAL, Equation
from .views import stored_layout

if TYPE_CHECKING:
    from .replay import Arena

FOR_BLAS = 1e7  # multiplications from which two threads of BLAS beat one of our own
BEYOND_CACHE = 2e6  # numbers in x, y and their product from which one thread of BLAS does


def machine_call(
    plan: ExecutionPlan, k: int, blas_threads: int
) -> tuple[machine.LazyKernel, list[int]] | None:
    """(kernel, arguments) of step k, which is no loop; None if it needs Python."""
    eqn = plan.steps[k].results[0]
    if eqn.dtype != np.float32:
        return None
    if eqn.op == "matmul":
        if _goes_to_blas(eqn, blas_threads):
            return None
        return machine.multiply, product_args(plan, k, eqn)
    if eqn.op == "to_cols":
        return machine.to_cols, window_args(plan, eqn, images=eqn.inputs[0], cols=eqn)
    if eqn.op == "from_cols":
        return machine.from_cols, window_args(plan, eqn, images=eqn, cols=eqn.inputs[0])
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
    """The arguments of `machine.multiply` for step k.

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


def window_args(plan: ExecutionPlan, eqn: Equation, images: Equation, cols: Equation) -> list[int]:
    """The arguments of `machine.to_cols` and `from_cols`.

    Bytes of result and operand, T N H W C, rows and columns of the windows, the geometry.
    """
    places = [plan.address(eqn), plan.address(eqn.inputs[0])]
    numbers = geometry_numbers(eqn.static["geometry"])
    return [*places, *images.shape, *cols.shape[1:], *numbers]


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


def step_kind(step: Step, needs_python: bool) -> str:
    """What runs a step, in a word for `explain`."""
    op = step.results[0].op
    if needs_python:
        return "BLAS" if op == "matmul" else "Python"
    if step.loop:
        return "loops"
    return "products" if op == "matmul" else "windows"
