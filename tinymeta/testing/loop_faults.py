"""Faults in how loops are made: views, what is fused, the text of a kernel.

Each function takes the right function and returns the wrong one (planting.py).
"""

import numpy as np

from ..core import strides as strides_of
from ..jit import codegen, fuse, legalize, loop_body, views
from .planting import fault

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


# ---- legalize ------------------------------------------------------------------------------------


@fault("legalize", "a copy is left out", legalize, "is_dense")
def _(right):
    return lambda x: True


# ---- fuse ----------------------------------------------------------------------------------------


@fault("fuse", "a loop is joined before what it reads is there", fuse, "candidates")
def _(right):
    return lambda reading, space, large, after: right(reading, space, large, -1)


# ---- codegen -------------------------------------------------------------------------------------


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


@fault("codegen", "a maximum that is kept in a register begins with 0", codegen, "total_of")
def _(right):
    return lambda root, element: right(root, f"{root.dtype}(0)" if root.op == "max" else element)


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
