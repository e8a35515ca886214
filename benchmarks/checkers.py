"""Which checker of gradients finds which mistakes: ours beside those of PyTorch, JAX and autograd.

    python -m benchmarks.checkers                      needs: pip install 'tinymeta[peers,test]'
    python -m benchmarks.checkers --only torch --out benchmarks/results/checkers.md

Every case (checker_cases.py, checker_cases_after.py) is made a function of each framework and given
to that framework's checker and to `check_grads`, in reverse mode and to second order, all else by
default. Found: the checker raises on a fault. False alarm: it raises on a right function. No
verdict: ours says `Kink` or `Undecided`. Times are CPU time of this process, at the second call:
the first imports and compiles.
"""

import argparse
import importlib.metadata
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinymeta.system import disk
from tinymeta.testing import Foreign, Kink, Undecided, Vacuous, check_grads

from . import checker_cases as before
from . import checker_cases_after as after
from .checker_cases import Case
from .timing import machine


class Checker(NamedTuple):
    """A checker and the framework that its functions are of."""

    name: str
    framework: str
    check: Callable  # (function, arrays) -> None, or raises


class Verdict(NamedTuple):
    """What a checker said of a case."""

    said: str  # "right", "wrong" or "no verdict"
    seconds: float
    text: str = ""  # of its error


# ---- a case as a function of each framework -----------------------------------------------------


def in_torch(torch: Any, case: Case) -> Callable:
    """The case as a function of torch tensors."""
    m = _Namespace(
        torch, array=torch.as_tensor, stop=lambda x: x.detach(), plain=lambda x: x.detach()
    )
    if case.backward is None:
        return lambda *xs: case.f(m, *xs)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: Any) -> Any:
            ctx.save_for_backward(*xs)
            return case.f(m, *xs)

        @staticmethod
        def backward(ctx: Any, *gs: Any) -> Any:
            return case.backward(m, _one_or_all(gs), *ctx.saved_tensors)

    return Function.apply


def in_jax(jax: Any, case: Case) -> Callable:
    """The case as a function of JAX's arrays."""
    m = _Namespace(jax.numpy, stop=jax.lax.stop_gradient, amax=jax.numpy.max)
    if case.backward is None:
        return lambda *xs: case.f(m, *xs)
    function = jax.custom_vjp(lambda *xs: case.f(m, *xs))
    function.defvjp(
        lambda *xs: (case.f(m, *xs), xs), lambda xs, g: _as_tuple(case.backward(m, g, *xs))
    )
    return function


def in_autograd(autograd: Any, case: Case) -> Callable:
    """The case as a function of NumPy arrays, for HIPS autograd."""
    value = autograd.tracer.getval
    m = _Namespace(autograd.numpy, stop=value, plain=value, amax=autograd.numpy.max)
    if case.backward is None:
        return lambda *xs: case.f(m, *xs)
    function = autograd.extend.primitive(lambda *xs: case.f(_Namespace(np, amax=np.max), *xs))

    def rule(place: int) -> Callable:
        return lambda ans, *xs: lambda g: _as_tuple(case.backward(m, g, *xs))[place]

    autograd.extend.defvjp(function, *map(rule, range(len(case.inputs))))
    return function


class _Namespace:
    """A module, with some names of ours in it."""

    def __init__(self, module: Any, **names: Any):
        self.module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


def _as_tuple(x: Any) -> tuple:
    return x if isinstance(x, tuple) else (x,)


def _one_or_all(gs: tuple) -> Any:
    return gs if len(gs) > 1 else gs[0]


# ---- the checkers -------------------------------------------------------------------------------


def torch_checkers() -> tuple[Callable, list[Checker]]:
    """(a case as torch's function, the checkers of such functions)."""
    import torch

    torch.set_num_threads(1)

    def tracked(xs: list) -> list:
        return [torch.tensor(x, requires_grad=True) for x in xs]

    def once(f: Callable, xs: list) -> None:
        torch.autograd.gradcheck(f, tracked(xs))

    def twice(f: Callable, xs: list) -> None:
        torch.autograd.gradcheck(f, tracked(xs))
        torch.autograd.gradgradcheck(f, tracked(xs))

    def fast(f: Callable, xs: list) -> None:
        torch.autograd.gradcheck(f, tracked(xs), fast_mode=True)
        torch.autograd.gradgradcheck(f, tracked(xs), fast_mode=True)

    return lambda case: in_torch(torch, case), [
        Checker("check_grads", "torch", lambda f, xs: check_grads(f, *map(torch.tensor, xs))),
        Checker("torch gradcheck", "torch", once),
        Checker("torch gradcheck and gradgradcheck", "torch", twice),
        Checker("the same, fast mode", "torch", fast),
    ]


def jax_checkers() -> tuple[Callable, list[Checker]]:
    """(a case as JAX's function, the checkers of such functions)."""
    import jax
    import jax.test_util

    jax.config.update("jax_enable_x64", True)
    theirs = jax.test_util.check_grads
    arrays = lambda xs: [jax.numpy.asarray(x) for x in xs]
    return lambda case: in_jax(jax, case), [
        Checker("check_grads", "jax", lambda f, xs: check_grads(f, *arrays(xs))),
        Checker(
            "jax.test_util.check_grads",
            "jax",
            lambda f, xs: theirs(f, arrays(xs), order=2, modes=("rev",)),
        ),
    ]


def autograd_checkers() -> tuple[Callable, list[Checker]]:
    """(a case as a function for HIPS autograd, the checkers of such functions)."""
    import autograd
    import autograd.extend
    import autograd.numpy
    import autograd.test_util
    import autograd.tracer
    from autograd.core import make_vjp

    theirs = autograd.test_util.check_grads

    def vjp(f: Callable, *xs: Any) -> tuple:
        box = autograd.builtins.tuple
        pull, y = make_vjp(lambda xs: box(_as_tuple(f(*xs))), box(xs))

        def gradients(us: tuple) -> list:
            found = pull(box(us))
            return [found[k] for k in range(len(xs))]

        return y, gradients

    return lambda case: in_autograd(autograd, case), [
        Checker("check_grads", "autograd", lambda f, xs: check_grads(Foreign(f, vjp=vjp), *xs)),
        Checker(
            "autograd check_grads",
            "autograd",
            lambda f, xs: theirs(f, argnum=tuple(range(len(xs))), modes=["rev"], order=2)(*xs),
        ),
    ]


MAKERS = {"torch": torch_checkers, "jax": jax_checkers, "autograd": autograd_checkers}


# ---- the table ----------------------------------------------------------------------------------


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
