"""Is a compiled function what it is eagerly, whatever it returns, in whatever chunks it is run?

A random program is a part of a training step here: weights that all tasks share, a number that
changes from call to call, an array that it closes over. Its result is a random tree of all that
such a step knows: inputs as they came, values on the way, something of each task, sums over the
tasks and what is made of them, gradients to third order, ints and bools, constants, nothing.

    python -m tinymeta.testing.compiled --minutes 10 --seed 0
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from hypothesis import strategies as st

from .. import ops
from ..core import tree
from ..core.grad import grad, value_and_grad
from ..core.tensor import Tensor, asarray
from ..jit import chunks as chunks_of
from ..jit.compile import jit
from .interpreted import without_compiling
from .kinks import crossed
from .program import Program, run
from .programs import programs
from .survey import Survey, command

CLOSE = {"float64": 1e-9, "float32": 1e-3}      # how far compiled and eager values may be apart
CAPTURED = np.array([0.5, -1.5, 2.0])


class Pair(NamedTuple):
    """A node of a result that is no plain tuple."""
    first: object
    second: object


class Case(NamedTuple):
    """A step to compile: the program in it, the tree of what it returns, and how it is run."""
    program: Program
    result: object                  # a tree whose leaves say which of `known` stands there
    order: int                      # of the highest derivative
    dtype: str
    chunks: int
    threads: int

    def arguments(self, turn: int = 0, dtype: str | None = None) -> tuple:
        """(weights, number, inputs); turn: the tasks in another order, the other values others."""
        dtype = dtype or self.dtype
        xs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in self.program.inputs.values()]
        if self.program.tasks:
            xs = [np.roll(x, turn, 0) for x in xs]
        weights = [np.ones(x.shape[1:] if self.program.tasks else (), dtype)
                   for x in xs if x.dtype.kind == "f"]
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
            "argument": [*xs, *ws, number], "value": values, "gradient": gradients,
            "loss": [value for (value, _), _ in found],
            "updated": [w - number * g for _, grads in found for w, g in zip(ws, grads)],
            "each": [ops.sum(y, tuple(range(1, y.ndim))) for y in floats if y.ndim],
            "total": totals, "after": [ops.tanh(total) * number for total in totals],
            "before": [captured * number, ops.sum(captured * number), *(ops.exp(w) for w in ws)],
            "constant": [asarray(captured), captured, 2.5, True, "a word"],
            "number": [number, number * 2, 1 - number],
            "view": [v for y in [*floats, *gradients] for v in views(asarray(y))],
            "cast": [ops.astype(ops.astype(y, np.float32) * 3.0, np.float64) for y in floats],
            "choice": [choice for x in xs for choice in choices(asarray(x))]}

    def __str__(self):
        return (f"{self.program}\nresult: {self.result}\norder {self.order}, {self.dtype}, "
                f"{self.chunks} chunks on {self.threads} threads")

    __repr__ = __str__


def chosen(known: dict, pick: str):
    """ "total 3" is the third of the totals, counted round and round."""
    name, number = pick.split()
    values = known[name] or known["argument"]
    return values[int(number) % len(values)]


def moved(weights: list, xs: list) -> list:
    """The inputs, each float times the square of its weight, which is 1."""
    ws = iter(weights)
    return [asarray(x) * ops.square(next(ws)) if np.dtype(x.dtype).kind == "f" else asarray(x)
            for x in xs]


def views(y: Tensor) -> list:
    """What lies in memory in another order, or is only a part of what lies there, or repeated."""
    spread = ops.broadcast_to(y, (2, *y.shape))
    found = [ops.sum(spread, 0), spread * 1.5]
    if y.ndim:
        found += [ops.flip(y, -1), y[..., ::2], ops.flip(y, 0), y[1:], ops.reshape(ops.flip(y, -1), -1)]
    if y.ndim > 1:
        found += [ops.swapaxes(y, -1, -2), ops.reshape(ops.swapaxes(y, -1, -2) * 2.0, -1),
                  ops.moveaxis(ops.transpose(y), 0, 1), ops.swapaxes(y, 0, -1) @ y[..., :1] * 0.5
                  if y.ndim == 2 else ops.transpose(ops.moveaxis(y, 0, -1))]
    return found


def choices(x: Tensor) -> list:
    """Ints and bools, exact in any dtype."""
    mask = x > 0.3
    small = ops.astype(mask, np.uint8) * 200
    found = [mask, small + small, ops.astype(small + small, np.float32), ops.sum(mask),
             ops.astype(mask, np.int32) - 3]
    return [*found, ops.argmax(x, -1), ops.sum(mask, 0)] if x.ndim else found


# ---- which results, which chunks ----------------------------------------------------------------

NAMES = ["argument", "view", "gradient", "choice", "after", "updated", "value", "before", "total",
         "cast", "each", "loss", "number", "constant"]
picks = st.builds("{} {}".format, st.sampled_from(NAMES), st.integers(0, 99))
results = st.recursive(st.one_of(picks, picks, picks, st.none()), lambda inner: st.one_of(
    st.lists(inner, max_size=4), st.lists(inner, min_size=1, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["loss", "w", "accuracy", "b"]), inner, max_size=3),
    st.builds(Pair, inner, inner), inner.map(lambda x: [x, x])), max_leaves=10)


def cases(max_steps: int = 6) -> st.SearchStrategy[Case]:
    """Steps to compile; they shrink to one line and one leaf, in one chunk."""
    return st.builds(Case, programs(max_steps, tasks=(None, 2, 3, 3)), st.lists(results, min_size=2, max_size=4),
                     st.sampled_from([1, 1, 2, 3]), st.sampled_from(sorted(CLOSE)),
                     st.integers(1, 3), st.integers(1, 3))


@contextmanager
def cut(chunks: int, threads: int):
    """Programs that are made ready in this block run in so many chunks, where they can be split."""
    def edges(tasks, size, threads):
        count = min(chunks, tasks)
        return [tasks * k // count for k in range(count + 1)] if count > 1 else [0, tasks]

    with patch.multiple(chunks_of, WORTH=-1.0, edges=edges, cores=lambda: threads):
        yield


# ---- the check ----------------------------------------------------------------------------------

def check_compiled(case: Case) -> str:
    """The step of a case, compiled and eager: one tree, shapes, dtypes, values but for rounding.

    Called again with other values and dtypes, and by two threads at once; called twice, to the bit;
    and whatever happens to the results of before, or to the array that the step closes over.
    Returns "checked", or "at a kink" where float32 rounds to its other side. Raises AssertionError,
    or what the compiler raises.
    """
    if case.dtype == "float32" and crossed(
            lambda p: p(), (case.program,), (case.program.astype(np.float32),)):
        return "at a kink"
    captured, turns = CAPTURED.copy(), (0, 1, 0)
    arguments = [case.arguments(turn) for turn in turns]
    expected = [case.step(CAPTURED)(*args) for args in arguments]
    with cut(case.chunks, case.threads):
        compiled = jit(case.step(captured))
        compiled.prepare(*arguments[0])
        captured[:] = 99.0
        results = [compiled(*args) for args in arguments]
        if case.chunks == case.order == 1:
            other = case.arguments(0, *(CLOSE.keys() - {case.dtype}))
            agree(compiled(*other), case.step(captured)(*other), CLOSE["float32"])
    for found, wanted in zip(results, expected):
        agree(found, wanted, CLOSE[case.dtype])
    for path, a, b in zip(tree.paths(results[0]), *map(tree.leaves, results[::2])):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), f"{path}: other bits, called again"
    if case.threads > 1:
        with ThreadPoolExecutor(case.threads) as pool:
            for found, wanted in zip(pool.map(lambda args: compiled(*args), arguments * 2),
                                     expected * 2):
                agree(found, wanted, CLOSE[case.dtype])
    return "checked"


def agree(found, expected, close: float) -> None:
    assert tree.paths(found) == tree.paths(expected), \
        f"the result has the leaves {tree.paths(found)}, eagerly {tree.paths(expected)}"
    for path, a, b in zip(tree.paths(expected), tree.leaves(found), tree.leaves(expected)):
        same(path, a, b, close)


def same(path: str, found, expected, close: float) -> None:
    """One leaf: a Tensor for a Tensor or array, and anything else as it is."""
    if not isinstance(expected, (Tensor, np.ndarray)):
        assert type(found) is type(expected) and found == expected, \
            f"{path}: {found!r} should be {expected!r}"
        return
    a, b = np.asarray(found), np.asarray(expected)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), \
        f"{path}: {a.dtype}{a.shape} should be {b.dtype}{b.shape}"
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(a, b, path)
        return
    with np.errstate(invalid="ignore"):
        error = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b))
    largest = np.abs(b[np.isfinite(b)]).max(initial=0)
    assert error.max(initial=0) <= close * (1 + largest), f"{path}: {a} should be {b}"


# ---- as a program --------------------------------------------------------------------------------

def survey(kernels: str = "interpreted", steps: int = 6, shrink: bool = True) -> Survey:
    """A search for a step that is not the same when it is compiled; kernels: or "compiled"."""
    def check(case, seed):
        with without_compiling() if kernels == "interpreted" else nullcontext():
            return check_compiled(case)

    return Survey(cases(steps), check, shrink)


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if a step failed."""
    parser = command("compiled", "Check that random steps are the same when they are compiled.")
    parser.add_argument("--kernels", choices=["interpreted", "compiled"], default="interpreted",
                        help="who runs generated kernels: Python, or the machine, which compiles "
                        "each first (default interpreted)")
    parser.add_argument("--steps", type=int, default=6, help="at most, of a program (default 6)")
    options = parser.parse_args(arguments)
    return survey(options.kernels, options.steps).go_on(options.minutes, options.seed)


if __name__ == "__main__":
    sys.exit(main())
