"""The text of a reduction, and of what follows it in the same kernel: loops one after another.

A block has some neighbouring kept elements, and all elements that each of them is made of: rows.
So what it has reduced is known to all its threads as soon as they have met, and it can go on with
its rows, without another launch: for a batch norm

    phase 0   every element    y0 += x0                                 a sum for each channel
    phase 1   kept elements    y1 = y0 / n                              its mean
    phase 2   every element    y2 += (x0 - y1) ** 2                     after all have met
    phase 3   kept elements    y3 = gamma / sqrt(y2 / n + eps)
    phase 4   every element    y4 = relu((x0 - y1) * y3 + beta)         after all have met

Phases hand values on through memory: a kept element by the thread that has it, which others read
after they have met; any other by the thread that reads it again. No block reads what another one
writes. A reduction by itself is one phase. Without a reduction every element is kept, and each
thread has one.

t: this thread's number in its block. j: its kept element. r: the elements that it is made of.
"""

import functools
import re
from typing import NamedTuple

import numpy as np

from .launch import THREADS
from .loop_source import (
    INDENT,
    LoopBody,
    LoopResult,
    body_lines,
    element_of,
    indented,
    stored_dtype,
    unravelled,
)

_NAME = re.compile(r"\b([xv]\d+)\b")  # of a value in a body


class Phase(NamedTuple):
    """A loop over the space of a kernel, or over what is kept of it.

    arrays: of each operand, then of each result, its place among the kernel's arrays. over_kept: is
    it computed for kept elements only? waits: does it read kept elements of an earlier phase, so
    that the threads have to meet before it?
    """

    body: LoopBody
    arrays: tuple[int, ...]
    over_kept: bool = False
    waits: bool = False

    @property
    def reductions(self) -> list[tuple[int, LoopResult]]:
        """(place among the arrays, result) of each reduced result."""
        places = self.arrays[len(self.body.operands) :]
        return [(k, result) for k, result in zip(places, self.body.results) if result.reduce]


# A block of a second row, if there is one, has other r of the same j; its results lie behind.
_KERNEL = """\
def kernel({arrays}, kept, reduced, sizes, strides):
{sizes}
{tiles}
    t = cuda.threadIdx.x
    j = cuda.blockIdx.x * {width} + t % {width}
{kept_index}
{phases}
"""
_OVER_KEPT = """\
    if t < {width} and j < kept:
{body}"""
_OVER_ALL = """\
    if j < kept:
        for r in range(cuda.blockIdx.y * {rows} + t // {width}, reduced, cuda.gridDim.y * {rows}):
{reduced_index}
{body}"""
# Each result has THREADS numbers of the tile, side by side.
_MEETING = """\
{put}
    cuda.syncthreads()
    half = {half}
    while half >= {width}:
        if t < half:
{combine_halves}
        cuda.syncthreads()
        half //= 2
    if t < {width} and j < kept:
{store}"""


@functools.cache
def phase_source(phases: tuple[Phase, ...], patterns: tuple, reduced: tuple, width: int) -> str:
    """The kernel as Python.

    patterns: of each array, `stride_patterns`. reduced: the axes that are not kept. width: how many
    neighbouring kept elements a block has, a power of two.
    """
    axes = range(len(patterns[0]))
    texts = []
    for number, phase in enumerate(phases):
        if phase.waits:
            texts.append(f"{INDENT}cuda.syncthreads()")
        elements = [element_of(f"A{k}", k, patterns[k]) for k in phase.arrays]
        texts += _phase_lines(phase, elements, list(reduced), width, f"p{number}_")
    return _KERNEL.format(
        arrays=", ".join(f"A{k}" for k in range(len(patterns))),
        sizes=indented([f"n{d} = uint32(sizes[{d}])" for d in axes], 1),
        tiles=indented(_tiles(phases), 1),
        width=width,
        kept_index=indented(unravelled("j", [d for d in axes if d not in reduced]), 1),
        phases="\n".join(texts),
    )


def _tiles(phases: tuple[Phase, ...]) -> list[str]:
    """Shared memory for each dtype that is reduced, enough for the phase with most results."""
    most: dict[str, int] = {}
    for phase in phases:
        results = phase.reductions
        if results:
            dtype = stored_dtype(results[0][1])
            most[dtype] = max(most.get(dtype, 0), len(results))
    return [f"tile_{dtype} = shared_array({THREADS * n}, {dtype})" for dtype, n in most.items()]


def _phase_lines(
    phase: Phase, elements: list[str], reduced: list[int], width: int, prefix: str
) -> list[str]:
    """One phase; prefix: of the names in its body, as those of another may have another dtype."""

    def own(text: str) -> str:
        return _NAME.sub(rf"{prefix}\1", text)

    lines = [own(line) for line in body_lines(phase.body, elements)]
    if phase.over_kept:
        return [_OVER_KEPT.format(width=width, body=indented(lines, 2))]
    begin, put, combine_halves, store = [], [], [], []
    for n, (k, result) in enumerate(phase.reductions):
        dtype = stored_dtype(result)
        total, tile = f"{prefix}t{n}", f"tile_{dtype}"
        mine, theirs = f"{tile}[{n * THREADS} + t]", f"{tile}[{n * THREADS} + t + half]"
        begin.append(f"{INDENT}{total} = {dtype}({_neutral(result)})")
        lines.append(f"{total} = {_combined(result, total, own(result.value))}")
        put.append(f"{mine} = {total}")
        combine_halves.append(f"{mine} = {_combined(result, mine, theirs)}")
        store.append(f"A{k}[cuda.blockIdx.y * kept + j] = {mine}")
    index = indented(unravelled("r", reduced), 3)
    over_all = _OVER_ALL.format(
        rows=THREADS // width, width=width, reduced_index=index, body=indented(lines, 3)
    )
    if not begin:
        return [over_all]
    meeting = _MEETING.format(
        width=width,
        half=THREADS // 2,
        put=indented(put, 1),
        combine_halves=indented(combine_halves, 3),
        store=indented(store, 2),
    )
    return [*begin, over_all, meeting]


def _combined(result: LoopResult, a: str, b: str) -> str:
    """Two partial results as one, in the dtype of the result."""
    if result.reduce == "sum":
        return f"{result.dtype}({a} + {b})"
    return f"maximum({a}, {stored_dtype(result)}({b}))"


def _neutral(result: LoopResult) -> str:
    """The number that changes nothing when it is combined with another."""
    if result.reduce == "sum":
        return "0"
    dtype = np.dtype(stored_dtype(result))
    return "-inf" if dtype.kind == "f" else str(np.iinfo(dtype).min)
