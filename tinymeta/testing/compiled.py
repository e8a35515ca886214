"""Is a compiled function what it is eagerly, whatever it returns, in whatever chunks it is run?

The steps are those of steps.py; each is run three times, with other arguments, on one program.

    python -m tinymeta.testing.compiled --minutes 10 --seed 0
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import numpy as np

from ..core import tree
from ..core.tensor import Tensor
from ..jit import chunks as chunks_of
from ..jit.compile import jit
from .interpreted import without_compiling
from .kinks import crossed_kinks
from .steps import CAPTURED, Case, cases
from .survey import Survey, command

CLOSE = {"float64": 1e-9, "float32": 1e-3}  # how far compiled and eager values may be apart


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
    if case.dtype == "float32" and crossed_kinks(
        lambda p: p(), (case.program,), (case.program.astype(np.float32),)
    ):
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
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), (
            f"{path}: other bits, called again"
        )
    if case.threads > 1:
        with ThreadPoolExecutor(case.threads) as pool:
            for found, wanted in zip(
                pool.map(lambda args: compiled(*args), arguments * 2), expected * 2
            ):
                agree(found, wanted, CLOSE[case.dtype])
    return "checked"


def agree(found, expected, close: float) -> None:
    assert tree.paths(found) == tree.paths(expected), (
        f"the result has the leaves {tree.paths(found)}, eagerly {tree.paths(expected)}"
    )
    for path, a, b in zip(tree.paths(expected), tree.leaves(found), tree.leaves(expected)):
        same(path, a, b, close)


def same(path: str, found, expected, close: float) -> None:
    """One leaf: a Tensor for a Tensor or array, and anything else as it is."""
    if not isinstance(expected, (Tensor, np.ndarray)):
        assert type(found) is type(expected) and found == expected, (
            f"{path}: {found!r} should be {expected!r}"
        )
        return
    a, b = np.asarray(found), np.asarray(expected)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), (
        f"{path}: {a.dtype}{a.shape} should be {b.dtype}{b.shape}"
    )
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
    parser.add_argument(
        "--kernels",
        choices=["interpreted", "compiled"],
        default="interpreted",
        help="who runs generated kernels: Python, or the machine, which compiles "
        "each first (default interpreted)",
    )
    parser.add_argument("--steps", type=int, default=6, help="at most, of a program (default 6)")
    options = parser.parse_args(arguments)
    return survey(options.kernels, options.steps).run_for(options.minutes, options.seed)


if __name__ == "__main__":
    sys.exit(main())
