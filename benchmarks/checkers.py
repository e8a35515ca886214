"""Which checker of gradients finds which mistakes: ours beside those of PyTorch, JAX and autograd.

    python -m benchmarks.checkers                      needs: pip install 'tinymeta[peers,test]'
    python -m benchmarks.checkers --only torch --out benchmarks/results/checkers.md

Every case (checker_cases.py, checker_cases_after.py) is made a function of each framework
(checker_frameworks.py) and given to that framework's checker and to `check_grads`, in reverse mode
and to second order, all else by default. Found: the checker raises on a fault. False alarm: it
raises on a right function. No verdict: ours says `Kink` or `Undecided`. Times are CPU time of this
process, at the second call: the first imports and compiles.
"""

import argparse
import importlib.metadata
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinymeta.system import disk
from tinymeta.testing import Kink, Undecided, Vacuous

from . import checker_cases as before
from . import checker_cases_after as after
from .checker_cases import Case
from .checker_frameworks import MAKERS, Checker
from .timing import machine


class Verdict(NamedTuple):
    """What a checker said of a case."""

    said: str  # "right", "wrong" or "no verdict"
    seconds: float
    text: str = ""  # of its error


def inputs_of(case: Case, number: int) -> list[np.ndarray]:
    """Its arrays; what is given as a shape is drawn, the same at every run."""
    rng = np.random.default_rng(number)
    return [rng.normal(size=x) if isinstance(x, tuple) else np.array(x) for x in case.inputs]


def verdict(checker: Checker, f: Callable, xs: list) -> Verdict:
    """What the checker says of `f` at xs, and how long it takes the second time."""
    for _ in range(2):  # the first time a framework imports and compiles what it needs
        np.random.seed(0)  # by which autograd's checker draws: another seed, another false alarm
        start = time.process_time()
        said, text = "right", ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                checker.check(f, xs)
        except (Kink, Undecided, Vacuous) as error:
            said, text = "no verdict", str(error)
        except Exception as error:
            said, text = "wrong", f"{type(error).__name__}: {error}"
    return Verdict(said, time.process_time() - start, text)


def judged(framework: str, cases: list[Case]) -> dict[str, list[tuple[Case, Verdict]]]:
    """By checker of a framework: what it said of each case that the framework can express."""
    make, checkers = MAKERS[framework]()
    found: dict[str, list] = {checker.name: [] for checker in checkers}
    for number, case in enumerate(cases):
        if case.only in ("", framework):
            for checker in checkers:
                f, xs = make(case), inputs_of(case, number)
                found[checker.name].append((case, verdict(checker, f, xs)))
    return found


def row(name: str, framework: str, faults: list, right: list) -> str:
    """A line of the table."""
    count = lambda pairs, said: sum(v.said == said for _, v in pairs)
    must = [(case, v) for case, v in faults if case.order]
    others = [(case, v) for case, v in faults if not case.order]
    seconds = [v.seconds for _, v in right]
    slow = max(v.seconds for _, v in faults)
    return (
        f"| {framework} | {name} | {count(must, 'wrong')} of {len(must)} "
        f"| {count(others, 'wrong')} of {len(others)} "
        f"| {count(right, 'wrong')} of {len(right)} | {count(faults + right, 'no verdict')} "
        f"| {1e3 * statistics.median(seconds):.0f} ms | {1e3 * max(seconds):.0f} ms "
        f"| {1e3 * slow:.0f} ms |"
    )


def mark(case: Case) -> str:
    """Says of a case that it was written after the checks were finished."""
    return ", after" if any(case is x for x in after.FAULTS + after.RIGHT) else ""


HEADER = (
    "| functions of | checker | faults at the inputs found | others found | false alarms "
    "| no verdict | median time, right | slowest, right | slowest, wrong |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def heading(frameworks: list[str]) -> str:
    """What was run, with which versions, and what the columns mean."""
    packages = [*frameworks, "numpy"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    facts = machine()
    where = f"{facts['cpu']}, {facts['cores']} cores, load {facts['load']:.1f} at the start"
    return (
        f"# Which checker finds which mistakes\n\n`python -m benchmarks.checkers`, {versions}. "
        "In reverse mode, to second order, all else by default. Faults at the inputs change a "
        "derivative there by more than 1e-4 of it; the others are wrong elsewhere, or when asked "
        "for late or with a strided cotangent. A third of the cases was written after the checks "
        'were finished ("after" below); of these one, a right sum that nearly cancels, was called '
        "wrong by ours then, and has mended it. "
        f"Times are CPU time at the second call, on: {where}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checkers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=[*MAKERS], help="functions of this framework alone")
    parser.add_argument("--out", type=Path, help="write the table to this file, too")
    options = parser.parse_args()
    frameworks = [options.only] if options.only else [*MAKERS]
    lines, notes = [heading(frameworks), HEADER], []
    for framework in frameworks:
        faults = judged(framework, before.FAULTS + after.FAULTS)
        right = judged(framework, before.RIGHT + after.RIGHT)
        for name in faults:
            lines.append(row(name, framework, faults[name], right[name]))
            for case, v in faults[name]:
                if v.said != "wrong":
                    kind = f"{case.kind}{mark(case)}"
                    notes.append(
                        f"- {framework}, {name}: {v.said} of a fault: {case.name} ({kind})"
                    )
            for case, v in right[name]:
                if v.said != "right":
                    first = v.text.splitlines()[0][:120] if v.text else ""
                    which = f"{case.name}{mark(case)}"
                    notes.append(
                        f"- {framework}, {name}: {v.said} of a right one: {which}: {first}"
                    )
    text = "\n".join([*lines, "", *notes, ""])
    print(text)
    if options.out:
        disk.write(options.out, text)


if __name__ == "__main__":
    main()
