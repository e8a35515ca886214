"""What must hold for any program, whatever its operations.

Its derivatives, and those through an inner step, are what differences say; to compute a part of it
in a checkpoint changes none of them; one run for T tasks is T runs for one; and in float32 they are
the same numbers with fewer digits. Each compares the engine with itself in another way, or with
values alone: so no program needs a known answer.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..core.grad import vjp
from ..core.tensor import Tensor
from ..ops.checkpoint import checkpoint
from .gradcheck import MODES, derivatives_report
from .kinks import Kink, crossed_kinks
from .point import Arrays
from .program import RandomProgram
from .refusals import Vacuous
from .report import Undecided

_SHORT = 3  # statements of a program that is checked to third order, and in mixed modes
CLOSE, _SINGLE = 1e-9, 1e-4  # how far equal numbers are in float64 and in float32
_LR = 0.01  # so small that an inner step hardly ever leaves a domain


def check_program(program: RandomProgram, order: int | None = None, seed: int = 0) -> str:
    """Check a program at its inputs; to third order if it is short, unless `order` says otherwise.

    Returns "checked", or why differences could not decide its derivatives: "at a kink", "undecided"
    (rounding hides them) or "constant". The rest is checked all the same.
    Raises AssertionError for what does not hold.
    """
    rng = np.random.default_rng(seed)
    count = len(program.statements)
    ends = rng.integers(0, count, 2, endpoint=True)
    start, stop = sorted(ends.tolist())
    inputs = list(program.inputs.values())
    f, xs = of_floats(program.__call__, inputs)
    us = [rng.normal(size=y.shape) for y in program()]
    vs = [rng.normal(size=x.shape) for x in xs]
    expected = _derivatives(f, xs, us, vs)

    forgetful, _ = of_floats(program.with_checkpoint(start, stop), inputs)
    found = _derivatives(forgetful, xs, us, vs)
    _assert_equal("a checkpoint changes the derivatives", found, expected, CLOSE)
    for t in range(program.tasks or 0):
        own_f, own_xs = of_floats(program.__call__, _of_task(t, inputs))
        found = _derivatives(own_f, own_xs, _of_task(t, us), _of_task(t, vs))
        _assert_equal(f"task {t} alone differs", found, _of_task(t, expected), CLOSE)
    single = program.astype(np.float32)
    if not crossed_kinks(lambda p: p(), (program,), (single,)):  # rounding may break a tie
        single_f, single_xs = of_floats(single.__call__, list(single.inputs.values()))
        found = _derivatives(single_f, single_xs, _in_float32(us), _in_float32(vs))
        _assert_equal("float32 differs", found, _in_float32(expected), _SINGLE)

    gradients = expected[len(us) : len(us) + len(xs)]
    if all(np.abs(g).max() < CLOSE for g in gradients):
        return "constant"  # a difference would compare nothing but rounding
    short = count <= _SHORT
    # Its pullback is asked in all ways once: as it is or after a step, which costs most by far.
    as_it_is = bool(rng.integers(2))
    highest = order or (3 if short else 2)
    outcome = _compare_with_differences(f, xs, highest, seed, consistency=as_it_is)
    if short and outcome == "checked":
        outcome = _compare_with_differences(f, xs, min(highest, 2), seed, MODES)
    adapted = _after_a_step(f, us)
    with np.errstate(all="ignore"):  # a step may lead out of the domain of a logarithm
        inside = all(np.isfinite(y.numpy()).all() for y in adapted(*xs))
    if outcome == "checked" and inside:
        outcome = _compare_with_differences(adapted, xs, 1, seed, consistency=not as_it_is)
    return outcome


def of_floats(f: Callable, inputs: Sequence[np.ndarray]) -> tuple[Callable, Arrays]:
    """(f as a function of the floating ones of its inputs, those), the others being as here."""
    places = [k for k, x in enumerate(inputs) if x.dtype.kind == "f"]

    def the_program(*xs: Tensor) -> tuple[Tensor, ...]:
        arguments: list = list(inputs)
        for k, x in zip(places, xs):
            arguments[k] = x
        return f(*arguments)

    return the_program, [inputs[k] for k in places]


def _of_task(t: int, arrays: Arrays) -> Arrays:
    return [x[t : t + 1] for x in arrays]


def _in_float32(arrays: Arrays) -> Arrays:
    return [x.astype(np.float32) for x in arrays]


def _after_a_step(f: Callable, us: Arrays) -> Callable:
    """`f` where one step down <u, f> leads: a derivative within what is differentiated."""

    def step(xs: list) -> list:
        _, pull = vjp(f, *xs)
        gradients = pull(tuple(us))
        return [x - _LR * g for x, g in zip(xs, gradients)]

    def the_program_after_a_step(*xs: Tensor) -> tuple[Tensor, ...]:
        return f(*checkpoint(step)(list(xs)))

    return the_program_after_a_step


def _derivatives(f: Callable, xs: Arrays, us: Arrays, vs: Arrays) -> Arrays:
    """f, J^T u, and the pullback of v through (x -> J^T u), one after another."""

    def gradient(*xs: Tensor) -> tuple:
        _, pull = vjp(f, *xs)
        return pull(tuple(us))

    first, pull_first = vjp(gradient, *xs)
    second = pull_first(tuple(vs))
    return [x.numpy() for x in (*f(*xs), *first, *second)]


def _compare_with_differences(
    f: Callable,
    xs: Arrays,
    order: int,
    seed: int,
    modes: Sequence[str] = ("rev",),
    consistency: bool = False,
) -> str:
    """Check as `check_grads` does; "checked", or why there is no verdict, which is no failure."""
    try:
        derivatives_report(f, tuple(xs), order, 1, modes, seed=seed, consistency=consistency)
    except Vacuous:  # a step may lead to where a relu is flat
        return "constant"
    except Kink:
        return "at a kink"
    except Undecided:
        return "undecided"
    return "checked"


def _assert_equal(what: str, found: Arrays, expected: Arrays, close: float) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, (
            f"{what}: {a.dtype}{a.shape} is not {b.dtype}{b.shape}"
        )
        error = np.abs(a - b).max()
        tolerance = close * (1 + np.abs(b).max())
        assert error <= tolerance, f"{what}: by {error:.1e}"
