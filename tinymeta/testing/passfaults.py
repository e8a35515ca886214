"""Who tests the compiler's tests? A fault in each pass, one at a time, and random steps have to see it.

A fault is a function of the compiler replaced by one that is wrong in one way: outputs in another
order, a stride, a copy left out, a dtype, a block of memory given away too early, a thread that is
not waited for. `check_compiled` has to find each within a few hundred random steps.
"""

from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from ..core import strides as strides_of
from ..jit import (
    chunks,
    codegen,
    compile,
    desk,
    fuse,
    memory,
    program,
    replay,
    simplify,
    split,
    threads,
    trace,
    views,
)
from .compiled import survey

EXAMPLES = 400  # the budget within which a fault has to be noticed


class Fault(NamedTuple):
    """In which pass, what is wrong, and the patch that makes it so."""

    part: str
    what: str
    planted: Callable  # -> a context manager


FAULTS: list[Fault] = []


def fault(part: str, what: str, where, name: str):
    """A fault that replaces `where.name` by what the decorated function makes of it."""

    def keep(broken: Callable):
        FAULTS.append(
            Fault(part, what, lambda: patch.object(where, name, broken(getattr(where, name))))
        )
        return broken

    return keep


# ---- trace ---------------------------------------------------------------------------------------


@fault("trace", "a captured array is not copied", trace, "copied")
def _(right):
    return lambda array: array


@fault("compile", "numbers are float32", compile, "given")
def _(right):
    return lambda leaf, dtype: np.asarray(right(leaf, dtype), np.float32).astype(dtype)


@fault("compile", "the dtype is no part of the signature", compile, "kind")
def _(right):
    return lambda leaf: right(leaf)[:1]


@fault("compile", "all numbers are one", trace, "is_number")
def _(right):
    return lambda x: False


# ---- simplify ------------------------------------------------------------------------------------


@fault("simplify", "lines of different static are one", simplify.Shorter, "key")
def _(right):
    def key(op, inputs, static, like):
        return right(op, inputs, static if op == "constant" else {}, like)

    return staticmethod(key)


@fault("simplify", "a sum of repetitions is not multiplied", simplify.Shorter, "number")
def _(right):
    return lambda self, value, dtype: right(self, 1, dtype)


def rewrite(op: str, what: str):
    """A fault in the rule of one operation."""

    def keep(broken):
        FAULTS.append(
            Fault(
                "simplify",
                what,
                lambda: patch.dict(simplify.REWRITES, {op: broken(simplify.REWRITES[op])}),
            )
        )

    return keep


@rewrite("transpose", "of two transposes the order is exchanged")
def _(right):
    def rule(make, inputs, static, like):
        (x,), axes = inputs, static["axes"]
        if x.op != "transpose":
            return right(make, inputs, static, like)
        return make("transpose", x.inputs, {"axes": tuple(axes[i] for i in x.static["axes"])}, like)

    return rule


@rewrite("mul", "x * y is x where y is a constant")
def _(right):
    def rule(make, inputs, static, like):
        a, b = inputs
        return a if b.op == "constant" and a.shape else right(make, inputs, static, like)

    return rule


@rewrite("neg", "-x is x")
def _(right):
    return lambda make, inputs, static, like: inputs[0]


@rewrite("astype", "a cast is left out")
def _(right):
    def rule(make, inputs, static, like):
        floats = inputs[0].dtype.kind == "f" == np.dtype(static["dtype"]).kind
        return inputs[0] if floats else right(make, inputs, static, like)

    return rule


# ---- split and chunks ----------------------------------------------------------------------------


@fault("split", "what is made after the tasks is exchanged", split, "along")
def _(right):
    def along(program, tasks):
        found = right(program, tasks)
        return found._replace(rest=found.rest[::-1])

    return along


@fault("chunks", "totals are among what is made after", chunks.Parallel, "__call__")
def _(right):
    def call(self, arrays):
        outputs = right(self, arrays)
        made = [k for k, y in enumerate(self.split.whole.outputs) if y in self.split.rest]
        return [outputs[made[0]] if k in made else y for k, y in enumerate(outputs)]

    return call


@fault("split", "what mixes the tasks does not", split, "keeps")
def _(right):
    return lambda line, tasks: right(line, tasks) or line.op in ("flip", "slice", "transpose")


@fault("split", "what has a place for each task is shared", split, "beside")
def _(right):
    return lambda line, x, ours: False


@fault("desk", "the last chunk is left out of the sums", desk.Desk, "results")
def _(right):
    def results(self):
        for table, _, _ in self.sums:
            table[-1] = 0
        return right(self)

    return results


@fault("desk", "chunks begin one task late", desk.Desk, "part")
def _(right):
    def part(self, x, k):
        begin, end = right(self, x, k)
        return (begin - 1, end - 1) if begin else (begin, end)

    return part


@fault("threads", "nobody waits for the chunks of others", threads, "wait")
def _(right):
    return lambda counter, number: None


# ---- views ---------------------------------------------------------------------------------------


@fault("views", "a transpose takes the strides the other way", views, "through")
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


@fault("fuse", "a copy is left out", fuse, "is_dense")
def _(right):
    return lambda x: True


@fault("fuse", "a loop is joined before what it reads is there", fuse, "candidates")
def _(right):
    return lambda reading, space, large, after: right(reading, space, large, -1)


@fault("codegen", "integers do not wrap", codegen, "expression")
def _(right):
    def expression(line, inputs):
        text = right(line, inputs)
        wraps = line.dtype.kind in "iu" and line.op not in ("astype", "copy")
        return f"float64({text.partition('(')[2]}" if wraps else text

    return expression


@fault("codegen", "a sum begins with what is there", codegen, "written")
def _(right):
    def written(*args):
        source, steps = right(*args)
        return source.replace("(0)\n    for i0", "(1)\n    for i0"), steps

    return written


@fault("codegen", "a result moves along an axis that is summed", codegen, "kept_strides")
def _(right):
    def kept_strides(root, space):
        found = right(root, space)
        return found[::-1] if root.op == "sum" and len(set(space)) == 1 else found

    return kept_strides


@fault("codegen", "a value is rounded to float32", codegen, "stored")
def _(right):
    def stored(y, root, value):
        return right(y, root, f"float32({value})" if root.dtype == np.float64 else value)

    return stored


# ---- memory and replay ---------------------------------------------------------------------------


@fault("memory", "a value lives one step less", memory, "lifetimes")
def _(right):
    def lifetimes(program, steps):
        return {
            x: (first, max(first, last - 1) if first >= 0 else last)
            for x, (first, last) in right(program, steps).items()
        }

    return lifetimes


@fault("memory", "inputs are given away after their last reader", memory, "lifetimes")
def _(right):
    def lifetimes(program, steps):
        last = {x: k for k, step in enumerate(steps) for x in step.reads}
        return {
            x: (first, last.get(x, end)) if x.op == "constant" else (first, end)
            for x, (first, end) in right(program, steps).items()
        }

    return lifetimes


@fault("memory", "blocks are half as long", memory, "rounded")
def _(right):
    return lambda count: max(64, right(count) // 2 // 64 * 64)


@fault("memory", "no room for float64 sums", replay, "scratch")
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


@fault("replay", "matrices are read across", replay, "matrix_strides")
def _(right):
    def matrix_strides(x):
        task, rows, columns = right(x)
        return (task, columns, rows) if x.shape[-1] == x.shape[-2] else (task, rows, columns)

    return matrix_strides


@fault("replay", "the last step of a stretch is skipped", replay.Replay, "drive")
def _(right):
    return lambda self, arena, first, last: right(self, arena, first, max(first, last - 1))


@fault("replay", "arrays are walked over densely", replay.Arena, "walked")
def _(right):
    def walked(self, at, shape):
        dense = strides_of.dense(shape) if 0 not in at.strides else at.strides
        return right(self, at._replace(strides=dense), shape)

    return walked


@fault("program", "the outputs are turned round", program, "ordered")
def _(right):
    def ordered(outputs, inputs=()):
        found = right(outputs, inputs)
        return found._replace(outputs=found.outputs[1:] + found.outputs[:1])

    return ordered


# ---- are they noticed? ---------------------------------------------------------------------------


def noticed(fault: Fault, examples: int = EXAMPLES, seed: int = 0) -> bool:
    """Is there a complaint of one of so many random steps, with the fault in the compiler?"""
    with fault.planted():
        return survey(shrink=False).round(examples, seed).error is not None


def survivors(examples: int = EXAMPLES, faults: list[Fault] = FAULTS) -> list[Fault]:
    return [fault for fault in faults if not noticed(fault, examples)]


def table(examples: int = EXAMPLES) -> str:
    """Every fault, and whether it is noticed."""
    lines, found = [f"{'pass':10}{'fault':56}noticed"], 0
    for fault in FAULTS:
        seen = noticed(fault, examples)
        found += seen
        lines.append(f"{fault.part:10}{fault.what:56}{'yes' if seen else 'NO'}")
    return "\n".join([*lines, f"{'together':66}{found} of {len(FAULTS)}"])
