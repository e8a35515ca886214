"""Long inner loops in little memory: forget what steps recorded, run them again when needed.

    state_{k+1} = step(k, state_k),      k = 0 .. K - 1

An exact meta-gradient goes back through all steps, and for that the tape of each is held: memory
grows with K. Instead, only some states are kept, and the steps from one to the next are run once
more when the backward pass comes there (Griewank 1992; Chen et al. 2016). `remat` says which:

    remat       what is recorded again at once     states held          each step is run
    None        nothing: one tape of K steps       -                    once
    "steps"     a step                             K                    twice
    "sqrt"      a segment of sqrt(K) steps         sqrt(K)              twice
    "nested"    a step                             d K^(1/d)            d + 1 times

"sqrt" holds the tapes of sqrt(K) steps besides, the others that of one. "nested" has segments of
segments, d levels deep, with as few levels as make at most 32 parts of each: two up to 1,024 steps,
three up to 32,768. So it holds O(log K) states, and each step is run once more for each level.

Invariant: the same operations on the same values, and cotangents added up in the same order, so
the same bits as with None, but for the sign of a zero (compiled, to rounding). A step is a
function of its state, k and constants, and may close over tensors that are differentiated.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.checks import check_one_of
from ..core.grad import grad
from ..ops.checkpoint import checkpoint
from ..ops.mixed import mixed_grad

REMATS = ("steps", "sqrt", "nested")
MODES = ("reverse", "mixed")
_MOST_PARTS = 32  # of a segment, in nested ones


def check_remat(caller: str, remat: str | None, mode: str = "reverse", steps: int = 1) -> None:
    """Raise ValueError for another `remat` or `mode` than those above, or a `remat` of no steps."""
    check_one_of(caller, MODES, mode=mode)
    if remat is None:
        return
    check_one_of(caller, REMATS, remat=remat)
    if not steps:
        raise ValueError(
            f"{caller}: remat={remat!r} has no step to run again with steps=0: "
            "give at least 1, or leave remat out"
        )


def grad_of_mode(mode: str) -> Callable:
    """What takes the inner gradient."""
    return mixed_grad if mode == "mixed" else grad


def segment_lengths(steps: int, remat: str | None) -> tuple[int, ...]:
    """The steps in a segment of each level, outermost first; none where nothing is forgotten."""
    if remat is None or not steps:
        return ()
    if remat == "steps":
        return (1,)
    if remat == "sqrt":
        return (_root(steps, 2),)
    levels = 1
    while _MOST_PARTS**levels < steps:
        levels += 1
    parts = _root(steps, levels)
    return tuple(parts**level for level in reversed(range(levels)))


def run_steps(step: Callable, state: Any, steps: int, remat: str | None = None) -> Any:
    """The state after `steps` steps, `step(k, state) -> state`, a tree of tensors."""
    return _run_between(step, segment_lengths(steps, remat), 0, steps, state)


def segment_edges(start: int, stop: int, length: int) -> list[tuple[int, int]]:
    """The segments of at most `length` steps from `start` to `stop`."""
    return [(begin, min(begin + length, stop)) for begin in range(start, stop, length)]


def _run_between(
    step: Callable, lengths: tuple[int, ...], start: int, stop: int, state: Any
) -> Any:
    """The steps from `start` to `stop`, in checkpointed segments of these lengths."""
    if not lengths:
        for k in range(start, stop):
            state = step(k, state)
        return state
    longest, *shorter = lengths
    for begin, end in segment_edges(start, stop, longest):
        segment = partial(_run_between, step, tuple(shorter), begin, end)
        state = checkpoint(segment)(state)
    return state


def _root(n: int, degree: int) -> int:
    """The least whole number whose power is n or more."""
    root = 1
    while root**degree < n:
        root += 1
    return root
