"""Code generation: from a fused loop to the source of a kernel and the arguments it runs on.

In: a `Loop` and the set of materialized values. Out: a `LoopKernel`, whose source is Python text
for Numba. For sum(exp(x) * x, axis 0) of x (4, 3), float64:

    def kernel(arena, args):
        n0 = args[0]                              sizes of the space
        n1 = args[1]
        x0_0 = float64_at(arena, args[2])         an operand: its first byte, its strides
        x0_s0 = args[3]
        y0_0 = float64_at(arena, args[4])         a result
        for i in range(args[5]):                  sums begin at 0
            y0_0[i] = float64(0)
        for i0 in range(n0):
            x0_1 = at(x0_0, i0 * x0_s0)
            y0_1 = y0_0
            for i1 in range(n1):
                x0 = x0_1[i1]
                v0 = exp(x0)
                v1 = v0 * x0
                y0_1[i1] = added(y0_1[i1], float64(v1))

Invariant: the source depends on a loop's structure alone: which axes an operand moves along,
dtypes, and what is computed. Sizes, strides, places in memory and constants are arguments, so one
compiled kernel serves every loop of its structure; a training step of 200 loops has about 60
kernels. Putting sizes into the source would let LLVM unroll, and would compile each loop for each
shape.

A sum of float32 is added up in float64, in a workspace, and rounded once at the end: a float32 that
is added to a million times would be wrong in the fourth digit.

Cost: O(length of the body) for each loop.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..core.strides import collapsed, dense
from ..cpu.pointers import DTYPES
from .fuse import Loop
from .loop_body import BodyBuilder
from .loops import REDUCTIONS, summed_in_float64
from .operand_pointer import OperandPointer
from .program import Equation
from .store_text import least_number, result_of, store_statement, total_of
from .views import StridedLayout

INDENT = "    "


class LoopKernel(NamedTuple):
    """The source of a loop's kernel, and what its arguments are made of."""

    source: str
    sizes: tuple[int, ...]  # of the space, with as few axes as will do
    layouts: tuple[StridedLayout, ...]  # of the operands, then of the results
    results: tuple[Equation, ...]
    strides: list[tuple[int, ...]]  # of each layout in that space
    strides_read: tuple[tuple[int, ...], ...]  # of each layout, the strides that are arguments

    def args(
        self,
        address: Callable[[Equation], int],
        workspace: int = 0,
        rows: tuple[int, int] | None = None,
    ) -> list[int]:
        """The kernel arguments: sizes, pointers with their strides, result sizes, rounded sums.

        address(eqn): the byte of the arena where a materialized value begins. workspace: the byte
        where the float64 sums begin. rows: of the outermost axis, the first to compute and the one
        after the last, all by default; what is summed along that axis is then their sum.
        """
        first, end = rows or (0, self.sizes[0])
        numbers = [end - first, *self.sizes[1:]]
        places = self.places_of_sums(end - first)
        rounded = []  # where float32 sums go in the end
        for layout, all_strides, strides in zip(self.layouts, self.strides, self.strides_read):
            begin = address(layout.base)
            begin += (layout.offset + first * all_strides[0]) * layout.base.dtype.itemsize
            if layout.base in self.results and summed_in_float64(layout.base):
                rounded.append(begin)
                begin = workspace + places[layout.base]
            numbers.append(begin)
            numbers.extend(strides)
        numbers.extend(self.elements(y, end - first) for y in self.results)
        return numbers + rounded

    def row_stride(self, y: Equation) -> int:
        """Elements of a result from row to row of the outermost axis; 0: rows are summed."""
        return next(s[0] for layout, s in zip(self.layouts, self.strides) if layout.base is y)

    def elements(self, y: Equation, rows: int) -> int:
        """How many elements of a result so many rows of the outermost axis make."""
        return self.row_stride(y) * rows or y.size

    def places_of_sums(self, rows: int) -> dict[Equation, int]:
        """The byte of the workspace where the float64 sums of a result begin, of so many rows.

        Those of all rows come first.
        """
        places, end = {}, 0
        for y in sorted(self.results, key=lambda y: self.row_stride(y) > 0):
            if summed_in_float64(y):
                places[y] = end
                end += 8 * self.elements(y, rows)
        return places

    def workspace_bytes(self, rows: int) -> int:
        """The bytes of the float64 sums of so many rows."""
        return sum(8 * self.elements(y, rows) for y in self.results if summed_in_float64(y))


def kernel_of(loop: Loop, materialized: set[Equation]) -> LoopKernel:
    """The kernel of a loop."""
    body = BodyBuilder(loop.space, materialized)
    values = [body.root_value(root) for root in loop.roots]
    results = [StridedLayout(root, 0, result_strides(root, loop.space)) for root in loop.roots]
    layouts = [*body.operands, *results]
    sizes, strides = collapsed(loop.space, [layout.strides for layout in layouts])
    source, strides_read = kernel_text(len(sizes), strides, body, values, loop.roots)
    return LoopKernel(source, sizes, tuple(layouts), tuple(loop.roots), strides, strides_read)


def result_strides(root: Equation, space: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a result in the loop's space: 0 along the axes that are reduced."""
    if root.op not in REDUCTIONS:
        return dense(space)
    kept = iter(dense(root.shape))
    return tuple(0 if axis in root.static["axes"] else next(kept) for axis in range(len(space)))


# ---- the source ---------------------------------------------------------------------------------


def kernel_text(
    depth: int, strides: list[tuple], body: BodyBuilder, values: list[str], roots: list[Equation]
) -> tuple[str, tuple[tuple[int, ...], ...]]:
    """(the kernel's source, of each operand and result the strides that are arguments).

    depth: axes of the loop. strides: of each operand, then of each result. values: of each root,
    the name of what is stored.
    """
    writer = _KernelWriter(depth, strides, body, values, roots)
    writer.read_args()
    writer.begin_reductions()
    writer.open_outer_loops()
    writer.write_innermost_loop()
    writer.round_sums()
    text = "\n".join(INDENT + line for line in writer.lines)
    strides_read = [tuple(p.strides[axis] for axis in p.axes_read) for p in writer.pointers]
    return f"def kernel(arena, args):\n{text}\n", tuple(strides_read)


class _KernelWriter:
    """The lines of a kernel's source, written from top to bottom."""

    def __init__(
        self,
        depth: int,
        strides: list[tuple],
        body: BodyBuilder,
        values: list[str],
        roots: list[Equation],
    ):
        self.depth, self.body, self.roots = depth, body, roots
        self.lines: list[str] = []
        count = len(body.operands)
        names = [f"x{k}" for k in range(count)] + [f"y{k}" for k in range(len(roots))]
        dtypes = [DTYPES[layout.base.dtype] for layout in body.operands]
        for root in roots:
            dtypes.append("float64" if summed_in_float64(root) else DTYPES[root.dtype])
        self.pointers = [OperandPointer(*parts) for parts in zip(names, dtypes, strides)]
        self.operands = self.pointers[:count]
        self.results = list(zip(self.pointers[count:], roots, values))
        self.reduced = [(y, root) for y, root, _ in self.results if root.op in REDUCTIONS]
        self.sizes_place = 0  # args[sizes_place] is the size of the first result

    def read_args(self) -> None:
        """Sizes of the space, pointers, strides."""
        self.lines += [f"n{axis} = args[{axis}]" for axis in range(self.depth)]
        place = self.depth
        for pointer in self.pointers:
            self.lines += pointer.read_args(place)
            place += 1 + len(pointer.axes_read)
        self.sizes_place = place

    def result_size(self, root: Equation) -> str:
        """The argument that is the size of a result."""
        return f"args[{self.sizes_place + self.roots.index(root)}]"

    def begin_reductions(self) -> None:
        """What is added into begins at 0, what maxima go into at the least number."""
        for y, root in self.reduced:
            begin = "0" if root.op == "sum" else least_number(root.dtype)
            self.lines.append(f"for i in range({self.result_size(root)}):")
            self.lines.append(f"{INDENT}{y.name}_0[i] = {y.dtype}({begin})")

    def open_outer_loops(self) -> None:
        """All loops but the innermost, each inside of the one before."""
        for axis in range(self.depth - 1):
            self.lines.append(f"{INDENT * axis}for i{axis} in range(n{axis}):")
            for pointer in self.pointers:
                self.lines.append(INDENT * (axis + 1) + pointer.advance(axis))

    def write_innermost_loop(self) -> None:
        """Load, compute, store; what stays at one element is loaded before and stored after."""
        last = self.depth - 1
        totals = [(y, root) for y, root in self.reduced if y.is_still]
        before = [f"{x.name} = {x.value}" for x in self.operands if x.is_still]
        before += [f"t_{y.name} = {total_of(root, y.element)}" for y, root in totals]
        inside = [f"{x.name} = {x.value}" for x in self.operands if not x.is_still]
        inside += [f"{name} = {text}" for name, text in self.body.statements]
        inside += [store_statement(y, root, value) for y, root, value in self.results]
        after = [f"{y.element} = {result_of(root, f't_{y.name}')}" for y, root in totals]

        loop = [f"for i{last} in range(n{last}):", *(INDENT + line for line in inside)]
        self.lines += [INDENT * last + line for line in (*before, *loop, *after)]

    def round_sums(self) -> None:
        """Float64 sums, from the workspace to where the float32 results belong."""
        rounded = [(y, root) for y, root in self.reduced if summed_in_float64(root)]
        place = self.sizes_place + len(self.roots)
        for k, (y, root) in enumerate(rounded, place):
            self.lines.append(f"{y.name}_end = float32_at(arena, args[{k}])")
            self.lines.append(f"for i in range({self.result_size(root)}):")
            self.lines.append(f"{INDENT}{y.name}_end[i] = float32({y.name}_0[i])")
