"""A differentiable program as a value: lines of operations on numbered values, and its inputs.

It is called like any function of tensors, and printed as Python that can be pasted and run. It
returns every value that no line uses, so no line is idle.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .. import ops
from ..core.primitive import registry
from ..core.tensor import Tensor, asarray
from ..ops.checkpoint import checkpoint

WIDTH = 70  # where the types of the lines stand, at most


class Line(NamedTuple):
    """`result = op(*operands, **static)`; operands are names of values, or constants."""

    result: str
    op: str
    operands: tuple
    static: dict

    def __str__(self):
        # An operation has its public name, or else it is a primitive that others are made of.
        call = f"tm.{self.op}" if public(self.op) else f'registry["{self.op}"]'
        operands = [x if isinstance(x, str) else text_of(x) for x in self.operands]
        static = [f"{name}={text_of(value)}" for name, value in self.static.items()]
        return f"{self.result} = {call}({', '.join(operands + static)})"


class Program(NamedTuple):
    """Inputs by name, lines in order; the leading axis of every value has `tasks` tasks, if any."""

    inputs: dict[str, np.ndarray]
    lines: tuple[Line, ...]
    tasks: int | None = None

    @property
    def outputs(self) -> list[str]:
        """The values that no line uses."""
        used = {x for line in self.lines for x in names_in(line.operands)}
        return [line.result for line in self.lines if line.result not in used]

    def __call__(self, *inputs):
        """The outputs, at its own inputs unless others are given."""
        values = dict(zip(self.inputs, map(asarray, inputs or self.inputs.values())))
        return self.returned(run(self.lines, values))

    def with_checkpoint(self, start: int, stop: int) -> Callable:
        """The same function, with the lines from `start` to `stop` inside a checkpoint.

        It is given every other value, and closes over the rest.
        """

        def f(*inputs):
            before = run(self.lines[:start], dict(zip(self.inputs, map(asarray, inputs))))
            given = {name: before[name] for name in list(before)[::2]}
            after = checkpoint(lambda v: run(self.lines[start:stop], {**before, **v}))(given)
            return self.returned(run(self.lines[stop:], after))

        return f

    def astype(self, dtype) -> "Program":
        """The same program, its floating values of this dtype."""
        inputs = {
            name: x.astype(dtype) if x.dtype.kind == "f" else x for name, x in self.inputs.items()
        }
        name = np.dtype(dtype).name
        lines = (
            line._replace(static={**line.static, "dtype": name}) if "dtype" in line.static else line
            for line in self.lines
        )
        return Program(inputs, tuple(lines), self.tasks)

    def returned(self, values: dict) -> tuple[Tensor, ...]:
        """Its outputs, of the values of all its lines by name."""
        return tuple(values[name] for name in self.outputs)

    def __str__(self):
        values = run(self.lines, {name: asarray(x) for name, x in self.inputs.items()})
        typed = {name: f"  # {x.dtype} {x.shape}" for name, x in values.items()}
        width = min(max(len(str(line)) for line in self.lines), WIDTH)
        return "\n".join(
            [
                *(
                    f"{name} = np.array({x.tolist()}){typed[name]}"
                    for name, x in self.inputs.items()
                ),
                f"def program({', '.join(self.inputs)}):",
                *(f"    {str(line):{width}}{typed[line.result]}" for line in self.lines),
                f"    return {', '.join(self.outputs)}",
            ]
        )

    __repr__ = __str__


def run(lines: Sequence[Line], values: dict) -> dict:
    """`values` by name, and those that the lines make of them."""
    values = dict(values)
    for line in lines:
        operands = [
            [values[y] for y in x] if of_names(x) else values[x] if isinstance(x, str) else x
            for x in line.operands
        ]
        values[line.result] = asarray(operation(line.op)(*operands, **line.static))
    return values


def operation(name: str) -> Callable:
    return public(name) or registry[name]


def public(name: str) -> Callable | None:
    """The function `tm.name`, if there is one (`ops.conv`, a module, is none)."""
    found = getattr(ops, name, None)
    return found if callable(found) else None


def of_names(operand) -> bool:
    """Is it a list of values, as concatenate and stack take it?"""
    return isinstance(operand, list) and all(isinstance(x, str) for x in operand)


def names_in(operands: tuple) -> list[str]:
    return [y for x in operands for y in (x if of_names(x) else [x]) if isinstance(y, str)]


def text_of(value) -> str:
    return f"[{', '.join(value)}]" if of_names(value) else repr(value)
