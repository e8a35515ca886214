"""A traced computation as a value: lines in order, each an operation on the lines before it.

A line stands for its result. While a function is traced, lines stand in for arrays inside tensors:
they have a shape and a dtype and no elements, and say so to whoever asks for one.
"""

import math
from collections.abc import Callable, Iterable
from itertools import count
from typing import NamedTuple

import numpy as np

from ..core.primitive import registry, run_eagerly
from ..core.scope import state

numbers = count(1)
REARRANGED = {"reshape", "transpose", "broadcast_to", "slice", "flip", "astype"}


class Unreadable(TypeError):
    """A value was asked for while a function is traced, when there is none."""


class Line:
    """`op` of `inputs`, with `static` metadata: an array of this shape and dtype.

    op: a primitive's name, "input", "constant" (static: its value), or one of the compiler's own.
    number: lines are ordered by it. order: how many derivatives deep. region: lines of another one
    are never merged with it. place: the user's line of source. tests: of an input, what is required
    of its values.
    """

    __slots__ = (
        "op",
        "inputs",
        "static",
        "shape",
        "dtype",
        "number",
        "order",
        "region",
        "place",
        "tests",
    )

    def __init__(
        self,
        op: str,
        inputs: tuple,
        static: dict,
        shape: tuple,
        dtype,
        order: int = 0,
        region: int = 0,
        place: str = "",
    ):
        self.op, self.inputs, self.static = op, tuple(inputs), static
        self.shape, self.dtype, self.number = tuple(shape), np.dtype(dtype), next(numbers)
        self.order, self.region, self.place, self.tests = order, region, place, []

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    nbytes = property(lambda self: self.size * self.dtype.itemsize)

    def __repr__(self):
        return f"<v{self.number} = {self.op}: {self.dtype}{self.shape}, not computed yet>"

    def require(self, test: Callable) -> bool:
        """Have a test see the array that stands here, before each run of the program.

        False if this is no input, nor a rearranged one: then nobody sees it outside of the program.
        """
        line, chain = self, []
        while line.op in REARRANGED:
            chain.append(line)
            line = line.inputs[0]
        if line.op != "input":
            return False

        def of_input(array):
            for rearranged in reversed(chain):
                array = run_eagerly(registry[rearranged.op], [array], rearranged.static)
            test(array)

        line.tests.append(of_input)
        return True

    def refuse(self, *args, **kwargs):
        if state.interpreter is None:
            raise Unreadable(escaped(self))
        raise Unreadable(
            f"jit: the value of a {self.dtype}{self.shape} was asked for while the function is "
            f"traced ({here() or 'outside'}), but there are no values yet: return it and read it "
            "outside, use tm.where for a choice, or pass what decides as a Python number"
        )

    view = __array__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = refuse
    __getitem__ = __setitem__ = refuse


def escaped(line: Line) -> str:
    """What is the matter with a line that is met outside of its trace."""
    return (
        f"jit: a {line.dtype}{line.shape} that a traced function computed "
        f"({line.place or 'an argument of it'}) was kept and is used outside of it, where it "
        "has no value: return it from the function"
    )


class Program(NamedTuple):
    """Lines in an order in which they can be computed, inputs and constants among them."""

    inputs: tuple[Line, ...]
    outputs: tuple[Line, ...]
    lines: tuple[Line, ...]

    def __str__(self):
        names = {line: f"v{k}" for k, line in enumerate(self.lines)}
        text = [f"{names[line]} = {call(line, names)}" for line in self.lines]
        width = min(72, max(map(len, text), default=0))
        typed = [
            f"{t:{width}}  # {line.dtype.name}{line.shape}"
            + f"  order {line.order}" * (line.order > 0)
            + f"  {line.place}"
            for t, line in zip(text, self.lines)
        ]
        return "\n".join([*typed, f"return {', '.join(names[y] for y in self.outputs)}"])


def call(line: Line, names: dict) -> str:
    static = {} if line.op == "constant" else line.static
    shown = [names.get(x, "?") for x in line.inputs] + [f"{k}={v}" for k, v in static.items()]
    return f"{line.op}({', '.join(shown)})"


def ordered(outputs: Iterable[Line], inputs: Iterable[Line] = ()) -> Program:
    """The program that computes the outputs from the inputs: all they are made of, oldest first."""
    outputs, inputs = tuple(outputs), tuple(inputs)
    found, stack = {line.number: line for line in inputs}, list(outputs)
    while stack:
        line = stack.pop()
        if line.number not in found:
            found[line.number] = line
            stack.extend(line.inputs)
    return Program(inputs, outputs, tuple(found[n] for n in sorted(found)))


class Builder:
    """build(op, inputs, static, like): a new line, of the shape that its operation gives it.

    like: the line whose place, order and region it has.
    """

    def __call__(self, op: str, inputs=(), static=None, like: Line | None = None) -> Line:
        static, at = static or {}, () if like is None else (like.order, like.region, like.place)
        if op == "constant":
            return Line(op, (), static, static["value"].shape, static["value"].dtype, *at)
        return Line(op, inputs, static, *operation(op).shape(*inputs, **static), *at)


def rebuilt(program: Program, rule: Callable) -> Program:
    """The program made anew from its inputs: `rule(line, new inputs)` is what becomes of a line."""
    new = {x: x for x in program.inputs}
    for line in program.lines:
        if line not in new:
            new[line] = rule(line, tuple([new[x] for x in line.inputs]))
    return ordered([new[y] for y in program.outputs], program.inputs)


def checked(program: Program, name: str) -> Program:
    """The program itself, if it holds together: used after made, made once, of the right shape.

    Raises AssertionError naming the pass and the line.
    """
    seen = set()
    for line in program.lines:
        assert line not in seen, f"{name}: {line} is there twice"
        for x in line.inputs:
            assert x in seen, f"{name}: {line} uses {x}, which is not made before it"
        if line.op not in ("input", "constant"):
            shape, dtype = operation(line.op).shape(*line.inputs, **line.static)
            assert (tuple(shape), np.dtype(dtype)) == (line.shape, line.dtype), (
                f"{name}: {line} should be {np.dtype(dtype)}{tuple(shape)}"
            )
        seen.add(line)
    for y in (*program.outputs, *program.inputs):
        assert y in seen, f"{name}: {y} is not in the program"
    return program


def operation(name: str):
    """The primitive of this name, or the compiler's own operation."""
    return OWN[name] if name in OWN else registry[name]


class Own(NamedTuple):
    """An operation of the compiler's: its shape rule, and a kernel that fills `out`."""

    shape: Callable
    kernel: Callable


OWN: dict[str, Own] = {}  # by name; lower.py fills it


def here() -> str:
    """The innermost line of source outside this package: "file.py:12"."""
    import sys

    frame = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").split(".")[0] == "tinymeta":
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}" if frame else ""
