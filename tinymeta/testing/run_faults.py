"""Faults in how a program is laid out and run: memory, kernel arguments, chunks, threads.

Each function takes the right function and returns the wrong one (planting.py).
"""

import sys

import numpy as np

from ..core import strides as strides_of
from ..jit import array_kernels, chunks, memory, replay, step_kernels, threads, work_buffers
from .planting import fault

# ---- memory --------------------------------------------------------------------------------------


@fault("memory", "a value lives one step less", memory, "lifetimes")
def _(right):
    def lifetimes(program, steps):
        return {
            x: (first, max(first, last - 1) if first >= 0 else last)
            for x, (first, last) in right(program, steps).items()
        }

    return lifetimes


@fault("memory", "constants are freed after their last reader", memory, "lifetimes")
def _(right):
    def lifetimes(program, steps):
        last = {x: k for k, step in enumerate(steps) for x in step.reads}
        return {
            x: (first, last.get(x, end)) if x.op == "constant" else (first, end)
            for x, (first, end) in right(program, steps).items()
        }

    return lifetimes


@fault("memory", "blocks are half as long", memory, "aligned_size")
def _(right):
    return lambda count: max(64, right(count) // 2 // 64 * 64)


@fault("memory", "no workspace for float64 sums", replay, "workspace_bytes")
def _(right):
    return lambda step: 0 if step.loop else right(step)


# ---- sliding -------------------------------------------------------------------------------------


@fault("sliding", "the last span is computed first", replay, "spans")
def _(right):
    return lambda kernel, slides: right(kernel, slides)[::-1]


@fault("sliding", "the last span is left out", replay, "spans")
def _(right):
    def parts(kernel, slides):
        found = right(kernel, slides)
        return found[: max(1, len(found) - 1)]

    return parts


# ---- step kernels --------------------------------------------------------------------------------


@fault("step kernels", "a pad is along the first axis", step_kernels, "padded_axis")
def _(right):
    return lambda widths: 0


@fault(
    "step kernels", "all parts of a join begin where the first does", step_kernels, "assemble_args"
)
def _(right):
    def assemble_args(*args):
        numbers = right(*args)
        numbers[6::5] = [0] * len(numbers[6::5])
        return numbers

    return assemble_args


# ---- array kernels -------------------------------------------------------------------------------


@fault("step kernels", "windows in blocks have another stride", step_kernels, "geometry_numbers")
def _(right):
    return lambda geometry: (*right(geometry)[:4], 1, 1, *right(geometry)[6:])


@fault("step kernels", "windows in blocks are of one task", step_kernels, "_window_args")
def _(right):
    def window_args(*args):
        numbers = right(*args)
        task_stride = 10
        numbers[task_stride] = 0
        return numbers

    return window_args


@fault("array kernels", "argmax is along another axis", array_kernels, "ArrayKernel")
def _(right):
    def array_kernel(source, arrays, shapes, numbers):
        if arrays[0].op == "argmax":
            shapes = (shapes[0][::-1], shapes[1][::-1])
        return right(source, arrays, shapes, numbers)

    return array_kernel


@fault("array kernels", "windows have another stride", array_kernels, "geometry_numbers")
def _(right):
    return lambda geometry: (*right(geometry)[:4], 1, 1, *right(geometry)[6:])


# ---- replay --------------------------------------------------------------------------------------


@fault("replay", "results are not copied out of the arena", replay.Replay, "take_results")
def _(right):
    def take_results(self, arena):
        kept = iter(arena.outputs)
        return [
            y if layout.base in arena.outside else next(kept)
            for y, layout in zip(right(self, arena), self.output_layouts)
        ]

    return take_results


@fault("replay", "all calls share one block of memory", replay, "new_block")
def _(right):
    blocks: dict[int, np.ndarray] = {}
    return lambda size: blocks.setdefault(size, right(size))


@fault("replay", "matrices are read across", step_kernels, "matrix_strides")
def _(right):
    def matrix_strides(x):
        task, rows, columns = right(x)
        return (task, columns, rows) if x.shape[-1] == x.shape[-2] else (task, rows, columns)

    return matrix_strides


@fault("replay", "the last step of a stretch is skipped", replay.Replay, "run_stretch")
def _(right):
    return lambda self, arena, first, last: right(self, arena, first, max(first, last - 1))


@fault("replay", "views are read as dense arrays", replay.Arena, "strided_view")
def _(right):
    def strided_view(self, layout, shape):
        dense = strides_of.dense(shape) if 0 not in layout.strides else layout.strides
        return right(self, layout._replace(strides=dense), shape)

    return strided_view


# ---- chunks --------------------------------------------------------------------------------------


@fault(
    "chunks",
    "sums over the tasks are among the outputs after them",
    chunks.ChunkedReplay,
    "__call__",
)
def _(right):
    def call(self, arrays):
        outputs = right(self, arrays)
        made = [k for k, y in enumerate(self.split.whole.outputs) if y in self.split.after_outputs]
        return [outputs[made[0]] if k in made else y for k, y in enumerate(outputs)]

    return call


# ---- tree sum ------------------------------------------------------------------------------------


@fault("tree sum", "the last merge of each leaf is left out", work_buffers, "plan_subtree")
def _(right):
    def plan_subtree(present):
        found = right(present)
        return found._replace(merges=[merges[:1] for merges in found.merges])

    return plan_subtree


@fault("tree sum", "the sums of the last group are left out", work_buffers, "SumOfRows")
def _(right):
    def sum_of_rows(rows):
        found = right(rows)

        def call():
            rows[-1:] = 0
            return found()

        return call

    return sum_of_rows


# ---- work buffers --------------------------------------------------------------------------------


@fault("work buffers", "chunks begin one task late", work_buffers.WorkBuffers, "chunk_rows")
def _(right):
    def chunk_rows(self, x, k):
        begin, end = right(self, x, k)
        return (begin - 1, end - 1) if begin else (begin, end)

    return chunk_rows


# ---- threads -------------------------------------------------------------------------------------

# Their frames hold the arrays that other threads may still write into: freed, those would be
# somebody else's, and this process would end before the fault is counted.
_CALLS_NOT_WAITED_FOR: list = []


@fault("threads", "the chunks of other threads are not waited for", threads, "wait")
def _(right):
    def wait(counter, number):
        _CALLS_NOT_WAITED_FOR.append(sys._getframe(1))

    return wait
