"""What must hold for any program, whatever its operations.

Its derivatives are those that differences tell; forgetting a part of it in a checkpoint changes
none of them; and one run for T tasks is T runs for one.
"""

from collections.abc import Callable

import numpy as np

from ..core.grad import vjp
from .gradcheck import check_grads
from .program import Program

SHORT, CLOSE = 3, 1e-9          # lines that are checked to third order; how far equal numbers are


def check_program(program: Program, order: int | None = None, seed: int = 0) -> str:
    """Check a program at its inputs; to third order if it is short, unless `order` says otherwise.

    Returns "checked", or why differences could not judge its derivatives: "at a kink", "undecided"
    (rounding hides them) or "constant". The rest is checked all the same.
    Raises AssertionError for what does not hold.
    """
    rng = np.random.default_rng(seed)
    start, stop = sorted(rng.integers(0, len(program.lines), 2, endpoint=True).tolist())
    floats = [x for x in program.inputs.values() if x.dtype.kind == "f"]
    us = [rng.normal(size=y.shape) for y in program()]
    vs = [rng.normal(size=x.shape) for x in floats]
    inputs = list(program.inputs.values())
    whole = derivatives(program, inputs, us, vs)
    agree("a checkpoint changes the derivatives",
          derivatives(program.with_checkpoint(start, stop), inputs, us, vs), whole)
    for t in range(program.tasks or 0):
        one = [[x[t:t + 1] for x in xs] for xs in (inputs, us, vs)]
        agree(f"task {t} alone differs", derivatives(program, *one), [x[t:t + 1] for x in whole])
    slopes = whole[len(us):len(us) + len(floats)]
    if all(np.abs(g).max() < CLOSE for g in slopes):
        return "constant"               # a difference would judge nothing but rounding
    return judged(program, order or (3 if len(program.lines) <= SHORT else 2), seed)


def judged(program: Program, order: int, seed: int) -> str:
    """Compare with differences; what they cannot judge is no failure."""
    def the_program(*inputs):
        return program(*inputs)

    try:
        check_grads(the_program, *program.inputs.values(), order=order, n_dirs=1, seed=seed)
    except AssertionError as error:
        if "kinks between the points" in str(error):
            return "at a kink"
        if "cannot be decided" in str(error):
            return "undecided"
        raise
    return "checked"


def derivatives(f: Callable, inputs: list, us: list, vs: list) -> list[np.ndarray]:
    """f, J^T u, and the pullback of v through (x -> J^T u)."""
    places = [k for k, x in enumerate(inputs) if x.dtype.kind == "f"]

    def of_floats(*xs):
        full = list(inputs)
        for k, x in zip(places, xs):
            full[k] = x
        return f(*full)

    def slopes(*xs):
        return vjp(of_floats, *xs)[1](tuple(us))

    ys, xs = of_floats(*(inputs[k] for k in places)), [inputs[k] for k in places]
    first, pull = vjp(slopes, *xs)
    return [x.numpy() for x in (*ys, *first, *pull(tuple(vs)))]


def agree(what: str, found: list, expected: list) -> None:
    for a, b in zip(found, expected, strict=True):
        error = np.abs(a - b).max()
        assert error <= CLOSE * (1 + np.abs(b).max()), f"{what}: by {error:.1e}"
