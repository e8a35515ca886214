"""Tracing: run a function once on equations instead of arrays, and keep what it did as a program.

In: a function and arguments. Out: a `Traced`, which is a program and how arguments become its
inputs and its outputs become results.

    lambda x: tm.exp(x) * 2.0        v0 = input()       # float32(3,)
                                     v1 = exp(v0)       # float32(3,)
                                     v2 = constant()    # float32()
                                     v3 = mul(v1, v2)   # float32(3,)

Every operation is dispatched by `bind` (core/primitive.py), so an interpreter that records an
equation sees them all, those of derivatives included: that is how the backward pass comes to be in
the program, and why the compiler needs no rule of derivatives. Python's control flow is followed
once and is gone from the program. Reading the function's source instead could keep loops, and would
have to understand Python.

Invariant: an equation of this program has inputs of this program only; arrays that the function
captured are copied as constants. Cost: O(n) for n operations.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core import tree
from ..core.device import move
from ..core.primitive import Primitive, run_eagerly
from ..core.scope import setting
from ..core.tensor import Tensor, asarray
from .origin import origin_here
from .program import Equation, Program, Unreadable, escaped_message, program_of
from .scalar import Scalar

SMALL = 4096  # elements; results of constants alone up to this size are computed while tracing


class Traced:
    """A function, traced for arguments like these.

    program: what it computes.
    input_leaves: of each input of the program, (which leaf of the arguments it is, its dtype).
    result_makers: of each leaf of the result, a function of the iterator over outputs.
    rebuild: leaves of the result -> the result's tree.
    primitives: those that it called, on constants, too.
    needs_outer_gradient: does it depend on a tensor outside that is being differentiated?
    """

    def __init__(self, f: Callable, args: tuple, kwargs: dict):
        self.inputs: dict[tuple, Equation] = {}
        # By id of a captured array: its equation, the array, the copy that the program holds.
        self.constants: dict[int, tuple[Equation, Any, np.ndarray]] = {}
        self.equations: set[Equation] = set()
        self.primitives: set[Primitive] = set()

        flat, rebuild_arguments = tree.flatten((args, kwargs))
        flat = [as_own_array(x) for x in flat]
        with setting(interpreter=self.record_operation, device="cpu"):  # constants are kept there
            args, kwargs = rebuild_arguments([self.argument(k, x) for k, x in enumerate(flat)])
            leaves, self.rebuild = tree.flatten(f(*args, **kwargs))
            outputs = [self.output(x) for x in leaves if _is_output(x)]

        self.result_makers = [_result_maker(x) for x in leaves]
        self.needs_outer_gradient = any(y.serial for y in outputs)
        self.program: Program = program_of(
            [self.equation_of(y.value) for y in outputs], self.inputs.values()
        )
        self.input_leaves = list(self.inputs)

    # ---- arguments and results ----

    def argument(self, k: int, leaf: Any) -> Any:
        """What the function is given for the k-th leaf of its arguments."""
        if is_array(leaf):
            return Tensor(self.input(k, leaf.shape, np.dtype(leaf.dtype)))
        if is_float(leaf):
            return Scalar(type(leaf), lambda dtype: Tensor(self.input(k, (), dtype)))
        return leaf

    def input(self, k: int, shape: tuple, dtype: np.dtype) -> Equation:
        """The program's input for the k-th leaf in this dtype, one for each dtype asked for."""
        if not dtype.isnative:
            dtype = dtype.newbyteorder("=")
        if (k, dtype) not in self.inputs:
            self.inputs[k, dtype] = self.record(Equation("input", (), {}, shape, dtype))
        return self.inputs[k, dtype]

    def output(self, leaf: Any) -> Tensor:
        """A leaf of the result, an array or a number, as a tensor."""
        if isinstance(leaf, Scalar):
            return Tensor(self.equation_of(leaf.exact.value))
        return asarray(leaf)

    # ---- recording ----

    def record(self, eqn: Equation) -> Equation:
        """Remember that an equation is of this trace."""
        self.equations.add(eqn)
        return eqn

    def record_operation(self, primitive: Primitive, values: Any, static: dict) -> Any:
        """The interpreter: an equation for every operation; small ones on constants are run."""
        self.primitives.add(primitive)
        if all(type(v) is np.ndarray for v in values):
            shape, _ = primitive.shape(*values, **static)
            if primitive.view or np.prod(shape) <= SMALL:
                return run_eagerly(primitive, values, static)
        inputs = [self.equation_of(v) for v in values]
        shape, dtype = primitive.shape(*inputs, **static)
        return self.record(Equation(primitive.name, inputs, static, shape, dtype, origin_here()))

    def equation_of(self, value: Any) -> Equation:
        """An equation of this trace as it is; a captured array as a constant.

        The constant is a copy, so a later change of the array does not change the program. An array
        that was changed since its last use is another constant. Raises `Unreadable` for an equation
        of another trace.
        """
        if isinstance(value, Equation):
            if value not in self.equations:
                raise Unreadable(escaped_message(value))
            return value
        array = move(value, "cpu")
        kept = _without_repetitions(array)
        if id(value) in self.constants:
            eqn, captured, copy = self.constants[id(value)]
            if captured is value and _same_bytes(kept, copy):
                return eqn
        copy = contiguous_copy(kept)
        eqn = self.record(Equation("constant", (), {"value": copy}, kept.shape, kept.dtype))
        if kept.shape != array.shape:
            shape = array.shape
            eqn = self.record(Equation("broadcast_to", (eqn,), {"shape": shape}, shape, eqn.dtype))
        self.constants[id(value)] = eqn, value, copy  # keeps it alive, so its id stays its own
        return eqn


def _without_repetitions(array: np.ndarray) -> np.ndarray:
    """Of a large view, each element once: axes along which it repeats them have size 1.

    A bias beside a thousand examples is a constant of its own size, and a loop that reads it waits
    for no memory.
    """
    if array.size <= SMALL:
        return array
    return array[tuple(slice(None if step else 1) for step in array.strides)]


def contiguous_copy(array: np.ndarray) -> np.ndarray:
    """A copy in C order and the machine's byte order."""
    return np.array(array, array.dtype.newbyteorder("="), order="C")


def _same_bytes(array: np.ndarray, copy: np.ndarray) -> bool:
    """Is an array unchanged since this copy was made of it?"""
    return array.tobytes() == copy.tobytes()


# ---- leaves of arguments and of results ----------------------------------------------------------


def as_own_array(x: Any) -> Any:
    """An array of another library as a Tensor, which may share its memory; all else as it is.

    Raises TypeError for a masked array, whose mask would be lost.
    """
    ours = isinstance(x, (Tensor, np.ndarray)) and not isinstance(x, np.ma.MaskedArray)
    foreign = hasattr(x, "__dlpack__") and not ours
    return asarray(x) if foreign else x


def is_array(x: Any) -> bool:
    """Is it a Tensor, a NumPy array, or an array on a GPU?"""
    return isinstance(x, (Tensor, np.ndarray)) or hasattr(x, "__cuda_array_interface__")


def is_float(x: Any) -> bool:
    """Is it a number that may change from call to call? Ints and bools are part of the program."""
    return isinstance(x, (float, np.floating))


def leaf_array(leaf: Any, dtype: np.dtype) -> Any:
    """A leaf of the arguments as an array for an input of this dtype; on a GPU as it is."""
    array = leaf.value if type(leaf) is Tensor else leaf
    if type(array) is np.ndarray and array.dtype is dtype:
        return array
    if isinstance(array, (np.ndarray, float, np.floating)):
        return np.asarray(array, dtype)
    return array


def _is_output(leaf: Any) -> bool:
    """Does the program compute this leaf of the result?"""
    return isinstance(leaf, Scalar) or is_array(leaf)


def _result_maker(leaf: Any) -> Callable:
    """A function of the iterator over the outputs that are left: the leaf of the result."""
    if isinstance(leaf, Scalar):
        return lambda outputs: leaf.kind(next(outputs)[()])
    if is_array(leaf):
        return lambda outputs: Tensor(next(outputs))
    return partial(_static_result, leaf)


def _static_result(leaf: Any, outputs: Any) -> Any:
    """A leaf that is no array is returned as it was when the function was traced."""
    return leaf
