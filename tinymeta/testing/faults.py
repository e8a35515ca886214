"""Mutation testing of `check_grads`: break every derivative rule, one fault at a time, and look.

A mutant is an operation with one fault in one rule (mutation.py). `check_grads`, on the cases that
the strategy of the operation draws, has to fail for each; a survivor shows a case never drawn, or a
check that cannot fail (DeMillo, Lipton & Sayward 1978).

    python -m tinymeta.testing.faults [operation ...]

Without an operation all of them, and the faults in the compiler's passes (passfaults.py) and in
kernels (kernelfaults.py), too.
"""

import argparse
from functools import cache
from itertools import groupby
from typing import Any

from ..core.primitive import Primitive, registry
from .cases import Case
from .gradcheck import check_grads
from .mutation import (
    EXCHANGED,
    HISTORY,
    TERMS,
    VALUES,
    Mutant,
    cases_of,
    mutants,
    planted,
    shows_on,
)
from .refusals import Vacuous

EXAMPLES = 20  # the budget within which a fault has to be detected

# ---- are they detected? --------------------------------------------------------------------------


def _complaint(op: Primitive, case: Case, order: int, seed: int) -> Exception | None:
    """The exception of check_grads on a case, if any: an AssertionError, or that of a bad shape."""

    def f(*xs: Any) -> Any:
        return op(*xs, **case.static)

    try:
        check_grads(f, *case.inputs, order=order, n_dirs=1, seed=seed)
    except Vacuous:  # such as an empty array, which no fault can show on
        return None
    except Exception as error:
        return error
    return None


def survivors(op: Primitive | str, *, examples: int = EXAMPLES, order: int = 2) -> list[Mutant]:
    """The mutants that `check_grads` takes for right on all of so many cases of the strategy.

    One with a rule that does not read an argument is the operation itself when that is stopped.
    Costs a check or a few for each mutant that is detected, `examples` for most survivors.
    Raises what the check raises for the rules as they are, on a case where a mutant is detected.
    """
    op = registry[op] if isinstance(op, str) else op
    cases = cases_of(op, examples)

    @cache
    def right_complaint(k: int) -> Exception | None:
        return _complaint(op, cases[k], order, k)

    def is_detected(mutant: Mutant) -> bool:
        for k, case in enumerate(cases):
            if not shows_on(mutant, case):
                continue
            with planted(mutant):
                error = _complaint(op, case, order, k)
            if error is None:
                continue
            of_right = right_complaint(k)
            if of_right is not None:
                raise of_right
            return True
        return False

    return [mutant for mutant in mutants(op) if not is_detected(mutant)]


# ---- as a program --------------------------------------------------------------------------------


def table(planted: list[Mutant], alive: list[Mutant]) -> str:
    """How many of each fault were planted and detected."""
    lines = [f"{'fault':24}{'planted':>9}{'detected':>9}"]
    for fault in (*VALUES, *TERMS, EXCHANGED, *HISTORY):
        count = sum(mutant.fault == fault for mutant in planted)
        left = sum(mutant.fault == fault for mutant in alive)
        lines.append(f"{fault:24}{count:9}{count - left:9}")
    return "\n".join([*lines, f"{'together':24}{len(planted):9}{len(planted) - len(alive):9}"])


def differentiable() -> list[str]:
    """The operations of the registry that have a rule."""
    return sorted(name for name, op in registry.items() if callable(op.vjps) or any(op.vjps))


def _print_tables(names: list[str]) -> None:
    """The faults in the rules of these operations; without names all rules, passes and kernels."""
    every, alive = [], []
    for name in names or differentiable():
        every += mutants(name)
        alive += survivors(name)
    print(table(every, alive))
    print("not detected (to stop what a rule does not read is no fault):")
    for name, group in groupby(alive, lambda mutant: mutant.op):
        print(f"    {name}: " + ", ".join(f"rule {m.rule} {m.fault}" for m in group), flush=True)
    if not names:
        from . import kernelfaults, passfaults  # only when asked for

        print(f"\n{kernelfaults.table()}\n", flush=True)
        print(passfaults.table())


def main(arguments: list[str] | None = None) -> None:
    """Print the tables of the operations that are named, or of everything; arguments: words."""
    parser = argparse.ArgumentParser(
        prog="python -m tinymeta.testing.faults",
        description="Plant faults, and list what is not seen.",
    )
    parser.add_argument(
        "operations",
        nargs="*",
        metavar="operation",
        help="whose rules (default: all, kernels, passes)",
    )
    names = parser.parse_args(arguments).operations
    unknown = sorted({*names} - {*differentiable()})
    if unknown:
        parser.error(f"{', '.join(unknown)}: no operation with a derivative rule has that name")
    _print_tables(names)


if __name__ == "__main__":
    main()
