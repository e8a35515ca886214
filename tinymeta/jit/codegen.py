"""From a fused loop to the source of a kernel, and the row of numbers it runs on.

Kernels differ by their structure alone: which axes an operand moves along, and what is computed.
Sizes, strides, places in memory and constants are numbers in a row, so one compiled kernel serves
every loop of its structure. A kernel is

    kernel(arena, row)          arena: where all values lie; row: int64

A sum of float32 is added up in float64, in memory of its own, and rounded once at the end: a float32
that is added to a million times would be wrong in the fourth digit.
"""

from typing import NamedTuple

import numpy as np

from ..core.primitive import registry
from ..core.strides import collapsed, dense
from ..core.text import in_loop
from .fuse import REDUCTIONS, Loop, scalar
from .machine import DTYPES
from .program import Line
from .views import Walk, source, walk

INDENT = "    "


class Kernel(NamedTuple):
    """The source, and what its row is made of: `row(address, sums)`."""

    source: str
    sizes: tuple[int, ...]
    walks: tuple[Walk, ...]  # of the operands, then of the results
    results: tuple[Line, ...]
    steps: tuple[tuple[int, ...], ...]  # of each walk, those strides that the kernel asks for

    def row(self, address, sums: int = 0) -> list[int]:
        """address(line) -> the byte where it begins in the arena; sums: where float64 sums begin."""
        numbers, ends = list(self.sizes), []
        for at, steps in zip(self.walks, self.steps):
            begin = address(at.base) + at.offset * at.base.dtype.itemsize
            if at.base in self.results and wide(at.base):
                ends.append(begin)
                begin, sums = sums, sums + 8 * at.base.size
            numbers += [begin, *steps]
        return numbers + [line.size for line in self.results] + ends


def wide(root: Line) -> bool:
    """Is it added up in float64, to be rounded at the end?"""
    return root.op == "sum" and root.dtype == np.float32


def kernel_of(loop: Loop, stored: set[Line]) -> Kernel:
    body = Body(loop.space, stored)
    values = [
        body.value(*(root.inputs[0], ()) if root.op in REDUCTIONS else (root, (), True))
        for root in loop.roots
    ]
    outs = [Walk(root, 0, kept_strides(root, loop.space)) for root in loop.roots]
    walks = [*body.operands, *outs]
    sizes, strides = collapsed(loop.space, [w.strides for w in walks])
    source, steps = written(len(sizes), strides, walks, body, values, loop.roots)
    return Kernel(source, sizes, tuple(walks), tuple(loop.roots), steps)


def kept_strides(root: Line, space: tuple) -> tuple:
    """How a result moves with the space: not at all along the axes that are reduced."""
    if root.op not in REDUCTIONS:
        return dense(space)
    inner = iter(dense(root.shape))
    return tuple(0 if i in root.static["axes"] else next(inner) for i in range(len(space)))


# ---- the expressions ----------------------------------------------------------------------------


class Body:
    """The statements of a loop's body, each value computed once, and the operands they read."""

    def __init__(self, space: tuple, stored: set[Line]):
        self.space, self.stored = space, stored
        self.operands, self.statements, self.known = [], [], {}

    def value(self, line: Line, chain: tuple, root: bool = False) -> str:
        """The name of a value, seen through a chain of views; root: although it is stored.

        What it is made of comes first: a stack, as a body may be deeper than Python's own.
        """
        asked = (line, chain) if root else behind(line, chain)
        stack = [asked]
        while stack:
            line, chain = at = stack[-1]
            below = (
                []
                if self.read(line, root and len(stack) == 1)
                else [behind(x, chain if x.shape == line.shape else ()) for x in line.inputs]
            )
            missing = [x for x in below if key(*x) not in self.known]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            if key(*at) not in self.known:
                self.known[key(*at)] = (
                    self.computed(line, [self.known[key(*x)] for x in below])
                    if below
                    else self.operand(line, chain)
                )
        return self.known[key(*asked)]

    def read(self, line: Line, root: bool) -> bool:
        """Is it an operand, or computed here?"""
        return not root and (line in self.stored or not scalar(line))

    def operand(self, line: Line, chain: tuple) -> str:
        at = walk(line, chain, self.space)
        if at not in self.operands:
            self.operands.append(at)
        return f"x{self.operands.index(at)}"

    def computed(self, line: Line, inputs: list[str]) -> str:
        self.statements.append((f"v{len(self.statements)}", expression(line, inputs)))
        return self.statements[-1][0]


def behind(line: Line, chain: tuple) -> tuple[Line, tuple]:
    """The value that a line rearranges, and all that rearranges it."""
    base, own = source(line)
    return base, own + chain


def key(line: Line, chain: tuple) -> tuple:
    return line.number, tuple([view.number for view in chain])


def expression(line: Line, inputs: list[str]) -> str:
    """The scalar text of a line, its letters replaced, its numbers cast to its dtype.

    Integers are computed in 64 bits, so what is no float is cast once more: then it wraps.
    """
    dtypes = [x.dtype for x in line.inputs]
    if line.op in ("copy", "astype"):
        return inputs[0] if line.op == "copy" else f"{DTYPES[line.dtype]}({inputs[0]})"
    cast = DTYPES[line.dtype if line.dtype != bool else dtypes[0]]
    text = in_loop(registry[line.op].text, dict(zip("abc", inputs)), cast, line.static)
    return text if line.dtype.kind == "f" else f"{DTYPES[line.dtype]}({text})"


# ---- the source ---------------------------------------------------------------------------------


class Pointer(NamedTuple):
    """An operand (x) or a result (y): how its pointer moves along each axis of the loop."""

    name: str
    dtype: str  # in memory
    moves: tuple[int, ...]

    @property
    def asked(self) -> list[int]:
        """The axes whose stride is a number of the row: not 0, and along the last not 1."""
        last = len(self.moves) - 1
        return [d for d, step in enumerate(self.moves) if step and (d < last or step != 1)]

    @property
    def still(self) -> bool:
        """Does the innermost loop stay at one element?"""
        return not self.moves[-1]

    @property
    def element(self) -> str:
        last = len(self.moves) - 1
        index = (
            "0"
            if self.still
            else f"i{last}"
            if self.moves[-1] == 1
            else f"i{last} * {self.name}_s{last}"
        )
        return f"{self.name}_{last}[{index}]"

    @property
    def value(self) -> str:
        return f"({self.element} != 0)" if self.dtype == "bool" else self.element

    def opened(self, place: int) -> list[str]:
        """Its pointer and strides, from the row."""
        return [
            f"{self.name}_0 = {in_memory(self.dtype)}_at(arena, row[{place}])",
            *(f"{self.name}_s{d} = row[{place + k}]" for k, d in enumerate(self.asked, 1)),
        ]

    def entered(self, axis: int) -> str:
        """Its pointer inside the loop over an axis."""
        step = f"at({self.name}_{axis}, i{axis} * {self.name}_s{axis})"
        return f"{self.name}_{axis + 1} = " + (step if self.moves[axis] else f"{self.name}_{axis}")


def in_memory(dtype: str) -> str:
    return "uint8" if dtype == "bool" else dtype  # bools are bytes


def written(depth: int, strides: list[tuple], walks, body: Body, values: list[str], roots):
    """The kernel's text, and of each walk the strides that it reads from the row."""
    count, last = len(body.operands), depth - 1
    names = [f"x{k}" for k in range(count)] + [f"y{k}" for k in range(len(roots))]
    dtypes = [DTYPES[at.base.dtype] for at in body.operands]
    dtypes += ["float64" if wide(root) else DTYPES[root.dtype] for root in roots]
    pointers = [Pointer(*parts) for parts in zip(names, dtypes, strides)]
    operands, results = pointers[:count], list(zip(pointers[count:], roots, values))
    reduced = [(y, root) for y, root, _ in results if root.op in REDUCTIONS]

    lines, place = [f"n{d} = row[{d}]" for d in range(depth)], depth
    for pointer in pointers:
        lines += pointer.opened(place)
        place += 1 + len(pointer.asked)
    for y, root in reduced:  # what is added into begins at 0
        begin = "0" if root.op == "sum" else "-inf"
        lines += [
            f"for i in range(row[{place + roots.index(root)}]):",
            f"    {y.name}_0[i] = {y.dtype}({begin})",
        ]
    for axis in range(last):
        lines.append(f"{INDENT * axis}for i{axis} in range(n{axis}):")
        lines += [f"{INDENT * (axis + 1)}{pointer.entered(axis)}" for pointer in pointers]

    before = [f"{x.name} = {x.value}" for x in operands if x.still]
    before += [f"t_{y.name} = {y.element}" for y, _ in reduced if y.still]
    inside = [f"{x.name} = {x.value}" for x in operands if not x.still]
    inside += [f"{name} = {text}" for name, text in body.statements]
    inside += [stored(y, root, value) for y, root, value in results]
    after = [f"{y.element} = t_{y.name}" for y, _ in reduced if y.still]
    lines += [
        INDENT * last + line
        for line in (
            *before,
            f"for i{last} in range(n{last}):",
            *(INDENT + line for line in inside),
            *after,
        )
    ]
    rounded = [(y, root) for y, root in reduced if wide(root)]
    for k, (y, root) in enumerate(rounded, place + len(roots)):
        lines += [
            f"{y.name}_end = float32_at(arena, row[{k}])",
            f"for i in range(row[{place + roots.index(root)}]):",
            f"    {y.name}_end[i] = float32({y.name}_0[i])",
        ]
    text = "\n".join(INDENT + line for line in lines)
    return f"def kernel(arena, row):\n{text}\n", tuple(
        tuple(pointer.moves[d] for d in pointer.asked) for pointer in pointers
    )


def stored(y: Pointer, root: Line, value: str) -> str:
    """The statement that puts a value where it belongs, or adds it to what is there."""
    if root.op not in REDUCTIONS:
        return f"{y.element} = " + (f"uint8({value})" if y.dtype == "bool" else value)
    target = f"t_{y.name}" if y.still else y.element
    return f"{target} = " + (
        f"added({target}, {y.dtype}({value}))"
        if root.op == "sum"
        else f"maximum({target}, {value})"
    )
