"""Faults in the passes that make and rewrite equations: trace, simplify, split.

Each function takes the right function and returns the wrong one (planting.py).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

import numpy as np

from ..jit import compile, cuts, program, rewrites, signatures, simplify, split, task_roles, trace
from .planting import FAULTS, Fault, fault

# ---- trace, compile, signatures, program ---------------------------------------------------------


@fault("trace", "a captured array is not copied", trace, "contiguous_copy")
def _(right):
    return lambda array: array


@fault("compile", "numbers are float32", compile, "leaf_array")
def _(right):
    return lambda leaf, dtype: np.asarray(right(leaf, dtype), np.float32).astype(dtype)


@fault("compile", "all numbers are one", trace, "is_float")
def _(right):
    return lambda x: False


@fault("signatures", "the dtype is no part of the signature", signatures, "_key_and_leaves")
def _(right):
    def key_and_leaves(args, kwargs):
        (signature, *where), leaves = right(args, kwargs)
        without = [part[:1] if isinstance(part[-1], np.dtype) else part for part in signature]
        return (tuple(without), *where), leaves

    return key_and_leaves


@fault("program", "the outputs are rotated", program, "program_of")
def _(right):
    def program_of(outputs, inputs=()):
        found = right(outputs, inputs)
        return found._replace(outputs=found.outputs[1:] + found.outputs[:1])

    return program_of


# ---- simplify ------------------------------------------------------------------------------------


def _rule_fault(op: str, what: str) -> Callable:
    """A decorator that adds a fault in the simplifier's rule of one operation; see `fault`."""

    def add(wrong_from_right: Callable) -> None:
        def planted() -> AbstractContextManager:
            wrong = wrong_from_right(rewrites.REWRITES[op])
            return patch.dict(rewrites.REWRITES, {op: wrong})

        FAULTS.append(Fault("simplify", what, planted))

    return add


@fault("simplify", "equations of different static are one", simplify.Simplifier, "key")
def _(right):
    def key(op, inputs, static, like):
        return right(op, inputs, static if op == "constant" else {}, like)

    return staticmethod(key)


@fault("simplify", "a sum of repetitions is not multiplied", simplify.Simplifier, "number")
def _(right):
    return lambda self, value, dtype, like: right(self, 1, dtype, like)


@_rule_fault("transpose", "of two transposes the order is exchanged")
def _(right):
    def rule(simplifier, inputs, static, like):
        (x,), axes = inputs, static["axes"]
        if x.op != "transpose":
            return right(simplifier, inputs, static, like)
        composed = tuple(axes[i] for i in x.static["axes"])
        return simplifier.build("transpose", x.inputs, {"axes": composed}, like)

    return rule


@_rule_fault("mul", "x * y is x where y is a constant")
def _(right):
    def rule(simplifier, inputs, static, like):
        a, b = inputs
        return a if b.op == "constant" and a.shape else right(simplifier, inputs, static, like)

    return rule


@_rule_fault("neg", "-x is x")
def _(right):
    return lambda simplifier, inputs, static, like: inputs[0]


@_rule_fault("astype", "a cast is left out")
def _(right):
    def rule(simplifier, inputs, static, like):
        floats = inputs[0].dtype.kind == "f" == np.dtype(static["dtype"]).kind
        return inputs[0] if floats else right(simplifier, inputs, static, like)

    return rule


# ---- joins ---------------------------------------------------------------------------------------


@fault("joins", "pads are joined in the other order", rewrites, "sum_of_pads")
def _(right):
    def sum_of_pads(simplifier, inputs, static, like):
        found = right(simplifier, inputs, static, like)
        if found is None or found.op != "concatenate":
            return found
        return simplifier.build("concatenate", found.inputs[::-1], found.static, like)

    return sum_of_pads


# ---- cuts ----------------------------------------------------------------------------------------


@fault("cuts", "a slice of a joined part is one of another of its shape", cuts, "_slice_of_part")
def _(right):
    def slice_of_part(simplifier, x, slices, like):
        found = right(simplifier, x, slices, like)
        like_found = [part for part in x.inputs if found is not None and part.shape == found.shape]
        return like_found[0] if like_found else found

    return slice_of_part


@fault("cuts", "the last of several padded parts is left out", cuts, "_padded_terms")
def _(right):
    def padded_terms(x):
        terms = right(x)
        return terms[:-1] if len(terms) > 1 else terms

    return padded_terms


# ---- split ---------------------------------------------------------------------------------------


@fault("split", "outputs after the tasks are exchanged", split, "split_along")
def _(right):
    def split_along(program, tasks):
        found = right(program, tasks)
        return found._replace(after_outputs=found.after_outputs[::-1])

    return split_along


@fault("split", "an operation that mixes the tasks is split", task_roles, "keeps_tasks_apart")
def _(right):
    return lambda eqn, tasks: right(eqn, tasks) or eqn.op in ("flip", "slice", "transpose")


@fault("split", "what is computed from sums over the tasks is summed", task_roles, "_LINEAR")
def _(right):
    return right | {"mul", "square", "tanh", "exp"}
