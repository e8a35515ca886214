"""Faults in the compiler's passes, one at a time, to test the tests: random steps must notice each.

A fault replaces one function of the compiler by one that is wrong in one way: outputs in another
order, a wrong stride, a copy left out, a wrong dtype, a block of memory freed too early, a thread
that is not waited for. `check_compiled` has to fail for each within a few hundred random steps; a
fault that survives shows a step that is never drawn.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from ..core import strides as strides_of
from ..jit import (
    arena,
    array_kernels,
    chunks,
    codegen,
    compile,
    cuts,
    fuse,
    legalize,
    loop_body,
    memory,
    plan,
    program,
    replay,
    signatures,
    simplify,
    split,
    step_kernels,
    task_roles,
    threads,
    trace,
    views,
    work_buffers,
)
from .compiled import survey

EXAMPLES = 400  # the budget within which a fault has to be noticed
_GUARD = (
    2**24
)  # unused bytes on both sides of an arena; as no page of them is touched, they are free


class Fault(NamedTuple):
    """A fault of a pass: what is wrong, and the patch that makes it so for a `with` block."""

    part: str  # the file it is in
    what: str
    planted: Callable[[], AbstractContextManager]


FAULTS: list[Fault] = []


def fault(part: str, what: str, where: Any, name: str) -> Callable:
    """A decorator that adds a fault: `where.name` is replaced by a wrong function.

    The decorated function takes the right one and returns the wrong one.
    """

    def add(wrong_from_right: Callable) -> Callable:
        def planted() -> AbstractContextManager:
            return patch.object(where, name, wrong_from_right(getattr(where, name)))

        FAULTS.append(Fault(part, what, planted))
        return wrong_from_right

    return add


# ---- trace ---------------------------------------------------------------------------------------


@fault("trace", "a captured array is not copied", trace, "contiguous_copy")
def _(right):
    return lambda array: array


@fault("compile", "numbers are float32", compile, "leaf_array")
def _(right):
    return lambda leaf, dtype: np.asarray(right(leaf, dtype), np.float32).astype(dtype)


@fault("signatures", "the dtype is no part of the signature", signatures, "_key_and_leaves")
def _(right):
    def key_and_leaves(args, kwargs):
        (signature, *where), leaves = right(args, kwargs)
        without = [part[:1] if isinstance(part[-1], np.dtype) else part for part in signature]
        return (tuple(without), *where), leaves

    return key_and_leaves


@fault("compile", "all numbers are one", trace, "is_number")
def _(right):
    return lambda x: False


# ---- simplify ------------------------------------------------------------------------------------


@fault("simplify", "equations of different static are one", simplify.Simplifier, "key")
def _(right):
    def key(op, inputs, static, like):
        return right(op, inputs, static if op == "constant" else {}, like)

    return staticmethod(key)


@fault("simplify", "a sum of repetitions is not multiplied", simplify.Simplifier, "number")
def _(right):
    return lambda self, value, dtype: right(self, 1, dtype)


def _rule_fault(op: str, what: str) -> Callable:
    """A decorator that adds a fault in the simplifier's rule of one operation; see `fault`."""

    def add(wrong_from_right: Callable) -> None:
        def planted() -> AbstractContextManager:
            wrong = wrong_from_right(simplify.REWRITES[op])
            return patch.dict(simplify.REWRITES, {op: wrong})

        FAULTS.append(Fault("simplify", what, planted))

    return add


@_rule_fault("transpose", "of two transposes the order is exchanged")
def _(right):
    def rule(simplifier, inputs, static, like):
        (x,), axes = inputs, static["axes"]
        if x.op != "transpose":
            return right(simplifier, inputs, static, like)
        composed = tuple(axes[i] for i in x.static["axes"])
        return simplifier.build("transpose", x.inputs, {"axes": composed}, like)

    return rule


@_rule_fault("mul", "x * y is x where y is a constant")
def _(right):
    def rule(simplifier, inputs, static, like):
        a, b = inputs
        return a if b.op == "constant" and a.shape else right(simplifier, inputs, static, like)

    return rule


@_rule_fault("neg", "-x is x")
def _(right):
    return lambda simplifier, inputs, static, like: inputs[0]


@_rule_fault("astype", "a cast is left out")
def _(right):
    def rule(simplifier, inputs, static, like):
        floats = inputs[0].dtype.kind == "f" == np.dtype(static["dtype"]).kind
        return inputs[0] if floats else right(simplifier, inputs, static, like)

    return rule


@fault("joins", "pads are joined in the other order", simplify, "sum_of_pads")
def _(right):
    def sum_of_pads(simplifier, inputs, static, like):
        found = right(simplifier, inputs, static, like)
        if found is None or found.op != "concatenate":
            return found
        return simplifier.build("concatenate", found.inputs[::-1], found.static, like)

    return sum_of_pads


@fault("step kernels", "a pad is along the first axis", step_kernels, "padded_axis")
def _(right):
    return lambda widths: 0


# ---- split and chunks ----------------------------------------------------------------------------


@fault("split", "outputs after the tasks are exchanged", split, "split_along")
def _(right):
    def split_along(program, tasks):
        found = right(program, tasks)
        return found._replace(after_outputs=found.after_outputs[::-1])

    return split_along


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


@fault("split", "an operation that mixes the tasks is split", task_roles, "keeps_tasks_apart")
def _(right):
    return lambda eqn, tasks: right(eqn, tasks) or eqn.op in ("flip", "slice", "transpose")


@fault("split", "what has a task axis is broadcast", task_roles, "has_task_axis")
def _(right):
    return lambda eqn, x: False


@fault("tree sum", "the last merge of each leaf is left out", work_buffers, "plan_subtree")
def _(right):
    def plan_subtree(present):
        found = right(present)
        return found._replace(merges=[merges[:1] for merges in found.merges])

    return plan_subtree


@fault("tree sum", "the sums of the last group are left out", work_buffers, "tree_sum_of_rows")
def _(right):
    return lambda rows: right(np.concatenate([rows[:-1], np.zeros_like(rows[-1:])]))


@fault("cuts", "a slice of a joined part is one of another of its shape", cuts, "_slice_of_part")
def _(right):
    def slice_of_part(simplifier, x, slices, like):
        found = right(simplifier, x, slices, like)
        like_found = [part for part in x.inputs if found is not None and part.shape == found.shape]
        return like_found[0] if like_found else found

    return slice_of_part


@fault("cuts", "the last of several padded parts is left out", cuts, "_padded_terms")
def _(right):
    def padded_terms(x):
        terms = right(x)
        return terms[:-1] if len(terms) > 1 else terms

    return padded_terms


@fault("work buffers", "chunks begin one task late", work_buffers.WorkBuffers, "chunk_rows")
def _(right):
    def chunk_rows(self, x, k):
        begin, end = right(self, x, k)
        return (begin - 1, end - 1) if begin else (begin, end)

    return chunk_rows


@fault("threads", "the chunks of other threads are not waited for", threads, "wait")
def _(right):
    return lambda counter, number: None


# ---- views ---------------------------------------------------------------------------------------


@fault("views", "a transpose permutes the strides the other way", views, "through")
def _(right):
    def through(view, offset, strides):
        if view.op != "transpose":
            return right(view, offset, strides)
        return offset, tuple(strides[i] for i in np.argsort(view.static["axes"]))

    return through


@fault("views", "a slice begins where its source does", strides_of, "sliced")
def _(right):
    return lambda shape, strides, slices: (0, *right(shape, strides, slices)[1:])


@fault("views", "a flip begins where its source does", strides_of, "flipped")
def _(right):
    return lambda shape, strides, axes: (0, right(shape, strides, axes)[1])


@fault("views", "a reshape is a dense array", strides_of, "reshaped")
def _(right):
    return lambda shape, strides, target: strides_of.dense(target)


@fault("views", "axes of other strides are one", codegen, "collapsed")
def _(right):
    def collapsed(space, strides):
        return right(space, [strides_of.dense(space) if 0 not in s else s for s in strides])

    return collapsed


# ---- fuse and codegen ----------------------------------------------------------------------------


@fault("legalize", "a copy is left out", legalize, "is_dense")
def _(right):
    return lambda x: True


@fault("fuse", "a loop is joined before what it reads is there", fuse, "candidates")
def _(right):
    return lambda reading, space, large, after: right(reading, space, large, -1)


@fault("codegen", "integers do not wrap", loop_body, "expression")
def _(right):
    def expression(eqn, inputs):
        text = right(eqn, inputs)
        wraps = eqn.dtype.kind in "iu" and eqn.op not in ("astype", "copy")
        return f"float64({text.partition('(')[2]}" if wraps else text

    return expression


@fault("codegen", "a sum begins with what is there", codegen, "kernel_text")
def _(right):
    def kernel_text(*args):
        source, strides_read = right(*args)
        return source.replace("(0)\n    for i0", "(1)\n    for i0"), strides_read

    return kernel_text


@fault("codegen", "a result moves along an axis that is summed", codegen, "result_strides")
def _(right):
    def result_strides(root, space):
        found = right(root, space)
        return found[::-1] if root.op == "sum" and len(set(space)) == 1 else found

    return result_strides


@fault("codegen", "a value is rounded to float32", codegen, "store_statement")
def _(right):
    def store_statement(y, root, value):
        return right(y, root, f"float32({value})" if root.dtype == np.float64 else value)

    return store_statement


# ---- memory and replay ---------------------------------------------------------------------------


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


@fault("memory", "no workspace for float64 sums", plan, "workspace_bytes")
def _(right):
    return lambda step: 0 if step.loop else right(step)


@fault("replay", "results are not copied out of the arena", replay.Replay, "__call__")
def _(right):
    def call(self, arrays):
        right(self, arrays)
        return list(self.arenas[-1].outputs)

    return call


@fault("replay", "all calls share one arena", replay.Replay, "new_arena")
def _(right):
    def new_arena(self):
        self.only = getattr(self, "only", None) or right(self)
        return self.only

    return new_arena


@fault("replay", "matrices are read across", step_kernels, "matrix_strides")
def _(right):
    def matrix_strides(x):
        task, rows, columns = right(x)
        return (task, columns, rows) if x.shape[-1] == x.shape[-2] else (task, rows, columns)

    return matrix_strides


@fault(
    "step kernels", "all parts of a join begin where the first does", step_kernels, "assemble_args"
)
def _(right):
    def assemble_args(plan, eqn):
        numbers = right(plan, eqn)
        numbers[6::5] = [0] * len(numbers[6::5])
        return numbers

    return assemble_args


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


@fault("replay", "the last step of a stretch is skipped", replay.Replay, "run_stretch")
def _(right):
    return lambda self, arena, first, last: right(self, arena, first, max(first, last - 1))


@fault("replay", "views are read as dense arrays", replay.Arena, "strided_view")
def _(right):
    def strided_view(self, layout, shape):
        dense = strides_of.dense(shape) if 0 not in layout.strides else layout.strides
        return right(self, layout._replace(strides=dense), shape)

    return strided_view


@fault("program", "the outputs are rotated", program, "program_of")
def _(right):
    def program_of(outputs, inputs=()):
        found = right(outputs, inputs)
        return found._replace(outputs=found.outputs[1:] + found.outputs[:1])

    return program_of


# ---- are they noticed? ---------------------------------------------------------------------------


def noticed(fault: Fault, examples: int = EXAMPLES, seed: int = 0) -> bool:
    """Does one of so many random steps fail, with the fault in the compiler?"""
    guarded = [patch.object(room, "new_block", _guarded_block) for room in (replay, work_buffers)]
    with guarded[0], guarded[1], fault.planted():
        return survey(shrink=False).round(examples, seed).error is not None


def _guarded_block(size: int) -> np.ndarray:
    """The block of an arena, with a guard on both sides.

    What a fault reads or writes outside of its block makes a result wrong, as it should. It must
    not damage the memory of this process, which would end before the fault is counted.
    """
    return arena.new_block(size + 2 * _GUARD)[_GUARD:]


def survivors(examples: int = EXAMPLES, faults: list[Fault] = FAULTS) -> list[Fault]:
    """The faults that no random step notices."""
    return [fault for fault in faults if not noticed(fault, examples)]


def table(examples: int = EXAMPLES) -> str:
    """A line for each fault: its pass, what is wrong, and whether it is noticed."""
    lines, found = [f"{'pass':14}{'fault':56}noticed"], 0
    for fault in FAULTS:
        seen = noticed(fault, examples)
        found += seen
        lines.append(f"{fault.part:14}{fault.what:56}{'yes' if seen else 'NO'}")
    return "\n".join([*lines, f"{'together':70}{found} of {len(FAULTS)}"])
