"""Random training steps, to be compiled, and what each returns.

A random program is a part of the step: weights that all tasks share, a number that changes from
call to call, an array that it closes over. Its result is a random tree of all that it knows: inputs
as they came, values on the way, something of each task, sums over the tasks and what is made of
them, gradients to third order, ints and bools, constants, nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from .. import ops
from ..core import tree
from ..core.grad import grad, value_and_grad
from ..core.tensor import Tensor, asarray
from .program import Program, run
from .programs import programs

CAPTURED = np.array([0.5, -1.5, 2.0])


class Pair(NamedTuple):
    """A node of a result that is no plain tuple."""

    first: object
    second: object


class StepCase(NamedTuple):
    """A step to compile: the program in it, the tree of what it returns, and how it is run."""

    program: Program
    result: object  # a tree whose leaves say which of `known` stands there
    order: int  # of the highest derivative
    dtype: str
    chunks: int
    threads: int

    def arguments(self, turn: int = 0, dtype: str | None = None) -> tuple:
        """(weights, number, inputs); turn: the tasks in another order, the other values others."""
        dtype = dtype or self.dtype
        xs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in self.program.inputs.values()]
        if self.program.tasks:
            xs = [np.roll(x, turn, 0) for x in xs]
        weights = [
            np.ones(x.shape[1:] if self.program.tasks else (), dtype)
            for x in xs
            if x.dtype.kind == "f"
        ]
        return {"w": weights}, 0.3 * (turn + 1), xs

    def step(self, captured: np.ndarray) -> Callable:
        """What is compiled, and closes over an array."""

        def the_step(weights, number, xs):
            known = self.known(weights["w"], number, xs, captured)
            return tree.map(lambda pick: chosen(known, pick), self.result)

        return the_step

    def known(self, ws: list, number, xs: list, captured: np.ndarray) -> dict[str, list]:
        """All that a step knows, in lists by kind."""
        program = self.program.astype(np.dtype(ws[0].dtype))

        def loss(ws):
            values = run(program.lines, dict(zip(program.inputs, moved(ws, xs))))
            floats = [y for y in program.returned(values) if y.dtype.kind == "f"]
            return sum(ops.sum(y * 0.5) for y in floats), values

        def slope(loss):
            def sloped(ws):
                grads, values = grad(loss, has_aux=True)(ws)
                return sum(ops.sum(ops.square(g)) for g in grads), values

            return sloped

        losses = [loss]
        for _ in range(self.order - 1):
            losses.append(slope(losses[-1]))
        found = [value_and_grad(loss, has_aux=True)(ws) for loss in losses]
        values = list(found[0][0][1].values())
        floats = [y for y in values if y.dtype.kind == "f"]
        gradients = [g for _, grads in found for g in grads]
        totals = [ops.sum(y, 0) for y in floats if y.ndim]
        return {
            "argument": [*xs, *ws, number],
            "value": values,
            "gradient": gradients,
            "loss": [value for (value, _), _ in found],
            "updated": [w - number * g for _, grads in found for w, g in zip(ws, grads)],
            "each": [ops.sum(y, tuple(range(1, y.ndim))) for y in floats if y.ndim],
            "total": totals,
            "after": [ops.tanh(total) * number for total in totals],
            "before": [captured * number, ops.sum(captured * number), *(ops.exp(w) for w in ws)],
            "constant": [asarray(captured), captured, 2.5, True, "a word"],
            "number": [number, number * 2, 1 - number],
            "view": [v for y in [*floats, *gradients] for v in views(asarray(y))],
            "cast": [ops.astype(ops.astype(y, np.float32) * 3.0, np.float64) for y in floats],
            "choice": [choice for x in xs for choice in choices(asarray(x))],
        }

    def __str__(self):
        return (
            f"{self.program}\nresult: {self.result}\norder {self.order}, {self.dtype}, "
            f"{self.chunks} chunks on {self.threads} threads"
        )

    __repr__ = __str__


def chosen(known: dict, pick: str):
    """ "total 3" is the third of the totals, counted round and round."""
    name, number = pick.split()
    values = known[name] or known["argument"]
    return values[int(number) % len(values)]


def moved(weights: list, xs: list) -> list:
    """The inputs, each float times the square of its weight, which is 1."""
    ws = iter(weights)
    return [
        asarray(x) * ops.square(next(ws)) if np.dtype(x.dtype).kind == "f" else asarray(x)
        for x in xs
    ]


def views(y: Tensor) -> list:
    """What lies in memory in another order, or is only a part of what lies there, or repeated."""
    spread = ops.broadcast_to(y, (2, *y.shape))
    found = [ops.sum(spread, 0), spread * 1.5]
    if y.ndim:
        found += [
            ops.flip(y, -1),
            y[..., ::2],
            ops.flip(y, 0),
            y[1:],
            ops.reshape(ops.flip(y, -1), -1),
        ]
    if y.ndim > 1:
        found += [
            ops.swapaxes(y, -1, -2),
            ops.reshape(ops.swapaxes(y, -1, -2) * 2.0, -1),
            ops.moveaxis(ops.transpose(y), 0, 1),
            ops.swapaxes(y, 0, -1) @ y[..., :1] * 0.5
            if y.ndim == 2
            else ops.transpose(ops.moveaxis(y, 0, -1)),
        ]
    return found


def choices(x: Tensor) -> list:
    """Ints and bools, exact in any dtype."""
    mask = x > 0.3
    small = ops.astype(mask, np.uint8) * 200
    found = [
        mask,
        small + small,
        ops.astype(small + small, np.float32),
        ops.sum(mask),
        ops.astype(mask, np.int32) - 3,
    ]
    return [*found, ops.argmax(x, -1), ops.sum(mask, 0)] if x.ndim else found


# ---- which results, which chunks ----------------------------------------------------------------

NAMES = [
    "argument",
    "view",
    "gradient",
    "choice",
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
picks = st.builds("{} {}".format, st.sampled_from(NAMES), st.integers(0, 99))
results = st.recursive(
    st.one_of(picks, picks, picks, st.none()),
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
    """Steps to compile; they shrink to one line and one leaf, in one chunk."""
    return st.builds(
        StepCase,
        programs(max_steps, tasks=(None, 2, 3, 3)),
        st.lists(results, min_size=2, max_size=4),
        st.sampled_from([1, 1, 2, 3]),
        st.sampled_from(["float32", "float64"]),
        st.integers(1, 3),
        st.integers(1, 3),
    )
