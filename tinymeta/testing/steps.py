"""Random training steps, to be compiled, and what each returns.

A step is a random program with weights that all tasks share, a number that changes from call to
call, and an array that it closes over. Its result is a random tree of values that it has: its
arguments, intermediate values, a value for each task, sums over the tasks and what is computed from
them, gradients to third order, ints and bools, constants, nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from .. import ops
from ..core import tree
from ..core.grad import grad, value_and_grad
from ..core.tensor import asarray
from .program import RandomProgram, run_statements
from .programs import programs

CAPTURED = np.array([0.5, -1.5, 2.0])


class Pair(NamedTuple):
    """A NamedTuple, for a node of a result that is not a plain tuple."""

    first: Any
    second: Any


class StepCase(NamedTuple):
    """A step to compile: its program, the tree of what it returns, and how it is run."""

    program: RandomProgram
    result: Any  # a tree whose leaves name one of `values`, such as "gradient 1"
    order: int  # of the highest derivative
    dtype: str
    chunks: int
    threads: int

    def arguments(self, turn: int = 0, dtype: str | None = None) -> tuple:
        """(weights and moments, number, inputs); turn: another order of the tasks, another number.

        A moment is shaped like its weight; both may be as long as the tasks by chance.
        """
        dtype = dtype or self.dtype
        xs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in self.program.inputs.values()]
        if self.program.tasks:
            xs = [np.roll(x, turn, 0) for x in xs]
        weights = [
            np.ones(x.shape[1:] if self.program.tasks else (), dtype)
            for x in xs
            if x.dtype.kind == "f"
        ]
        moments = [np.full_like(w, 0.5 + turn) for w in weights]
        return {"w": weights, "m": moments}, 0.3 * (turn + 1), xs

    def step(self, captured: np.ndarray) -> Callable:
        """The function to compile; it closes over `captured`."""

        def the_step(weights, number, xs):
            values = self.values(weights["w"], weights["m"], number, xs, captured)
            return tree.map(lambda pick: _picked(values, pick), self.result)

        return the_step

    def values(
        self, ws: list, moments: list, number: Any, xs: list, captured: np.ndarray
    ) -> dict[str, list]:
        """All values that a step may return, in lists by kind."""
        program = self.program.astype(np.dtype(ws[0].dtype))

        def loss(ws):
            values = run_statements(
                program.statements, dict(zip(program.inputs, _weighted(ws, xs)))
            )
            floats = [y for y in program.outputs_among(values) if y.dtype.kind == "f"]
            return sum(ops.sum(y * 0.5) for y in floats), values

        def squared_gradient(loss):
            """The loss of the next order: the squared norm of this one's gradient."""

            def next_loss(ws):
                grads, values = grad(loss, has_aux=True)(ws)
                return sum(ops.sum(ops.square(g)) for g in grads), values

            return next_loss

        losses = [loss]
        for _ in range(self.order - 1):
            losses.append(squared_gradient(losses[-1]))
        found = [value_and_grad(loss, has_aux=True)(ws) for loss in losses]
        values = list(found[0][0][1].values())
        floats = [y for y in values if y.dtype.kind == "f"]
        gradients = [g for _, grads in found for g in grads]
        sums = [ops.sum(y, 0) for y in floats if y.ndim]
        return {
            "argument": [*xs, *ws, *moments, number],
            "value": values,
            "gradient": gradients,
            "loss": [value for (value, _), _ in found],
            "updated": [w - number * g for _, grads in found for w, g in zip(ws, grads)],
            "moment": [0.9 * m + 0.1 * g for _, grads in found for m, g in zip(moments, grads)],
            "each": [ops.sum(y, tuple(range(1, y.ndim))) for y in floats if y.ndim],
            "total": sums,
            "after": [ops.tanh(total) * number for total in sums],
            "before": [captured * number, ops.sum(captured * number), *(ops.exp(w) for w in ws)],
            "constant": [asarray(captured), captured, 2.5, True, "a word"],
            "number": [number, number * 2, 1 - number],
            "view": [v for y in [*floats, *gradients] for v in _views(asarray(y))],
            "cast": [_cast_twice(y) for y in floats],
            "joined": _joined(floats) + _joined(gradients),
            "slices": [_gradient_of_slices(asarray(y)) for y in floats if y.ndim],
            "choice": [choice for x in xs for choice in _integers(asarray(x))],
        }

    def __str__(self) -> str:
        return (
            f"{self.program}\nresult: {self.result}\norder {self.order}, {self.dtype}, "
            f"{self.chunks} chunks on {self.threads} threads"
        )

    def __repr__(self) -> str:  # what hypothesis prints
        return str(self)


def _picked(values: dict[str, list], pick: str) -> Any:
    """The value of a name: of "total 3" the one at index 3, modulo their number."""
    kind, number = pick.split()
    candidates = values[kind] or values["argument"]
    return candidates[int(number) % len(candidates)]


def _weighted(weights: list, xs: list) -> list:
    """The inputs, each float input times the square of its weight, which is 1."""
    ws, found = iter(weights), []
    for x in xs:
        array: Any = asarray(x)
        is_float = np.dtype(x.dtype).kind == "f"
        found.append(array * ops.square(next(ws)) if is_float else array)
    return found


def _cast_twice(y: Any) -> Any:
    """3 y, computed in float32 and returned in float64."""
    single: Any = ops.astype(y, np.float32)
    return ops.astype(single * 3.0, np.float64)


def _views(y: Any) -> list:
    """Values computed from views of y: broadcasts, flips, slices, transposes, reshapes of these."""
    repeated: Any = ops.broadcast_to(y, (2, *y.shape))
    found = [ops.sum(repeated, 0), repeated * 1.5]
    if y.ndim:
        found += [
            ops.flip(y, -1),
            y[..., ::2],
            ops.flip(y, 0),
            y[1:],
            ops.reshape(ops.flip(y, -1), -1),
        ]
    if y.ndim > 1:
        swapped: Any = ops.swapaxes(y, -1, -2)
        found += [swapped, ops.reshape(swapped * 2.0, -1), ops.moveaxis(ops.transpose(y), 0, 1)]
        if y.ndim == 2:
            product: Any = swapped @ y[..., :1]
            found.append(product * 0.5)
        else:
            found.append(ops.transpose(ops.moveaxis(y, 0, -1)))
    return found


def _joined(values: list) -> list:
    """Each value, cut out of a vector of all of them, and the gradients of what is made of that."""
    arrays: list[Any] = [asarray(y) for y in values]
    if not arrays:
        return []

    def cut_out(arrays: list) -> list:
        packed = ops.concatenate([ops.reshape(y, -1) for y in arrays])
        ends = np.cumsum([y.size for y in arrays]).tolist()
        return [packed[end - y.size : end] for y, end in zip(arrays, ends)]

    def kept(arrays: list) -> list:
        return [ops.tanh(y) for y in arrays]

    total = grad(lambda arrays: sum(ops.sum(y * y) for y in ops.checkpoint(kept)(arrays)))
    return [*cut_out(arrays), *(total(arrays) if all(y.dtype.kind == "f" for y in arrays) else [])]


def _integers(x: Any) -> list:
    """Ints and bools computed from x, exact in any dtype."""
    mask = x > 0.3
    bytes_: Any = ops.astype(mask, np.uint8)
    signed: Any = ops.astype(mask, np.int32)
    small = bytes_ * 200
    found = [mask, small + small, ops.astype(small + small, np.float32), ops.sum(mask), signed - 3]
    if not x.ndim:
        return found
    found += [ops.argmax(x, -1), ops.sum(mask, 0), ops.max(mask, -1), ops.min(signed - 3, -1)]
    found += [ops.argmax(x, x.ndim // 2), ops.pad(mask, 1), ops.concatenate([small, bytes_], -1)]
    if x.ndim > 1:
        product: Any = ops.swapaxes(small, -1, -2) @ small
        found += [product, ops.argmax(mask, 1), ops.take(small, [0, -1], 1)]
    return found


def _gradient_of_slices(y: Any) -> Any:
    """The derivative of what is made of y in three slices, and of the middle one once more."""

    def loss(y):
        n = y.shape[-1]
        left, middle, right = y[..., : n // 3], y[..., n // 3 : n - n // 3], y[..., n - n // 3 :]
        return sum(ops.sum(ops.sin(part)) for part in (left, middle, right, middle * 0.5))

    return grad(loss)(y)


# ---- which results, which chunks ----------------------------------------------------------------

_KINDS = [  # of `StepCase.values`
    "argument",
    "view",
    "view",
    "gradient",
    "moment",
    "joined",
    "choice",
    "slices",
    "after",
    "updated",
    "value",
    "before",
    "total",
    "cast",
    "each",
    "loss",
    "number",
    "constant",
]
_picks = st.builds("{} {}".format, st.sampled_from(_KINDS), st.integers(0, 99))
_results = st.recursive(
    st.one_of(_picks, _picks, _picks, st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, min_size=1, max_size=4).map(tuple),
        st.dictionaries(st.sampled_from(["loss", "w", "accuracy", "b"]), inner, max_size=3),
        st.builds(Pair, inner, inner),
        inner.map(lambda x: [x, x]),
    ),
    max_leaves=10,
)


def step_cases(max_steps: int = 6) -> st.SearchStrategy[StepCase]:
    """Steps to compile; they shrink to one operation and one leaf, in one chunk."""
    return st.builds(
        StepCase,
        programs(max_steps, tasks=(None, 2, 2, 3, 3)),
        st.lists(_results, min_size=2, max_size=4),
        st.sampled_from([1, 1, 2, 3]),
        st.sampled_from(["float32", "float64"]),
        st.sampled_from([1, 2, 4, 8]),
        st.integers(1, 3),
    )
