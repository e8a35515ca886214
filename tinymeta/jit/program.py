"""A traced computation as a value: equations in order, each an operation on the results of others.

    v0 = input()             # float32(4, 3)
    v1 = input()             # float32(3, 5)
    v2 = matmul(v0, v1)      # float32(4, 5)
    v3 = tanh(v2)            # float32(4, 5)
    return v3

An `Equation` stands for its result, so the operands of an equation are equations. While a function
is traced, equations are the values inside its tensors: they have a shape and a dtype and no
elements, and raise `Unreadable` when an element is asked for.

A `Program` is never changed. A pass makes a new one, with `rewrite` and a `Builder`, in O(n) for n
equations, and `checked` of compile.py tests the result. In-place edits would be cheaper and would
need lists of readers that every rule has to keep right.
"""

import math
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..core.primitive import registry, run_eagerly
from ..core.scope import state
from .internal import operation
from .origin import Origin, caller_location, inherit

_serial_numbers = count(1)
# Operations that only move elements: `Equation.require` looks through them.
_REARRANGEMENTS = {"reshape", "transpose", "broadcast_to", "slice", "flip", "astype"}


class Unreadable(TypeError):
    """The value of an equation was asked for: while a function is traced there is none."""


class Equation:
    """`op` of `inputs`, with `static` metadata: an array of this shape and dtype.

    op: the name of a primitive, internal or not; or "input", or "constant" (static: its value).
    number: larger than those of its inputs.
    origin: its order of derivative, its place in the user's source, the rule that made it.
    descends: the numbers of the traced equations that it stands for; of a traced one, its own.
    value_checks: of an input, functions that are called with its array before each run.
    """

    __slots__ = (
        "op",
        "inputs",
        "static",
        "shape",
        "dtype",
        "number",
        "origin",
        "descends",
        "value_checks",
    )

    def __init__(
        self,
        op: str,
        inputs: Iterable["Equation"],
        static: dict,
        shape: tuple,
        dtype: Any,
        origin: Origin = Origin(),
        descends: tuple[int, ...] = (),
    ):
        self.op = op
        self.inputs: tuple[Equation, ...] = tuple(inputs)
        self.static = static
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.number = next(_serial_numbers)
        self.origin = origin
        self.descends = descends or (self.number,)
        self.value_checks: list[Callable] = []

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes of its elements."""
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"<v{self.number} = {self.op}: {self.dtype}{self.shape}, not computed yet>"

    def require(self, test: Callable) -> bool:
        """Call `test` with this equation's array before each run of the program.

        Returns False, and does nothing, if it is neither an input nor a rearranged input: then its
        array exists only inside of the program.
        """
        source, rearrangements = self, []
        while source.op in _REARRANGEMENTS:
            rearrangements.append(source)
            source = source.inputs[0]
        if source.op != "input":
            return False

        def test_of_input(array):
            for eqn in reversed(rearrangements):
                array = run_eagerly(registry[eqn.op], [array], eqn.static)
            test(array)

        source.value_checks.append(test_of_input)
        return True

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `Unreadable`: every way to read elements leads here."""
        if state.interpreter is None:
            raise Unreadable(escaped_message(self))
        raise Unreadable(
            f"jit: the value of a {self.dtype}{self.shape} was asked for while the function is "
            f"traced ({caller_location() or 'outside'}), but there are no values yet: return it "
            "and read it outside, use tm.where for a choice, or pass what decides as a Python "
            "number"
        )

    view = __array__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = refuse
    __getitem__ = __setitem__ = refuse


def escaped_message(eqn: Equation) -> str:
    """The error text for an equation that is met outside of its trace."""
    where = eqn.origin.location or "an argument of it"
    return (
        f"jit: a {eqn.dtype}{eqn.shape} that a traced function computed "
        f"({where}) was kept and is used outside of it, where it "
        "has no value: return it from the function"
    )


# ---- programs -----------------------------------------------------------------------------------


class Program(NamedTuple):
    """Equations in an order in which they can be computed, inputs and constants among them."""

    inputs: tuple[Equation, ...]
    outputs: tuple[Equation, ...]
    equations: tuple[Equation, ...]

    def __str__(self) -> str:
        """An equation a line, with its type, order of derivative and place in the user's source."""
        names = {eqn: f"v{k}" for k, eqn in enumerate(self.equations)}
        texts = [f"{names[eqn]} = {_call_text(eqn, names)}" for eqn in self.equations]
        width = min(72, max(map(len, texts), default=0))
        lines = []
        for text, eqn in zip(texts, self.equations):
            order = f"  order {eqn.origin.order}" if eqn.origin.order > 0 else ""
            comment = f"{eqn.dtype.name}{eqn.shape}{order}  {eqn.origin.location}"
            lines.append(f"{text:{width}}  # {comment}")
        lines.append(f"return {', '.join(names[y] for y in self.outputs)}")
        return "\n".join(lines)


def _call_text(eqn: Equation, names: dict[Equation, str]) -> str:
    """The right-hand side of an equation: "matmul(v0, v1)"."""
    operands = [names.get(x, "?") for x in eqn.inputs]
    static = {} if eqn.op == "constant" else eqn.static
    keywords = [f"{name}={value}" for name, value in static.items()]
    return f"{eqn.op}({', '.join(operands + keywords)})"


def program_of(outputs: Iterable[Equation], inputs: Iterable[Equation] = ()) -> Program:
    """The program that computes the outputs from the inputs: all that they depend on, and no more.

    Ordered by number, so every equation comes after its inputs. O(n log n); with a stack of its
    own, as a program may be deeper than Python's.
    """
    outputs, inputs = tuple(outputs), tuple(inputs)
    found = {eqn.number: eqn for eqn in inputs}
    stack = list(outputs)
    while stack:
        eqn = stack.pop()
        if eqn.number not in found:
            found[eqn.number] = eqn
            stack.extend(eqn.inputs)
    return Program(inputs, outputs, tuple(found[n] for n in sorted(found)))


class Builder:
    """Makes equations; a subclass may return an existing or an equivalent one (simplify.py)."""

    def build(
        self,
        op: str,
        inputs: tuple[Equation, ...] = (),
        static: dict | None = None,
        like: Equation | None = None,
    ) -> Equation:
        """The equation of an operation, with the shape and dtype that its shape rule gives.

        like: the equation that it replaces, whose origin and descent it takes over.
        """
        static = static or {}
        origin, descends = (Origin(), ()) if like is None else (like.origin, like.descends)
        if op == "constant":
            value = static["value"]
            return Equation(op, (), static, value.shape, value.dtype, Origin(), descends)
        shape, dtype = operation(op).shape(*inputs, **static)
        return Equation(op, inputs, static, shape, dtype, origin, descends)


def stand_in(x: Equation, shape: tuple) -> Equation:
    """An input of another program, in the place of x there."""
    return Equation("input", (), {}, shape, x.dtype, x.origin, x.descends)


def rewrite(program: Program, rule: Callable[[Equation, tuple], Equation]) -> Program:
    """A new program of the same inputs; `rule(eqn, new_inputs)` is what replaces an equation.

    Each equation is visited once, after its inputs. What no output depends on is left out.
    """
    new = {x: x for x in program.inputs}
    for eqn in program.equations:
        if eqn not in new:
            new_inputs = tuple([new[x] for x in eqn.inputs])
            new[eqn] = rule(eqn, new_inputs)
    inherit(new)
    return program_of([new[y] for y in program.outputs], program.inputs)
