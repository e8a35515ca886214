"""What a loop can compute: elementwise equations, and sums and maxima of numbers.

A loop runs over a space, a shape. It computes roots: values that are stored, over that space, or
reductions of values over that space.

    root                          space
    exp(x)           (4, 3)       (4, 3)      the root's shape
    sum(y, axis 0)   (3,)         (4, 3)      the shape of y
"""

import ast
import functools

import numpy as np

from ..core.primitive import registry
from ..core.text import FUNCTIONS
from ..cpu.pointers import DTYPES
from .program import Equation

REDUCTIONS = {"sum", "max"}
# Functions of an instruction or two; all others are expensive.
_CHEAP = {
    "where",
    "minimum",
    "maximum",
    "absolute",
    "sign",
    "square",
    "sqrt",
    "reciprocal",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "copysign",
    "isnan",
    "isfinite",
}


def is_elementwise(eqn: Equation) -> bool:
    """Can it be a statement in a loop's body?

    Not with dtypes that kernels lack. Nor can a cast of floats to integers: C leaves open what
    becomes of floats that do not fit, so NumPy does it.
    """
    if not _has_kernel_dtypes(eqn):
        return False
    if eqn.op == "copy":
        return True
    if eqn.op == "astype":
        from_float, to_float = eqn.inputs[0].dtype.kind == "f", eqn.dtype.kind == "f"
        return eqn.dtype == bool or to_float or not from_float
    primitive = registry.get(eqn.op)
    return primitive is not None and primitive.text is not None


def can_loop(eqn: Equation) -> bool:
    """Can a loop compute it: elementwise, or a reduction of numbers?"""
    if is_elementwise(eqn):
        return True
    return eqn.op in REDUCTIONS and eqn.dtype != bool and _has_kernel_dtypes(eqn)


def _has_kernel_dtypes(eqn: Equation) -> bool:
    """Do kernels have the dtypes of its operands and of its result?"""
    return eqn.dtype in DTYPES and all(x.dtype in DTYPES for x in eqn.inputs)


def summed_in_float64(root: Equation) -> bool:
    """Is it added up in float64, to be rounded to float32 at the end?"""
    return root.op == "sum" and root.dtype == np.float32


def is_expensive(eqn: Equation) -> bool:
    """Does it call a function of many instructions?"""
    primitive = registry.get(eqn.op)
    if primitive is None or primitive.text is None:
        return False
    return _calls_expensive_function(primitive.text)


@functools.cache
def _calls_expensive_function(text: str) -> bool:
    """Of a primitive's scalar text, such as "a * exp(-b)"."""
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return bool(names & FUNCTIONS.keys() - _CHEAP)


def loop_space(root: Equation) -> tuple[int, ...]:
    """The space that a loop computing this root runs over: a reduction's is its operand's shape."""
    return root.inputs[0].shape if root.op in REDUCTIONS else root.shape
