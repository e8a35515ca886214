"""Does a compiled function return what it returns eagerly, whatever that is, in whatever chunks?

The functions are the random training steps of steps.py. Each is compiled once and called three
times, with other arguments.

    python -m tinymeta.testing.compiled --minutes 10 --seed 0
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np

from ..core import tree
from ..core.tensor import Tensor
from ..cpu import window_blocks
from ..jit import call_arrays, memory, outside, pieces, sliding, split, trace, window_rows
from ..jit import chunks as chunks_module
from ..jit.signatures import jit
from .interpreted import without_compiling
from .kinks import crossed_kinks
from .steps import CAPTURED, StepCase, step_cases
from .survey import Survey, command

# How far compiled and eager values may be apart, relative to 1 plus the largest of them.
CLOSE = {"float64": 1e-9, "float32": 1e-3}
_SPAN = 64  # bytes: the least by which values are aligned


@contextmanager
def in_chunks(chunks: int, threads: int) -> Iterator[None]:
    """Programs that are built in this block run in so many chunks, where they can be split,
    however little of their work that is."""
    with (
        patch.object(split, "LEAST_SHARE", 0.0),
        patch.multiple(
            chunks_module,
            WORTH_SPLITTING=-1.0,
            chunk_count=lambda split: chunks,
            cores=lambda: threads,
        ),
    ):
        yield


@contextmanager
def all_large() -> Iterator[None]:
    """In programs that are built in this block every array counts as large: arguments are read, and
    results written, where the caller has them; products take windows a few at a time; results are
    written over operands, a few bytes behind; values are packed; what is made of constants is
    computed in each call; and of a program that is run whole each step is cut into pieces."""
    with (
        patch.object(window_rows, "LARGE", -1),
        patch.multiple(window_blocks, BLOCK_BYTES=0, LEAST_ROWS=3),
        patch.multiple(memory, SPAN=_SPAN, WORTH_PACKING=0),
        patch.multiple(sliding, SPAN=_SPAN, WORTH_SLIDING=_SPAN + 1),
        patch.multiple(pieces, LEAST_SECONDS=1e-30, LEAST_ROWS=1, ROWS_OF_A_SUM=1),
        patch.object(outside, "OUTSIDE", 1),
        patch.object(call_arrays, "STAGED", 0),
        patch.object(trace, "SMALL", 0),
    ):
        yield


# ---- the check ----------------------------------------------------------------------------------


def eager_results(case: StepCase) -> list | None:
    """What the step of a case returns eagerly in three calls, the third like the first.

    None at a kink, where float32 rounds to its other side.
    """
    if case.dtype == "float32" and crossed_kinks(
        lambda p: p(), (case.program,), (case.program.astype(np.float32),)
    ):
        return None
    first, second = (case.step(CAPTURED)(*case.arguments(turn)) for turn in (0, 1))
    return [first, second, first]


def check_compiled(case: StepCase, expected: list | None = None) -> str:
    """The step of a case, compiled and eager: one tree, shapes, dtypes, values but for rounding.

    Called again with other values and dtypes, and by two threads at once; called twice, to the bit;
    and whatever happens to the results of before, or to the array that the step closes over.
    expected: its `eager_results`, where they are known. Returns "checked", or "at a kink" where
    there are none. Raises AssertionError, or what the compiler raises.
    """
    expected = expected or eager_results(case)
    if expected is None:
        return "at a kink"
    captured = CAPTURED.copy()
    arguments = [case.arguments(turn) for turn in (0, 1, 0)]
    close = CLOSE[case.dtype]
    large = all_large() if case.all_large else nullcontext()
    with in_chunks(case.chunks, case.threads), large:
        compiled_step: Any = jit(case.step(captured))
        compiled_step.prepare(*arguments[0])
        captured[:] = 99.0
        results = [compiled_step(*args) for args in arguments]
        for found, wanted in zip(results, expected):
            _check_tree(found, wanted, close)
        if case.chunks == case.order == 1:
            (other_dtype,) = CLOSE.keys() - {case.dtype}
            other = case.arguments(0, other_dtype)
            _check_tree(compiled_step(*other), case.step(captured)(*other), CLOSE["float32"])
    before, _, again = map(tree.leaves, results)
    for path, a, b in zip(tree.paths(results[0]), before, again):
        same_bits = np.asarray(a).tobytes() == np.asarray(b).tobytes()
        assert same_bits, f"{path}: other bits, called again"
    if case.threads > 1:
        with ThreadPoolExecutor(case.threads) as pool:
            twice = pool.map(lambda args: compiled_step(*args), arguments * 2)
            for found, wanted in zip(twice, expected * 2):
                _check_tree(found, wanted, close)
    return "checked"


def _check_tree(found: Any, expected: Any, close: float) -> None:
    """Two results have the same tree and, but for rounding, the same leaves."""
    assert tree.paths(found) == tree.paths(expected), (
        f"the result has the leaves {tree.paths(found)}, eagerly {tree.paths(expected)}"
    )
    for path, a, b in zip(tree.paths(expected), tree.leaves(found), tree.leaves(expected)):
        check_leaf(path, a, b, close)


def check_leaf(path: str, found: Any, expected: Any, close: float) -> None:
    """One leaf of two results: shape, dtype and values of arrays, and anything else as it is.

    Raises AssertionError.
    """
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
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        error = np.where(equal, 0, np.abs(a - b))
    largest = np.abs(b[np.isfinite(b)]).max(initial=0)
    assert error.max(initial=0) <= close * (1 + largest), f"{path}: {a} should be {b}"


# ---- as a program --------------------------------------------------------------------------------


def survey(kernels: str = "interpreted", steps: int = 6, shrink: bool = True) -> Survey:
    """A search for a step that is not the same when it is compiled; kernels: or "compiled"."""

    def check(case, seed):
        with without_compiling() if kernels == "interpreted" else nullcontext():
            return check_compiled(case)

    return Survey(step_cases(steps), check, shrink)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns 1 if a step failed."""
    parser = command("compiled", "Check that random steps are the same when they are compiled.")
    parser.add_argument(
        "--kernels",
        choices=["interpreted", "compiled"],
        default="interpreted",
        help="what runs generated kernels: Python, or the machine, which compiles "
        "each first (default interpreted)",
    )
    parser.add_argument("--steps", type=int, default=6, help="at most, of a program (default 6)")
    options = parser.parse_args(arguments)
    return survey(options.kernels, options.steps).run_for(options.minutes, options.seed)


if __name__ == "__main__":
    sys.exit(main())
