"""A random differentiable program as a value: statements on named values, and its inputs.

It is called like any function of tensors, and printed as Python that can be pasted and run. It
returns every value that no statement uses, so no statement is idle.

The compiler has a Program, too (jit/program.py), of primitives on fixed shapes and dtypes. This one
calls public functions by name, runs on any number of tasks and in any dtype, and is source text: a
failure has to be read by a person, and run without a compiler.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..core.primitive import registry
from ..core.tensor import Tensor, asarray
from ..ops.checkpoint import checkpoint

WIDTH = 70  # the comments with types begin at this column, or before


class Statement(NamedTuple):
    """`result = op(*operands, **static)`; operands are names of values, or constants."""

    result: str
    op: str
    operands: tuple
    static: dict

    def __str__(self) -> str:
        # A public operation has a name in `tm`; any other is a primitive that those are made of.
        function = f"tm.{self.op}" if _public_function(self.op) else f'registry["{self.op}"]'
        operands = [x if isinstance(x, str) else _text_of(x) for x in self.operands]
        static = [f"{name}={_text_of(value)}" for name, value in self.static.items()]
        return f"{self.result} = {function}({', '.join(operands + static)})"

    @property
    def operand_names(self) -> list[str]:
        """The values that it uses, those in lists included."""
        names = []
        for x in self.operands:
            entries = x if _is_list_of_names(x) else [x]
            names += [y for y in entries if isinstance(y, str)]
        return names


class RandomProgram(NamedTuple):
    """Inputs by name, statements in order; every value has a leading axis of `tasks`, if any."""

    inputs: dict[str, np.ndarray]
    statements: tuple[Statement, ...]
    tasks: int | None = None

    @property
    def outputs(self) -> list[str]:
        """The values that no statement uses."""
        used = {name for s in self.statements for name in s.operand_names}
        return [s.result for s in self.statements if s.result not in used]

    def __call__(self, *inputs: Any) -> tuple[Tensor, ...]:
        """The outputs, at its own inputs unless others are given."""
        values = self._named(inputs or self.inputs.values())
        return self.outputs_among(run_statements(self.statements, values))

    def with_checkpoint(self, start: int, stop: int) -> Callable:
        """The same function, with the statements from `start` to `stop` inside a checkpoint.

        It is given every other value, and closes over the rest.
        """

        def f(*inputs: Any) -> tuple[Tensor, ...]:
            before = run_statements(self.statements[:start], self._named(inputs))
            given = {name: before[name] for name in list(before)[::2]}

            def inside(given: dict) -> dict:
                return run_statements(self.statements[start:stop], {**before, **given})

            after = checkpoint(inside)(given)
            return self.outputs_among(run_statements(self.statements[stop:], after))

        return f

    def astype(self, dtype: Any) -> "RandomProgram":
        """The same program, its floating values of this dtype."""
        inputs = {
            name: x.astype(dtype) if x.dtype.kind == "f" else x for name, x in self.inputs.items()
        }
        name = np.dtype(dtype).name
        statements = tuple(
            s._replace(static={**s.static, "dtype": name}) if "dtype" in s.static else s
            for s in self.statements
        )
        return RandomProgram(inputs, statements, self.tasks)

    def outputs_among(self, values: dict) -> tuple[Tensor, ...]:
        """Its outputs, of the values of all its statements by name."""
        return tuple(values[name] for name in self.outputs)

    def _named(self, inputs: Any) -> dict[str, Tensor]:
        return dict(zip(self.inputs, map(asarray, inputs)))

    def __str__(self) -> str:
        values = run_statements(self.statements, self._named(self.inputs.values()))
        types = {name: f"  # {x.dtype} {x.shape}" for name, x in values.items()}
        lines = []
        for name, x in self.inputs.items():
            lines.append(f"{name} = np.array({x.tolist()}){types[name]}")
        lines.append(f"def program({', '.join(self.inputs)}):")
        texts = [str(s) for s in self.statements]
        width = min(max(map(len, texts)), WIDTH)
        for s, text in zip(self.statements, texts):
            lines.append(f"    {text:{width}}{types[s.result]}")
        lines.append(f"    return {', '.join(self.outputs)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def run_statements(statements: Sequence[Statement], values: dict) -> dict:
    """`values` by name, and those that the statements make of them."""
    values = dict(values)
    for s in statements:
        operands = [_operand(x, values) for x in s.operands]
        function = _public_function(s.op) or registry[s.op]
        values[s.result] = asarray(function(*operands, **s.static))
    return values


def _operand(x: Any, values: dict) -> Any:
    """The value of an operand: of a name, of a list of names, or the constant itself."""
    if _is_list_of_names(x):
        return [values[name] for name in x]
    return values[x] if isinstance(x, str) else x


def _public_function(name: str) -> Callable | None:
    """The function `tm.name`, if there is one (`ops.conv`, a module, is none)."""
    found = getattr(ops, name, None)
    return found if callable(found) else None


def _is_list_of_names(operand: Any) -> bool:
    """Whether it is a list of values, as concatenate and stack take it."""
    return isinstance(operand, list) and all(isinstance(x, str) for x in operand)


def _text_of(constant: Any) -> str:
    return f"[{', '.join(constant)}]" if _is_list_of_names(constant) else repr(constant)
