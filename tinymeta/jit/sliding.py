"""Sliding: a large result is written over a large operand that dies, a span behind its reading.

    arena        | span 0 | span 1 | span 2 | span 3 |          x, the operand
         | span 0 | span 1 | span 2 | span 3 |                  y = f(x)

In: the loops of a plan and the lifetimes of values. Out: `find_slides`, of each result that slides
the operand that it is written over; `spans`, the rows that a loop then computes at a time.

The loop runs once for each span, in order. Invariant: no span of y touches bytes of x that are
read with it or after it, so a loop may still compute many elements at once: written exactly over x,
its reads and writes would overlap, and the compiler's test for that would choose one element at a
time. Cost: a kernel call for each span, SPAN bytes of memory for each result; two values of
68 MB, the largest of a step with 84 x 84 images, then take 69 MB.
"""

from .array_kernels import ArrayKernel
from .codegen import LoopKernel
from .fuse import Step
from .loops import REDUCTIONS
from .memory import SPAN, Lifetimes
from .program import Equation

WORTH_SLIDING = 4 * SPAN  # bytes of a result


def find_slides(
    kernels: dict[int, LoopKernel | ArrayKernel], steps: list[Step], lives: Lifetimes
) -> dict[Equation, Equation]:
    """Of each result that is written over an operand, that operand. kernels: by step."""
    slides: dict[Equation, Equation] = {}
    for k, kernel in kernels.items():
        if isinstance(kernel, ArrayKernel):
            continue
        roots = kernel.results
        if any(y.op in REDUCTIONS or y.nbytes < WORTH_SLIDING for y in roots):
            continue
        if any(lives[y][1] == len(steps) for y in roots):  # an output may have a place outside
            continue
        if _rows_of_a_span(kernel) < 1:
            continue
        over = [x for x in steps[k].reads if lives[x][0] >= 0 and lives[x][1] == k]
        for y in roots:
            fitting = (x for x in over if _reads_as_it_writes(kernel, x, y))
            x = next(fitting, None)
            if x is not None:
                slides[y] = x
                over.remove(x)
    return slides


def _reads_as_it_writes(kernel: LoopKernel, x: Equation, y: Equation) -> bool:
    """Is element i of x, and no other, read for element i of y, and is it as large?"""
    if x.dtype.itemsize != y.dtype.itemsize or x.nbytes != y.nbytes:
        return False
    layouts = list(zip(kernel.layouts, kernel.strides))
    (written,) = [strides for layout, strides in layouts if layout.base is y]
    readings = [(layout, strides) for layout, strides in layouts if layout.base is x]
    return all(layout.offset == 0 and strides == written for layout, strides in readings)


def _rows_of_a_span(kernel: LoopKernel) -> int:
    """How many steps of the outermost axis write at most a span of any result."""
    row_bytes = 1
    for layout, strides in zip(kernel.layouts, kernel.strides):
        if layout.base in kernel.results:
            row_bytes = max(row_bytes, strides[0] * layout.base.dtype.itemsize)
    return SPAN // row_bytes


def spans(kernel: LoopKernel, slides: dict[Equation, Equation]) -> list[tuple[int, int]]:
    """The rows (first, last) of the outermost axis that a kernel computes at a time: all, or a
    span, if a result of it slides.
    """
    if not any(y in slides for y in kernel.results):
        return [(0, kernel.sizes[0])]
    count = kernel.sizes[0]
    rows = _rows_of_a_span(kernel)
    return [(first, min(first + rows, count)) for first in range(0, count, rows)]
