"""The template of every loop: elementwise kernels, reductions, and what jit fuses of both.

Elementwise: one thread for each element; its number is taken apart into the index along each axis,
and each array is read where its strides say.

    threads     0  1  2  3  4  5 ..        neighbours read neighbours: one transaction of memory
    elements    0  1  2  3  4  5 ..        for all 32 threads of a warp, if the last stride is 1

A reduction gives each kept element to several threads of one block, which add every so many-th
element and then meet in shared memory, half of them going home each time:

    t 0 1 2 3 4 5 6 7  ->  0+4 1+5 2+6 3+7  ->  0+2 1+3  ->  0+1          log2(threads) steps

Where the last axis is kept, neighbouring threads have neighbouring kept elements; where it is
reduced, they share one: both read neighbours. If there are few kept elements, several blocks take
parts of each, and a second reduction adds the parts: in an order that depends on shapes alone, so
two runs agree to the bit. Both are limited by memory: a byte read is worth ten operations.
"""

import functools
from math import prod
from typing import NamedTuple

import numpy as np

from ..core.strides import collapsed, dense
from . import target
from .array import allocate
from .launch import Kernel
from .scalar import FUNCTIONS

THREADS = 16 if target.SIMULATED else 256  # in a block: eight warps
WARP = 4 if target.SIMULATED else 32
BLOCKS_ENOUGH = 256  # of a reduction: about two for each multiprocessor of a large GPU
ROWS_ENOUGH = 8  # elements for each thread, before more blocks are worth a second pass
INDENT = "    "
TYPES = {
    name: getattr(target.types, name)
    for name in (
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    )
}


class Result(NamedTuple):
    """What is stored: the name of a value of the body, elementwise or reduced over some axes."""

    value: str
    dtype: str
    reduce: str = ""  # "sum" or "max"


class Body(NamedTuple):
    """What is computed for each element: x0, x1 .. are the operands.

    operands: the dtype of each. statements: (name, expression), in order.
    """

    operands: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]
    results: tuple[Result, ...]


class Plan(NamedTuple):
    """A body over a space: the kernel's text, and the numbers that it runs on."""

    text: str
    sizes: tuple[int, ...]  # of the axes that are left when those that can be are one
    steps: tuple[int, ...]  # the strides of each array, one array after another
    kept: int  # elements of a result that is reduced, and
    count: int  # how many elements make one of them
    width: int  # neighbouring kept elements in a block


def planned(body: Body, space: tuple, strides: list[tuple], axes: tuple) -> Plan:
    """strides: of each operand and result. axes: those that the reduced results drop."""
    marks = dense(tuple(n or 2 for n in space))
    marks = tuple(0 if i in axes else s for i, s in enumerate(marks))  # 0: is dropped
    sizes, (marks, *moves) = collapsed(space, [marks, *strides])
    reduced = tuple(d for d, mark in enumerate(marks) if axes and not mark)
    kept = prod(n for d, n in enumerate(sizes) if d not in reduced)
    neighbours = min(WARP, 1 << (max(kept, 1) - 1).bit_length())
    width = neighbours if len(sizes) - 1 not in reduced else 1
    return Plan(
        source(body, len(sizes), patterns(moves), reduced, width),
        sizes,
        tuple(s for steps in moves for s in steps),
        kept,
        prod(sizes[d] for d in reduced),
        width,
    )


def run(body: Body, space: tuple, operands: list, results: list, axes: tuple = ()):
    """Launch a body over a space. operands, results: (array, its strides in this space) of each.

    The arrays of reduced results are dense, their strides are not looked at, and they have one dtype.
    """
    if not axes and not prod(space):
        return
    plan = planned(body, space, [s for _, s in (*operands, *results)], axes)
    arrays = [a for a, _ in (*operands, *results)]
    if axes:
        return reduce(body, plan, arrays)
    kernel(plan.text)(
        -(-prod(space) // THREADS), THREADS, *arrays, prod(space), plan.sizes, plan.steps
    )


def reduce(body: Body, plan: Plan, arrays: list):
    """A pass, and a second one where a few kept elements would leave most of the GPU idle."""
    blocks, rows = -(-plan.kept // plan.width), THREADS // plan.width
    parts = max(1, min(BLOCKS_ENOUGH // max(blocks, 1), plan.count // (rows * ROWS_ENOUGH)))
    partial = {
        k: allocate((parts, plan.kept), arrays[k].dtype)
        for k, y in enumerate(body.results, len(body.operands))
        if y.reduce and parts > 1
    }
    kernel(plan.text)(
        (blocks, parts),
        THREADS,
        *(partial.get(k, a) for k, a in enumerate(arrays)),
        plan.kept,
        plan.count,
        plan.sizes,
        plan.steps,
    )
    for k, part in partial.items():
        out, y = arrays[k], body.results[k - len(body.operands)]
        again = Body((y.dtype,), (), (Result("x0", y.dtype, y.reduce),))
        run(again, (parts, plan.kept), [(part, part.strides)], [(out, (0, 1))], (0,))


def patterns(moves) -> tuple:
    """What of the strides is part of a kernel's text: those that are 0 or, along the last axis, 1."""
    last = len(moves[0]) - 1
    return tuple(
        tuple(0 if s == 0 else 1 if s == 1 and d == last else 2 for d, s in enumerate(steps))
        for steps in moves
    )


# ---- the text -----------------------------------------------------------------------------------


@functools.cache
def kernel(text: str) -> Kernel:
    namespace = {
        "cuda": target.cuda,
        "shared": target.shared,
        "inf": float("inf"),
        "__name__": __name__,
        **FUNCTIONS,
        **TYPES,
    }
    exec(compile(text, "<tinymeta loop>", "exec"), namespace)
    return Kernel(namespace["kernel"], text)


ELEMENTWISE = """\
def kernel({arrays}, count, sizes, steps):
{sizes}
    i = cuda.grid(1)
    if i < count:
{index}
{body}
"""

REDUCTION = """\
def kernel({arrays}, kept, count, sizes, steps):
{sizes}
    tile = shared({room}, {dtype})
    t = cuda.threadIdx.x
    j = cuda.blockIdx.x * {width} + t % {width}
{begin}
    if j < kept:
{kept_index}
        for r in range(cuda.blockIdx.y * {rows} + t // {width}, count, cuda.gridDim.y * {rows}):
{reduced_index}
{body}
{join}
{put}
    cuda.syncthreads()
    half = {half}
    while half >= {width}:
        if t < half:
{meet}
        cuda.syncthreads()
        half //= 2
    if t < {width} and j < kept:
{store}
"""


@functools.cache
def source(body: Body, depth: int, walks: tuple, reduced: tuple, width: int) -> str:
    """The kernel as Python. walks: of each operand and result, as `patterns` says."""
    xs = [f"x{k}" for k in range(len(body.operands))]
    ys = [f"y{k}" for k in range(len(body.results))]
    at = {name: element(name, k, steps) for k, (name, steps) in enumerate(zip(xs + ys, walks))}
    lines = [f"{x} = {at[x]}" + " != 0" * (dtype == "bool") for x, dtype in zip(xs, body.operands)]
    lines += [f"{name} = {text}" for name, text in body.statements]
    lines += [
        f"{at[y]} = {'uint8' if r.dtype == 'bool' else r.dtype}({r.value})"
        for y, r in zip(ys, body.results)
        if not r.reduce
    ]
    arrays = ", ".join(name.upper() for name in xs + ys)
    sizes = indented([f"n{d} = uint32(sizes[{d}])" for d in range(depth)], 1)
    kept = [d for d in range(depth) if d not in reduced]
    sums = [
        (k, y, r) for k, (y, r) in enumerate((y, r) for y, r in zip(ys, body.results) if r.reduce)
    ]
    if not sums:
        return ELEMENTWISE.format(
            arrays=arrays,
            sizes=sizes,
            index=indented(taken_apart("i", kept), 2),
            body=indented(lines, 2),
        )
    place = [f"tile[{k * THREADS} + t]" for k, _, _ in sums]
    there = [f"tile[{k * THREADS} + t + half]" for k, _, _ in sums]
    return REDUCTION.format(
        arrays=arrays,
        sizes=sizes,
        width=width,
        rows=THREADS // width,
        half=THREADS // 2,
        room=THREADS * len(sums),
        dtype=sums[0][2].dtype,
        begin=indented([f"t_{y} = {r.dtype}({neutral(r)})" for _, y, r in sums], 1),
        kept_index=indented(taken_apart("j", kept), 2),
        reduced_index=indented(taken_apart("r", list(reduced)), 3),
        body=indented(lines, 3),
        join=indented([f"t_{y} = {joined(r, f't_{y}', r.value)}" for _, y, r in sums], 3),
        put=indented([f"{place[k]} = t_{y}" for k, y, _ in sums], 1),
        meet=indented([f"{place[k]} = {joined(r, place[k], there[k])}" for k, _, r in sums], 3),
        store=indented(
            [f"{y.upper()}[cuda.blockIdx.y * kept + j] = {place[k]}" for k, y, _ in sums], 2
        ),
    )


def joined(result: Result, a: str, b: str) -> str:
    """Two partial results as one, in the dtype of the result."""
    return f"{result.dtype}({a} + {b})" if result.reduce == "sum" else f"maximum({a}, {b})"


def neutral(result: Result) -> str:
    """What changes nothing when it is joined."""
    if result.reduce == "sum":
        return "0"
    return "-inf" if np.dtype(result.dtype).kind == "f" else str(np.iinfo(result.dtype).min)


def element(name: str, k: int, steps: tuple) -> str:
    """An array's element at i0, i1, ..; its strides begin at steps[k * depth]."""
    parts = [
        f"i{d}" if step == 1 else f"i{d} * steps[{k * len(steps) + d}]"
        for d, step in enumerate(steps)
        if step
    ]
    return f"{name.upper()}[{' + '.join(parts) or 0}]"


def taken_apart(number: str, axes: list) -> list[str]:
    """A number as an index along each of the axes, the last of which runs fastest.

    In 32 bits without a sign, which divide several times faster than what Numba would choose.
    """
    lines, rest = [], f"uint32({number})"
    for d in reversed(axes[1:]):
        lines += [f"r{d} = {rest}", f"i{d} = int32(r{d} % n{d})"]
        rest = f"uint32(r{d} // n{d})"
    return lines + [f"i{d} = int32({rest})" for d in axes[:1]]


def indented(lines: list[str], by: int) -> str:
    return "\n".join(INDENT * by + line for line in lines or ["pass"])
