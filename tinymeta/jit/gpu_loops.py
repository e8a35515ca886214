"""Loops as the GPU's templates take them: all reductions of one drop the same axes.

In: a loop of fuse.py. Out: `GpuLoop`s, a body for cuda/loops.py and where its operands lie. A loop
whose reductions drop other axes, or add up in another dtype, becomes several, which read the same
operands again: a block has all that one result is made of, and that is another set for each.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from ..cuda.loop_source import LoopBody, LoopResult
from .codegen import result_strides
from .fuse import Loop
from .loop_body import BodyBuilder
from .loops import REDUCTIONS
from .program import Equation
from .views import StridedLayout


class GpuLoop(NamedTuple):
    """A loop all of whose reductions drop the same axes."""

    body: LoopBody
    space: tuple[int, ...]
    operands: list[StridedLayout]
    results: list[StridedLayout]
    axes: tuple[int, ...]  # that are reduced


def gpu_loops(loop: Loop, materialized: set[Equation]) -> Iterator[GpuLoop]:
    """A loop of several roots as loops of the GPU's template, each of which reduces the same axes.

    Elementwise roots go with the first. What the others share with it is computed again: their
    operands are read anyway.
    """
    groups: dict[tuple, list[Equation]] = defaultdict(list)
    for root in loop.roots:
        axes = _reduced_axes(root)
        groups[axes, root.dtype if axes else None].append(root)
    elementwise = groups.pop(((), None), [])
    if not groups:
        groups[(), None] = []
    for (axes, _), reductions in groups.items():
        roots, elementwise = elementwise + reductions, []
        body = BodyBuilder(loop.space, materialized)
        results = []
        for root in roots:
            value = body.root_value(root)
            reduce = root.op if _reduced_axes(root) else ""
            results.append(LoopResult(value, root.dtype.name, reduce))
        dtypes = tuple(w.base.dtype.name for w in body.operands)
        gpu_body = LoopBody(dtypes, tuple(body.statements), tuple(results))
        layouts = [StridedLayout(root, 0, result_strides(root, loop.space)) for root in roots]
        yield GpuLoop(gpu_body, loop.space, body.operands, layouts, axes)


def _reduced_axes(root: Equation) -> tuple[int, ...]:
    """The axes that a root reduces."""
    return root.static["axes"] if root.op in REDUCTIONS else ()
