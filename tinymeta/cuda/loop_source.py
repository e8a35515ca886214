"""The text of an elementwise loop: a kernel in Python, for Numba.

Operands are x0, x1, .. and results y0, y1, ..; in capitals, X0, Y0, .. are the pointers to them.
n0, n1, .. are the sizes of the axes, i0, i1, .. the index of an element along them. For example
y0 = x0 * x1, where x1 repeats along the first axis:

    def kernel(X0, X1, Y0, count, sizes, strides):
        n0 = uint32(sizes[0])
        n1 = uint32(sizes[1])
        i = cuda.grid(1)
        if i < count:
            rest1 = uint32(i)
            i1 = int32(rest1 % n1)
            i0 = int32(uint32(rest1 // n1))
            x0 = X0[i0 * strides[0] + i1]
            x1 = X1[i1]
            y = x0 * x1
            Y0[i0 * strides[4] + i1] = float32(y)

Sizes and strides are arguments, so that one kernel serves arrays of all shapes; strides of 0 and 1
are in the text, as they cost no multiplication there.
"""

import functools
from typing import NamedTuple

INDENT = "    "
_ZERO_STRIDE, _UNIT_STRIDE, _ANY_STRIDE = 0, 1, 2  # what the text knows of a stride


class LoopResult(NamedTuple):
    """What is stored: the name of a value of the body, elementwise or reduced over some axes."""

    value: str
    dtype: str
    reduce: str = ""  # "sum" or "max"


class LoopBody(NamedTuple):
    """What is computed for each element of a loop: x0, x1, .. are the operands.

    operands: the dtype of each. statements: (name, expression), in order.
    """

    operands: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]
    results: tuple[LoopResult, ...]


def stride_patterns(strides: list[tuple]) -> tuple[tuple[int, ...], ...]:
    """For each array, what the text knows of its strides: 0 is known, and 1 along the last axis."""
    return tuple(
        tuple(_pattern(stride, axis == len(steps) - 1) for axis, stride in enumerate(steps))
        for steps in strides
    )


def _pattern(stride: int, is_last: bool) -> int:
    if stride == 0:
        return _ZERO_STRIDE
    return _UNIT_STRIDE if stride == 1 and is_last else _ANY_STRIDE


_ELEMENTWISE = """\
def kernel({arrays}, count, sizes, strides):
{sizes}
    i = cuda.grid(1)
    if i < count:
{index}
{body}
"""


@functools.cache
def loop_source(body: LoopBody, patterns: tuple) -> str:
    """The kernel of an elementwise loop as Python; patterns: of each array, `stride_patterns`."""
    xs = [f"x{k}" for k in range(len(body.operands))]
    ys = [f"y{k}" for k in range(len(body.results))]
    elements = [
        element_of(name.upper(), k, pattern)
        for k, (name, pattern) in enumerate(zip(xs + ys, patterns))
    ]
    axes = list(range(len(patterns[0])))
    return _ELEMENTWISE.format(
        arrays=", ".join(name.upper() for name in xs + ys),
        sizes=indented([f"n{d} = uint32(sizes[{d}])" for d in axes], 1),
        index=indented(unravelled("i", axes), 2),
        body=indented(body_lines(body, elements), 2),
    )


def body_lines(body: LoopBody, elements: list[str]) -> list[str]:
    """The operands loaded, the statements, and the elementwise results stored.

    elements: of each operand, then of each result, the text of its element.
    """
    operands, results = elements[: len(body.operands)], elements[len(body.operands) :]
    lines = []
    for k, (dtype, element) in enumerate(zip(body.operands, operands)):
        is_true = " != 0" if dtype == "bool" else ""  # bools are bytes in memory
        lines.append(f"x{k} = {element}{is_true}")
    lines += [f"{name} = {expression}" for name, expression in body.statements]
    for result, element in zip(body.results, results):
        if not result.reduce:
            lines.append(f"{element} = {stored_dtype(result)}({result.value})")
    return lines


def stored_dtype(result: LoopResult) -> str:
    """The dtype of a result in memory, where bools are bytes."""
    return "uint8" if result.dtype == "bool" else result.dtype


def element_of(pointer: str, k: int, pattern: tuple) -> str:
    """Array k's element at i0, i1, ..; its strides begin at strides[k * depth]."""
    terms = []
    for axis, known in enumerate(pattern):
        if known == _UNIT_STRIDE:
            terms.append(f"i{axis}")
        elif known == _ANY_STRIDE:
            terms.append(f"i{axis} * strides[{k * len(pattern) + axis}]")
    return f"{pointer}[{' + '.join(terms) or 0}]"


def unravelled(number: str, axes: list[int]) -> list[str]:
    """A number as an index along each of the axes, the last of which runs fastest.

    In 32 bits without a sign, which divide several times faster than what Numba would choose.
    """
    lines, rest = [], f"uint32({number})"
    for d in reversed(axes[1:]):
        lines += [f"rest{d} = {rest}", f"i{d} = int32(rest{d} % n{d})"]
        rest = f"uint32(rest{d} // n{d})"
    return lines + [f"i{d} = int32({rest})" for d in axes[:1]]


def indented(lines: list[str], by: int) -> str:
    return "\n".join(INDENT * by + line for line in lines or ["pass"])
