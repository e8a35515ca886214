"""Pieces: a large step of a program that is run whole, as kernel calls that threads run at once.

    step                     is cut along                     sums
    a loop                   its outermost axis               of each piece, then added
    products of windows      images, or tasks                 weights of each piece, then added
    products                 rows, or tasks
    indices, argmax          the leading axis

In: a step and its kernel. Out: a `Cut`, and from it `Phases`: kernel calls that may run at once,
then those that need them. Where a batch norm mixes all examples, none of them can be followed
through the program on its own (split.py); but each step by itself can be shared.

Invariant: pieces depend on shapes and the constants below alone, and each writes bytes of its own;
so results have the same bits on any number of threads. Cost: threads wait for one another after a
step, some microseconds; the partial sums of a loop take a sixteenth of what is summed at most.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..cpu.pointers import DTYPES
from .array_kernels import ArrayKernel
from .cache import load_or_compile
from .codegen import LoopKernel
from .loops import REDUCTIONS, summed_in_float64
from .memory import aligned_size
from .program import Equation
from .step_kernels import MachineCall
from .task_roles import LOOP_RATE

Call = LoopKernel | ArrayKernel | MachineCall  # what a step is, and makes its arguments
Phases = list[list[tuple[Any, list[int]]]]  # (kernel, arguments): at once; then what needs them
Rows = tuple[int, int]  # the first, and the one after the last

_MOST = 8  # pieces of a step: each has a workspace
LEAST_SECONDS = 2e-5  # of work in a piece
LEAST_ROWS = 64  # of a product in a piece, so that packing its right operand is worth it
ROWS_OF_A_SUM = 48  # of a loop, at least, for each partial sum that is kept
_BY_ROWS = {  # each row of the result is made of that row of the operands
    "argmax",
    "argsort",
    "cholesky",
    "cumulative_sum",
    "lu",
    "scatter_add_along",
    "take_along",
    "triangular_solve",
    "window_argmax",
    "window_places",
}


class Cut(NamedTuple):
    """How a step is cut.

    pieces: how many. workspace: bytes that each needs. partial: results of which each piece has a
    sum of its own, at the beginning of its workspace.
    """

    pieces: int
    workspace: int
    partial: tuple[Equation, ...] = ()

    @property
    def partial_bytes(self) -> int:
        """Of the sums that are a piece's own."""
        return sum(aligned_size(y.nbytes) for y in self.partial)


def cut(call: Call, workspace: int) -> Cut:
    """How a step is cut; workspace: the bytes that it needs if it is not."""
    if isinstance(call, LoopKernel):
        return _cut_loop(call, workspace)
    if isinstance(call, ArrayKernel):
        return Cut(_pieces(*_rows_and_seconds(call)), workspace)
    eqn = call.eqn
    is_one_product = eqn.op == "matmul" and call.rows == prod(eqn.shape[:-1])
    pieces = _pieces(call.rows // (LEAST_ROWS if is_one_product else 1), call.seconds)
    sums_images = eqn.op == "conv_weight_blocks" and eqn.inputs[0].shape[0] == 1
    return _with_partial(pieces, workspace, (eqn,) if sums_images else ())


def _pieces(rows: float, seconds: float) -> int:
    """1, 2, 4, .. pieces: as many as are worth it, of so many rows and so much work."""
    pieces = 1
    while 2 * pieces <= min(_MOST, rows, seconds / LEAST_SECONDS):
        pieces *= 2
    return pieces


def _rows_and_seconds(kernel: ArrayKernel) -> tuple[int, float]:
    """Of a function of arrays: the rows that can be told apart, and about how long it takes."""
    by_rows = kernel.arrays[0].op in _BY_ROWS and all(s[0] == kernel.rows for s in kernel.shapes)
    return kernel.rows if by_rows else 1, sum(x.nbytes for x in kernel.arrays) / LOOP_RATE


def _cut_loop(kernel: LoopKernel, workspace: int) -> Cut:
    """Of a loop: what is summed along its outermost axis has partial sums."""
    rows, elements = kernel.sizes[0], prod(kernel.sizes)
    partial = [y for y in kernel.results if y.op in REDUCTIONS and not kernel.row_stride(y)]
    most = rows
    for y in partial:
        is_sum = y.op == "sum" and y.dtype.kind == "f"
        most = min(most, elements // max(1, y.size * ROWS_OF_A_SUM) if is_sum else 1)
    pieces = _pieces(most, 4 * elements * len(kernel.layouts) / LOOP_RATE)
    if pieces > 1:
        workspace = kernel.workspace_bytes(-(-rows // pieces))
    return _with_partial(pieces, workspace, tuple(partial))


def _with_partial(pieces: int, workspace: int, partial: tuple[Equation, ...]) -> Cut:
    """A cut whose pieces have sums of their own, if there are several."""
    if pieces == 1:
        return Cut(1, workspace)
    found = Cut(pieces, 0, partial)
    return found._replace(workspace=aligned_size(found.partial_bytes + workspace))


# ---- the calls -----------------------------------------------------------------------------------


def phases(
    call: Call, kernel: Any, how: Cut, address: Callable, workspace: int, spans: list[Rows]
) -> Phases:
    """The kernel calls of a step; what runs at once is a list.

    address, workspace: as `LoopKernel.args` has them. spans: rows that are computed one span after
    another; all, but of a result that slides over an operand (sliding.py).
    """
    if how.pieces == 1:
        parts = [None] if len(spans) == 1 else spans
        return [[(kernel, call.args(address, workspace, rows))] for rows in parts]
    found: Phases = []
    for first, end in spans:
        phase = []
        for k, rows in enumerate(_ranges(first, end, min(how.pieces, end - first))):
            own = workspace + k * how.workspace
            places = _for_piece(address, _places_of_partial(how, own))
            phase.append((kernel, call.args(places, own + how.partial_bytes, rows)))
        found.append(phase)
    sums = [_sum_of_pieces(call, how, y, address, workspace) for y in how.partial]
    return [*found, sums] if sums else found


def _ranges(first: int, end: int, count: int) -> list[Rows]:
    """So many ranges of rows, as even as can be."""
    bounds = [first + (end - first) * k // count for k in range(count + 1)]
    return list(zip(bounds, bounds[1:]))


def _for_piece(
    address: Callable[[Equation], int], own: dict[Equation, int]
) -> Callable[[Equation], int]:
    """The byte where a value begins, for a piece: some are its own."""
    return lambda x: own[x] if x in own else address(x)


def _places_of_partial(how: Cut, begin: int) -> dict[Equation, int]:
    """The bytes where a piece has its own sums."""
    places = {}
    for y in how.partial:
        places[y] = begin
        begin += aligned_size(y.nbytes)
    return places


def _sum_of_pieces(
    call: Call, how: Cut, y: Equation, address: Callable, workspace: int
) -> tuple[Any, list[int]]:
    """The kernel call that adds up the partial sums of a result: those in float64, if there are."""
    source, dtype = _places_of_partial(how, workspace)[y], y.dtype
    if isinstance(call, LoopKernel) and summed_in_float64(y):
        source = workspace + how.partial_bytes + call.places_of_sums(1)[y]
        dtype = np.dtype(np.float64)
    args = [address(y), source, how.workspace, how.pieces, y.size]
    return _adding_kernel(DTYPES[dtype], DTYPES[y.dtype]), args


def _adding_kernel(added: str, result: str) -> Any:
    """total (n) = the sum of x (count, n), whose rows are some bytes apart; x is written over.

    args: bytes of total and of x, from row to row, count, n.
    """
    return load_or_compile(
        "def kernel(arena, args):\n"
        f"    total = {result}_at(arena, args[0])\n"
        f"    first = {added}_at(arena, args[1])\n"
        "    for k in range(1, args[3]):\n"
        f"        x = {added}_at(arena, args[1] + k * args[2])\n"
        "        for i in range(args[4]):\n"
        "            first[i] += x[i]\n"
        "    for i in range(args[4]):\n"
        f"        total[i] = {result}(first[i])\n"
    )
