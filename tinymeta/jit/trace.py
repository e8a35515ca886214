"""Tracing: run a function once on lines instead of arrays, and keep what it did as a program.

Every operation passes the doorway `bind`, so an interpreter that appends lines sees them all, those
of derivatives included. Python's control flow is followed once and is gone from the program.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from ..core import tree
from ..core.device import move
from ..core.primitive import Primitive, run_eagerly
from ..core.scope import setting, state
from ..core.tensor import Tensor, asarray
from .program import Line, Program, Unreadable, escaped, here, ordered
from .scalar import Scalar

SMALL = 4096  # what is computed from constants alone, and no larger, is computed now


class Traced:
    """A function, traced for arguments like these: a program, and what is around it.

    places: of each input of the program, which leaf of the arguments it is, and of which dtype.
    used: the primitives that it has called, on constants, too.
    """

    def __init__(self, f: Callable, args: tuple, kwargs: dict):
        flat, rebuild = tree.flatten((args, kwargs))
        flat = [own(x) for x in flat]
        self.inputs: dict[tuple, Line] = {}
        self.constants: dict[int, tuple] = {}
        self.lines: set[Line] = set()
        self.used: set[Primitive] = set()
        with setting(interpreter=self.append, device="cpu"):  # where constants are kept
            args, kwargs = rebuild([self.argument(k, x) for k, x in enumerate(flat)])
            leaves, self.rebuild = tree.flatten(f(*args, **kwargs))
            outputs = [
                Tensor(self.line_of(x.exact.value))
                if isinstance(x, Scalar)
                else asarray(x)
                if is_array(x)
                else None
                for x in leaves
            ]
        self.results = [result_of(x) for x in leaves]
        self.outside = any(y is not None and y.serial for y in outputs)  # of what is differentiated
        self.program: Program = ordered(
            [self.line_of(y.value) for y in outputs if y is not None], self.inputs.values()
        )
        self.places = list(self.inputs)

    def argument(self, k: int, leaf):
        """What the function is given for the k-th leaf of its arguments."""
        if is_array(leaf):
            return Tensor(self.input(k, leaf.shape, np.dtype(leaf.dtype)))
        if is_number(leaf):
            return Scalar(type(leaf), lambda dtype: Tensor(self.input(k, (), dtype)))
        return leaf

    def input(self, k: int, shape: tuple, dtype: np.dtype) -> Line:
        dtype = dtype.newbyteorder("=")
        if (k, dtype) not in self.inputs:
            self.inputs[k, dtype] = self.made(Line("input", (), {}, shape, dtype))
        return self.inputs[k, dtype]

    def made(self, line: Line) -> Line:
        self.lines.add(line)
        return line

    def append(self, primitive, values, static):
        """The interpreter: a line for every operation, but on constants."""
        self.used.add(primitive)
        if all(type(v) is np.ndarray for v in values):
            shape, _ = primitive.shape(*values, **static)
            if primitive.view or np.prod(shape) <= SMALL:
                return run_eagerly(primitive, values, static)
        lines = [self.line_of(v) for v in values]
        shape, dtype = primitive.shape(*lines, **static)
        return self.made(
            Line(
                primitive.name,
                lines,
                static,
                shape,
                dtype,
                order=state.order,
                region=state.region,
                place=here(),
            )
        )

    def line_of(self, value) -> Line:
        """A line of this trace as it is; an array that it captured as a constant.

        That is a copy: what happens to the array later does not change the program. An array that
        was changed since it was seen before is another constant.
        """
        if isinstance(value, Line):
            if value not in self.lines:
                raise Unreadable(escaped(value))
            return value
        line, known = self.constants.get(id(value), (None, None))
        array = move(value, "cpu")
        if known is None or known is not value or not unchanged(array, line.static["value"]):
            line = self.made(
                Line("constant", (), {"value": copied(array)}, array.shape, array.dtype)
            )
            self.constants[id(value)] = line, value  # kept alive, and so its id is its own
        return line


def copied(array: np.ndarray) -> np.ndarray:
    """A copy in order, of the machine's own dtypes."""
    return np.array(array, array.dtype.newbyteorder("="), order="C")


def unchanged(array: np.ndarray, copy: np.ndarray) -> bool:
    return array.tobytes() == copy.tobytes()


# ---- leaves of arguments and of results ----------------------------------------------------------


def own(x):
    """An array of another library as a Tensor, which may share its memory; all else as it is."""
    foreign = hasattr(x, "__dlpack__") and not isinstance(x, (Tensor, np.ndarray))
    return asarray(x) if foreign else x


def is_array(x) -> bool:
    return isinstance(x, (Tensor, np.ndarray)) or hasattr(x, "__cuda_array_interface__")


def is_number(x) -> bool:
    """Is it a number that may change from call to call? Ints and bools are part of the program."""
    return isinstance(x, (float, np.floating))


def given(leaf, dtype: np.dtype):
    """A leaf of the arguments as an array, for an input of this dtype."""
    array = leaf.value if type(leaf) is Tensor else leaf
    return (
        np.asarray(array, dtype) if isinstance(array, (np.ndarray, float, np.floating)) else array
    )


def result_of(leaf) -> Callable:
    """How a leaf of the result is made of the outputs that are left, an iterator."""
    if isinstance(leaf, Scalar):
        return lambda outputs: leaf.kind(next(outputs)[()])
    if is_array(leaf):
        return lambda outputs: Tensor(next(outputs))
    return partial(same, leaf)


def same(leaf, outputs):
    return leaf
