"""Tracing: run a function once on lines instead of arrays, and keep what it did as a program.

Every operation passes the doorway `bind`, so an interpreter that appends lines sees them all, those
of derivatives included. Python's control flow is followed once and is gone from the program.
"""

from collections.abc import Callable

import numpy as np

from ..core import tree
from ..core.device import move
from ..core.primitive import evaluate
from ..core.scope import setting, state
from ..core.tensor import Tensor, asarray
from .program import Line, Program, here, ordered

FLOATS = float, np.float32, np.float64            # numbers that become arrays
SMALL = 4096            # what is computed from constants alone, and no larger, is computed now


class Traced:
    """A function, traced for arguments like these."""

    def __init__(self, f: Callable, args: tuple):
        flat, rebuild = tree.flatten(args)
        flat, self.constants = as_arrays(flat), {}
        lines = [Line("input", (), {}, x.shape, x.dtype) if is_array(x) else None for x in flat]
        with setting(interpreter=self.append, device="cpu"):    # where constants are kept
            result = f(*rebuild([x if line is None else Tensor(line) for line, x in zip(lines, flat)]))
        leaves, self.rebuild = tree.flatten(result)
        outputs = [asarray(leaf) for leaf in leaves]
        self.outside = any(y.serial for y in outputs)   # made of something that is differentiated
        self.program: Program = ordered([self.line_of(y.value) for y in outputs],
                                        [line for line in lines if line is not None])

    def append(self, primitive, values, static):
        """The interpreter: a line for every operation, but on constants."""
        if all(type(v) is np.ndarray for v in values):
            shape, _ = primitive.shape(*values, **static)
            if primitive.view or np.prod(shape) <= SMALL:
                return evaluate(primitive, values, static)
        lines = [self.line_of(v) for v in values]
        shape, dtype = primitive.shape(*lines, **static)
        return Line(primitive.name, lines, static, shape, dtype,
                    order=state.order, region=state.region, place=here())

    def line_of(self, value) -> Line:
        """A line as it is; a captured array as a constant, one for each array."""
        if isinstance(value, Line):
            return value
        if id(value) not in self.constants:
            line = Line("constant", (), {"value": move(value, "cpu")}, value.shape, value.dtype)
            self.constants[id(value)] = line, value         # kept alive, and so its id is its own
        return self.constants[id(value)][0]


def as_arrays(flat: list) -> list:
    """Tensors and Python floats as arrays, these in the widest float dtype of all; others as is."""
    arrays = [x.value if type(x) is Tensor else x for x in flat]
    if not any(type(x) in FLOATS for x in arrays):
        return arrays
    floats = [x.dtype for x in arrays if is_array(x) and x.dtype.kind == "f"]
    widest = np.result_type(*floats) if floats else np.float32
    return [np.asarray(x, widest) if type(x) in FLOATS else x for x in arrays]


def is_array(x) -> bool:
    return isinstance(x, np.ndarray) or hasattr(x, "__cuda_array_interface__")
