"""What must hold for any program, whatever its operations.

Its derivatives, and those through an inner step, are what differences tell; a part of it forgotten
in a checkpoint changes none of them, one run for T tasks is T runs for one, and in float32 they are
the same numbers with fewer digits.
"""

from collections.abc import Callable

import numpy as np

from ..core.grad import vjp
from ..ops.checkpoint import checkpoint
from .gradcheck import MODES, check_grads
from .kinks import Kink, crossed
from .program import Program
from .report import Undecided
from .subject import Vacuous

SHORT = 3  # lines that are checked to third order, or in mixed modes
CLOSE, SINGLE = 1e-9, 1e-4  # how far equal numbers are in float64 and in float32
LR = 0.01  # so small that an inner step hardly ever leaves a domain


def check_program(program: Program, order: int | None = None, seed: int = 0) -> str:
    """Check a program at its inputs; to third order if it is short, unless `order` says otherwise.

    Returns "checked", or why differences could not judge its derivatives: "at a kink", "undecided"
    (rounding hides them) or "constant". The rest is checked all the same.
    Raises AssertionError for what does not hold.
    """
    rng = np.random.default_rng(seed)
    start, stop = sorted(rng.integers(0, len(program.lines), 2, endpoint=True).tolist())
    inputs = list(program.inputs.values())
    f, xs = of_floats(program, inputs)
    us = [rng.normal(size=y.shape) for y in program()]
    vs = [rng.normal(size=x.shape) for x in xs]
    whole = derivatives(f, xs, us, vs)

    forgetful = of_floats(program.with_checkpoint(start, stop), inputs)
    agree("a checkpoint changes the derivatives", derivatives(*forgetful, us, vs), whole, CLOSE)
    for t in range(program.tasks or 0):
        of_task, us_t, vs_t = ([x[t : t + 1] for x in part] for part in (inputs, us, vs))
        alone = derivatives(*of_floats(program, of_task), us_t, vs_t)
        agree(f"task {t} alone differs", alone, [x[t : t + 1] for x in whole], CLOSE)
    single = program.astype(np.float32)
    if not crossed(lambda p: p(), (program,), (single,)):  # rounding may break a tie
        rounded = derivatives(
            *of_floats(single, list(single.inputs.values())),
            *([x.astype(np.float32) for x in part] for part in (us, vs)),
        )
        agree("float32 differs", rounded, [x.astype(np.float32) for x in whole], SINGLE)

    slopes = whole[len(us) : len(us) + len(xs)]
    if all(np.abs(g).max() < CLOSE for g in slopes):
        return "constant"  # a difference would judge nothing but rounding
    short = len(program.lines) <= SHORT
    outcome = judged(f, xs, order or (3 if short else 2), seed)
    if short and outcome == "checked":
        outcome = judged(f, xs, min(order or 2, 2), seed, MODES)
    adapted = after_a_step(f, us)
    with np.errstate(all="ignore"):  # a step may lead out of the domain of a logarithm
        inside = all(np.isfinite(y.numpy()).all() for y in adapted(*xs))
    return judged(adapted, xs, 1, seed) if outcome == "checked" and inside else outcome


def of_floats(program: Callable, inputs: list) -> tuple[Callable, list]:
    """The program as a function of its floating inputs, and those."""
    places = [k for k, x in enumerate(inputs) if x.dtype.kind == "f"]

    def the_program(*xs):
        full = list(inputs)
        for k, x in zip(places, xs):
            full[k] = x
        return program(*full)

    return the_program, [inputs[k] for k in places]


def after_a_step(f: Callable, us: list) -> Callable:
    """`f` where one step down <u, f> leads: a derivative within what is differentiated."""

    def step(xs):
        return [x - LR * g for x, g in zip(xs, vjp(f, *xs)[1](tuple(us)))]

    def the_program_after_a_step(*xs):
        return f(*checkpoint(step)(list(xs)))

    return the_program_after_a_step


def derivatives(f: Callable, xs: list, us: list, vs: list) -> list[np.ndarray]:
    """f, J^T u, and the pullback of v through (x -> J^T u)."""
    first, pull = vjp(lambda *xs: vjp(f, *xs)[1](tuple(us)), *xs)
    return [x.numpy() for x in (*f(*xs), *first, *pull(tuple(vs)))]


def judged(f: Callable, xs: list, order: int, seed: int, modes=("rev",)) -> str:
    """Compare with differences; what they cannot judge is no failure."""
    try:
        check_grads(f, *xs, order=order, n_dirs=1, modes=modes, seed=seed)
    except Vacuous:  # a step may lead to where a relu is flat
        return "constant"
    except Kink:
        return "at a kink"
    except Undecided:
        return "undecided"
    return "checked"


def agree(what: str, found: list, expected: list, close: float) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, (
            f"{what}: {a.dtype}{a.shape} is not {b.dtype}{b.shape}"
        )
        error = np.abs(a - b).max()
        assert error <= close * (1 + np.abs(b).max()), f"{what}: by {error:.1e}"
