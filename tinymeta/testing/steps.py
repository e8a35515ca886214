"""Random training steps, to be compiled, and what each returns.

A step is a random program with weights that all tasks share, a number that changes from call to
call, and an array that it closes over. Its result is a random tree of values that it has: its
arguments, intermediate values, a value for each task, sums over the tasks and what is computed from
them, gradients to third order, ints and bools, constants, nothing.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from .. import ops
from ..core import tree
from ..core.grad import grad, value_and_grad
from ..core.tensor import asarray
from .program import RandomProgram, run_statements
from .programs import programs
from .step_values import (
    cast_twice,
    extremes,
    gradient_of_slices,
    integers,
    not_finite,
    packed_and_cut,
    views,
    with_gaps,
)

CAPTURED = np.array([0.5, -1.5, 2.0])


class Pair(NamedTuple):
    """A NamedTuple, for a node of a result that is not a plain tuple."""

    first: Any
    second: Any


class StepCase(NamedTuple):
    """A step to compile: its program, the tree of what it returns, and how it is run."""

    program: RandomProgram
    result: Any  # a tree whose leaves name values, such as "gradient 1", the one at index 1
    order: int  # of the highest derivative
    dtype: str
    chunks: int
    threads: int
    all_large: bool  # are its arrays treated as the large ones are, in pieces?

    def arguments(self, turn: int = 0, dtype: str | None = None) -> tuple:
        """(weights and moments, number, inputs); turn: another order of the tasks, another number.

        A moment is shaped like its weight; both may be as long as the tasks by chance. In odd turns
        there are gaps between the rows of arrays.
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
        if turn % 2:
            xs, weights, moments = (list(map(with_gaps, part)) for part in (xs, weights, moments))
        return {"w": weights, "m": moments}, 0.3 * (turn + 1), xs

    def step(self, captured: np.ndarray) -> Callable:
        """The function to compile; it closes over `captured`."""

        def the_step(weights, number, xs):
            makers = self.makers(weights["w"], weights["m"], number, xs, captured)
            # Arguments, too: they are returned where there is no value of a kind.
            kinds = {_kind(pick) for pick in tree.leaves(self.result)} | {"argument"}
            values = {kind: makers[kind]() for kind in sorted(kinds)}
            return tree.map(lambda pick: _picked(values, pick), self.result)

        return the_step

    def makers(
        self, ws: list, moments: list, number: Any, xs: list, captured: np.ndarray
    ) -> dict[str, Callable[[], list]]:
        """By kind, what makes the values of that kind that a step may return.

        Those that it does not return are not made, but for others of the same kind: most of the
        time of a search would go into them.
        """
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

        @cache
        def derivatives() -> list:
            """((loss, values), gradients) for each order."""
            losses = [loss]
            for _ in range(self.order - 1):
                losses.append(squared_gradient(losses[-1]))
            return [value_and_grad(loss, has_aux=True)(ws) for loss in losses]

        def gradients() -> list:
            return [g for _, grads in derivatives() for g in grads]

        @cache
        def sums() -> list:
            return [ops.sum(y, 0) for y in floats if y.ndim]

        values = list(loss(ws)[1].values())
        floats = [y for y in values if y.dtype.kind == "f"]
        return {
            "argument": lambda: [*xs, *ws, *moments, number],
            "value": lambda: values,
            "gradient": gradients,
            "loss": lambda: [value for (value, _), _ in derivatives()],
            "updated": lambda: [
                w - number * g for _, grads in derivatives() for w, g in zip(ws, grads)
            ],
            "moment": lambda: [
                0.9 * m + 0.1 * g for _, grads in derivatives() for m, g in zip(moments, grads)
            ],
            "each": lambda: [ops.sum(y, tuple(range(1, y.ndim))) for y in floats if y.ndim],
            "total": sums,
            "after": lambda: [ops.tanh(total) * number for total in sums()],
            "before": lambda: [
                captured * number,
                ops.sum(captured * number),
                *(ops.exp(w) for w in ws),
            ],
            "constant": lambda: [asarray(captured), captured, 2.5, True, "a word"],
            "number": lambda: [number, number * 2, 1 - number],
            "view": lambda: [v for y in [*floats, *gradients()] for v in views(asarray(y))],
            "cast": lambda: [cast_twice(y) for y in floats],
            "joined": lambda: packed_and_cut(floats) + packed_and_cut(gradients()),
            "slices": lambda: [v for y in floats if y.ndim for v in gradient_of_slices(asarray(y))],
            "choice": lambda: [choice for x in xs for choice in integers(asarray(x))],
            "special": lambda: not_finite(number),
            "extreme": lambda: [y for x in xs for y in extremes(asarray(x))],
        }

    def __str__(self) -> str:
        return (
            f"{self.program}\nresult: {self.result}\norder {self.order}, {self.dtype}, "
            f"{self.chunks} chunks on {self.threads} threads"
            f"{', in pieces' if self.all_large else ''}"
        )

    def __repr__(self) -> str:  # what hypothesis prints
        return str(self)


def _kind(pick: str) -> str:
    """Of "total 3" the kind, "total"."""
    return pick.split()[0]


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


# ---- which results, which chunks ----------------------------------------------------------------

_KINDS = (  # of `StepCase.makers`, some twice: they are drawn more often
    "argument view view gradient moment joined joined choice choice slices extreme special after "
    "updated value before total cast each loss number constant"
).split()
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

_TASKS = (None, 2, 2, 3, 3)
_OF_IMAGES = ["conv2d", "conv2d", "conv_input", "conv_weight", "tanh", "mul", "add", "swapaxes"]
_OF_MATRICES = ["tanh", "sin", "mul", "matmul", "matmul", "transpose", "swapaxes", "flip"]


def _cases(steps: st.SearchStrategy, dtypes: list[str], large: st.SearchStrategy) -> Any:
    results = st.lists(_results, min_size=2, max_size=4)
    orders, chunks = st.sampled_from([1, 1, 2, 3]), st.sampled_from([1, 2, 4, 8, 2, 4])
    dtype, threads = st.sampled_from(dtypes), st.sampled_from([1, 2, 3, 2, 3])
    return st.builds(StepCase, steps, results, orders, dtype, chunks, threads, large)


def step_cases(max_steps: int = 6) -> st.SearchStrategy[StepCase]:
    """Steps to compile; they shrink to one operation and one leaf, in one chunk.

    One in three is of operations whose large arrays are not as others: windows that are not stored,
    results over operands, weights to which several images of one task add. Of all operations these
    would hardly ever be drawn together.
    """
    dtypes, large = ["float32", "float64"], st.just(True)
    any_case = _cases(programs(max_steps, _TASKS), dtypes, st.booleans())
    images = _cases(programs(4, _TASKS, _OF_IMAGES, [(1, 3, 4, 2)]), ["float32"], large)
    matrices = _cases(programs(6, _TASKS, _OF_MATRICES, [(4, 4), (3, 4)]), dtypes, large)
    no_tasks = _cases(programs(4, (None,), _OF_IMAGES, [(3, 3, 4, 2)]), ["float32"], large)
    return st.one_of(*[any_case] * 6, images, no_tasks, matrices)
