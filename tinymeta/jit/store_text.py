"""The text that stores a loop's results: an element, or what a reduction adds it to.

In: a result's pointer and the name of its value. Out: expressions and statements of the kernel's
source, for codegen.py. A reduction along the innermost axis is kept in a register, t_y0, while that
loop runs. A maximum of floats is an integer there, of which LLVM makes a vector.
"""

import numpy as np

from .loops import REDUCTIONS
from .operand_pointer import OperandPointer
from .program import Equation


def least_number(dtype: np.dtype) -> str:
    """What no number of a dtype is less than."""
    return "-inf" if dtype.kind == "f" else str(np.iinfo(dtype).min)


def _is_largest_float(root: Equation) -> bool:
    """Is it a maximum of floats? A loop that stays at one keeps it as an integer (cpu/order.py)."""
    return root.op == "max" and root.dtype.kind == "f"


def total_of(root: Equation, element: str) -> str:
    """What a loop that stays at a result keeps of it in a register."""
    return f"ordered({element})" if _is_largest_float(root) else element


def result_of(root: Equation, total: str) -> str:
    """The result, of what the loop has kept."""
    return f"from_ordered({total})" if _is_largest_float(root) else total


def store_statement(y: OperandPointer, root: Equation, value: str) -> str:
    """The statement that stores a value, or combines it with what is there."""
    if root.op not in REDUCTIONS:
        return f"{y.element} = " + (f"uint8({value})" if y.dtype == "bool" else value)
    target = f"t_{y.name}" if y.is_still else y.element
    if root.op == "sum" and root.dtype.kind == "f":
        return f"{target} = added({target}, {y.dtype}({value}))"
    if root.op == "sum":
        return f"{target} = {y.dtype}({target} + {value})"
    if y.is_still and _is_largest_float(root):
        return f"{target} = max({target}, ordered({y.dtype}({value})))"
    return f"{target} = maximum({target}, {value})"
