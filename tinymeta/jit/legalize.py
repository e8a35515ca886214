"""Legal layouts: a copy wherever a reader cannot take a view's strides.

In: a simplified program. Out: the same, with some `copy` equations.

    v1 = transpose(v0)               v1 = transpose(v0)
    v2 = reshape(v1, shape=(12,))    v2 = copy(v1)
                                     v3 = reshape(v2, shape=(12,))

Invariant of the result: every view has a `memory_layout`, operands of a product are matrices in
memory, all other equations that are no loops read dense arrays, and outputs are dense. So all
passes after this one can treat views as strides. Cost: O(n), at most one copy of each value.

Making every view dense would be simpler. But a quarter of the equations of a training step are
views, and each would be a pass over memory; in the 1,100 equations of a Conv-4 MAML step this pass
puts 4 copies.
"""

import numpy as np

from ..core.strides import dense, evenly_strided
from .internal import INTERNAL, Internal
from .loops import can_loop
from .program import Builder, Equation, Program, program_of
from .views import VIEWS, changes_unit_axes_only, layout_of, source
from .window_rows import BLOCKED


def _copy_shape(x: Equation) -> tuple:
    return x.shape, x.dtype


def _copy(out: np.ndarray, x: np.ndarray) -> None:
    np.copyto(out, x)


INTERNAL["copy"] = Internal(_copy_shape, _copy)


def with_legal_layouts(program: Program) -> Program:
    """The program with a copy wherever a reader cannot take a view's strides."""
    builder = Builder()
    new = {x: x for x in program.inputs}
    copies: dict[Equation, Equation] = {}  # one for each value, whatever reads it

    def copied(x: Equation, like: Equation) -> Equation:
        if x not in copies:
            copies[x] = builder.build("copy", (x,), {}, like)
        return copies[x]

    for eqn in program.equations:
        if eqn in new:
            continue
        inputs = tuple([new[x] for x in eqn.inputs])
        if eqn.op == "reshape" and not changes_unit_axes_only(eqn):
            if not is_dense(inputs[0]):
                inputs = (copied(inputs[0], eqn),)
        elif eqn.op not in VIEWS and not can_loop(eqn) and eqn.op != "constant":
            inputs = tuple(
                [x if _is_readable(eqn.op, k, x) else copied(x, eqn) for k, x in enumerate(inputs)]
            )
        new[eqn] = builder.build(eqn.op, inputs, eqn.static, eqn)
    outputs = []
    for y in program.outputs:
        outputs.append(new[y] if is_dense(new[y]) else copied(new[y], new[y]))
    return program_of(outputs, program.inputs)


def is_dense(x: Equation) -> bool:
    """Do its elements lie one after another, in order?"""
    layout = layout_of(*source(x), x.shape)
    return layout is not None and layout.strides == dense(x.shape)


def _is_readable(op: str, k: int, x: Equation) -> bool:
    """Can an equation that is no loop read its k-th operand, x, with the strides that x has?

    A matrix product can, if the leading axes are evenly spaced and, of its right operand, rows or
    columns lie together. So can products of windows, but for the images.
    """
    takes_matrices = op == "matmul" or op in BLOCKED
    if not takes_matrices or op != "matmul" and x.ndim > 3:
        return is_dense(x)
    layout = layout_of(*source(x), x.shape)
    if layout is None:
        return False
    *lead, rows, columns = layout.strides
    *sizes, m, n = x.shape
    return evenly_strided(sizes, lead) and (k == 0 or 1 in (columns, rows, m, n))
