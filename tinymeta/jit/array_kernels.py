"""Array kernels: from an equation that moves, picks or compares elements to a kernel of its own.

In: an equation whose function in cpu/ runs on contiguous arrays. Out: an `ArrayKernel`, whose
source is Python text for Numba, as that of a loop is. For take_along of x (4, 9, 2), float32:

    def kernel(arena, args):
        a0 = carray(uint32_at(arena, args[0]), (args[1], args[2], args[3]))       the result
        a1 = carray(uint32_at(arena, args[4]), (args[5], args[6], args[7]))       x
        a2 = carray(int64_at(arena, args[8]), (args[9], args[10], args[11]))      the indices
        take_along_contiguous(a0, a1, a2)

So one function of cpu/ serves eager mode and programs, which therefore agree to the bit. Invariant:
the source depends on the operation and the dtypes alone; sizes, and numbers such as a stride, are
arguments. Cost: that of the function. A loop of codegen.py could do none of these: it reads what
its own index says, and here another array says where to read or to write.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from ..cpu.factor import SMALL
from ..cpu.pointers import DTYPES
from .codegen import INDENT
from .lower import geometry_numbers
from .operand_pointer import memory_dtype
from .program import Equation
from .views import byte_of


class _FunctionCall(NamedTuple):
    """A function of cpu/ and what it is called with."""

    function: str  # one that cache.py imports for kernels
    shapes: tuple[tuple[int, ...], ...]  # in which it sees the result, then the operands
    numbers: tuple[int, ...] = ()  # after the arrays


class ArrayKernel(NamedTuple):
    """The source of a kernel, and what its arguments are made of."""

    source: str
    arrays: tuple[Equation, ...]  # the result, then the operands
    shapes: tuple[tuple[int, ...], ...]  # of each as the function sees it
    numbers: tuple[int, ...]

    @property
    def rows(self) -> int:
        """The length of the result's leading axis."""
        return self.shapes[0][0]

    def args(
        self,
        address: Callable[[Equation], int],
        workspace: int = 0,
        rows: tuple[int, int] | None = None,
    ) -> list[int]:
        """The kernel arguments: each array's first byte and its sizes; the numbers.

        address(eqn): the byte of the arena where a materialized value begins. rows: the first and
        the one after the last along the leading axis, which all arrays then have in common.
        """
        found: list[int] = []
        for x, (length, *others) in zip(self.arrays, self.shapes):
            first, end = rows or (0, length)
            begin = byte_of(x, address) + first * prod(others) * x.dtype.itemsize
            found += [begin, end - first, *others]
        return [*found, *self.numbers]


def array_kernel_of(eqn: Equation) -> ArrayKernel | None:
    """The kernel of an equation; None if there is none for this operation or these dtypes."""
    arrays = (eqn, *eqn.inputs)
    if eqn.op not in _CALLS or any(x.dtype not in DTYPES for x in arrays):
        return None
    if eqn.op in _ADDING and eqn.dtype == bool:  # a kernel would count them
        return None
    if _CALLS[eqn.op] is _factor and eqn.inputs[0].shape[-1] > SMALL:  # a library's, as eagerly
        return None
    call = _CALLS[eqn.op](eqn)
    dtypes = [DTYPES[x.dtype] for x in arrays]
    if eqn.op in _MOVING:  # as bits, as in eager mode: one kernel for each size of an element
        dtypes[:2] = [f"uint{8 * eqn.dtype.itemsize}"] * 2
    ranks = [len(shape) for shape in call.shapes]
    source = _source(call.function, dtypes, ranks, len(call.numbers))
    return ArrayKernel(source, arrays, call.shapes, call.numbers)


def _source(function: str, dtypes: list[str], ranks: list[int], numbers: int) -> str:
    """The kernel that calls a function with arrays of these dtypes and ranks, then numbers."""
    lines, operands, place = [], [], 0
    for k, (dtype, rank) in enumerate(zip(dtypes, ranks)):
        sizes = ", ".join(f"args[{place + 1 + axis}]" for axis in range(rank))
        pointer = f"{memory_dtype(dtype)}_at(arena, args[{place}])"
        lines.append(f"a{k} = carray({pointer}, ({sizes},))")
        operands.append(f"a{k}")
        place += 1 + rank
    operands += [f"args[{place + k}]" for k in range(numbers)]
    lines.append(f"{function}({', '.join(operands)})")
    return "def kernel(arena, args):\n" + "".join(f"{INDENT}{line}\n" for line in lines)


# ---- which function, on which shapes -------------------------------------------------------------


def _windows(eqn: Equation) -> _FunctionCall:
    """From images to matrices of windows, or back."""
    function = {"to_cols": "im2col", "from_cols": "col2im"}[eqn.op]
    shapes = (eqn.shape, eqn.inputs[0].shape)
    return _FunctionCall(function, shapes, geometry_numbers(eqn.static["geometry"]))


def _window_argmax(eqn: Equation) -> _FunctionCall:
    """Leading axes of images are one."""
    shapes = []
    for x in (eqn, eqn.inputs[0]):
        shapes.append((prod(x.shape[:-3]), *x.shape[-3:]))
    numbers = geometry_numbers(eqn.static["geometry"])[2:]  # H' W' are known from the result
    return _FunctionCall("window_argmax_contiguous", tuple(shapes), numbers)


def _argmax(eqn: Equation) -> _FunctionCall:
    """The axis is the middle one of three: x (A, n, B), the result (A, B)."""
    (x,), (axis,) = eqn.inputs, eqn.static["axes"]
    before, after = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    shapes = ((before, after), (before, x.shape[axis], after))
    return _FunctionCall("argmax_contiguous", shapes)


def _indexing(eqn: Equation) -> _FunctionCall:
    """Picking and scattering, whose primitives have three axes already."""
    shapes = tuple(x.shape for x in (eqn, *eqn.inputs))
    return _FunctionCall(f"{eqn.op}_contiguous", shapes)


def _factor(eqn: Equation) -> _FunctionCall:
    """Leading axes of matrices are one."""
    shapes = [(prod(eqn.inputs[0].shape[:-2]), *eqn.shape[eqn.inputs[0].ndim - 2 :])]
    for x in eqn.inputs:
        shapes.append((prod(x.shape[:-2]), *x.shape[-2:]))
    numbers = tuple(map(int, eqn.static.values()))  # transposed, of a triangular system
    return _FunctionCall(f"{eqn.op}_contiguous", tuple(shapes), numbers)


def _along(eqn: Equation) -> _FunctionCall:
    """Cumulative sums and orders, whose primitives have three axes already."""
    shapes = (eqn.shape, eqn.inputs[0].shape)
    numbers = tuple(int(value) for value in eqn.static.values())  # is it from the other end
    return _FunctionCall(f"{eqn.op}_contiguous", shapes, numbers)


_CALLS: dict[str, Callable[[Equation], _FunctionCall]] = {
    "to_cols": _windows,
    "from_cols": _windows,
    "window_argmax": _window_argmax,
    "window_places": _window_argmax,
    "argmax": _argmax,
    "cumulative_sum": _along,
    "argsort": _along,
    "take": _indexing,
    "take_along": _indexing,
    "scatter_add": _indexing,
    "scatter_add_along": _indexing,
    "cholesky": _factor,
    "lu": _factor,
    "triangular_solve": _factor,
}
_MOVING = {"to_cols", "take", "take_along"}  # the first operand's elements, into the result
_ADDING = {"from_cols", "scatter_add", "scatter_add_along", "cumulative_sum"}
