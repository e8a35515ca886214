"""Faults in the compiler's passes, one at a time, to test the tests: random steps must notice each.

A fault replaces one function of the compiler by one that is wrong in one way: outputs in another
order, a wrong stride, a copy left out, a wrong dtype, a block of memory freed too early, a thread
that is not waited for. `check_compiled` has to fail for each within a few hundred random steps; a
fault that survives shows a step that is never drawn. The faults are those of graph_faults.py,
loop_faults.py, run_faults.py and piece_faults.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np

from ..jit import arena, replay, work_buffers
from . import graph_faults, loop_faults, piece_faults, run_faults  # noqa: F401  each adds its own
from .compiled import check_compiled, eager_results
from .interpreted import without_compiling
from .mutation import drawn
from .planting import FAULTS, Fault
from .steps import StepCase, step_cases

EXAMPLES = 400  # the budget within which a fault has to be noticed
_AT_ONCE = 20  # steps that are drawn together; most faults show in the first few
_GUARD = 2**24  # bytes on both sides of an arena, unused: no page of them is touched, so no memory


class NotPlanted(Exception):
    """A fault that no longer fits what it replaces, so it stops the compiler and breaks nothing."""


def noticed(fault: Fault, examples: int = EXAMPLES) -> bool:
    """Does one of so many random steps return something wrong, with the fault in the compiler?

    Raises NotPlanted if there were only errors: a function that takes other parameters than the
    right one looks like that, and would count as noticed whatever the checks compare. Raises
    AttributeError or KeyError if what it replaces has another name.
    """
    stopped = None
    for k in range(examples):
        case, expected = _case_and_results(k)
        if expected is None:  # at a kink
            continue
        with _guarded(), without_compiling(), fault.planted():
            try:
                check_compiled(case, expected)
            except AssertionError:
                return True
            except Exception as error:
                stopped = error
    if stopped is not None:
        raise NotPlanted(f"{fault.part}: {fault.what}: {stopped!r}") from stopped
    return False


@cache
def _case_and_results(k: int) -> tuple[StepCase, list | None]:
    """The k-th random step, and what it returns eagerly: the same for all faults."""
    case = _drawn(k // _AT_ONCE)[k % _AT_ONCE]
    return case, eager_results(case)


@cache
def _drawn(block: int) -> list[StepCase]:
    return drawn(step_cases(), _AT_ONCE, seed=block)


@contextmanager
def _guarded() -> Iterator[None]:
    """Arenas of programs that are built in this block have a guard on both sides.

    What a fault reads or writes outside of its block makes a result wrong, as it should. It must
    not damage the memory of this process, which would end before the fault is counted.
    """
    in_replay: Any = patch.object(replay, "new_block", _guarded_block)
    in_buffers: Any = patch.object(work_buffers, "new_block", _guarded_block)
    with in_replay, in_buffers:
        yield


def _guarded_block(size: int) -> np.ndarray:
    return arena.new_block(size + 2 * _GUARD)[_GUARD:]


def survivors(examples: int = EXAMPLES, faults: list[Fault] = FAULTS) -> list[Fault]:
    """The faults that no random step notices."""
    return [fault for fault in faults if not noticed(fault, examples)]


def table(examples: int = EXAMPLES) -> str:
    """A line for each fault: its pass, what is wrong, and whether it is noticed."""
    lines = [f"{'pass':14}{'fault':56}noticed"]
    found = 0
    for fault in FAULTS:
        seen = noticed(fault, examples)
        found += seen
        lines.append(f"{fault.part:14}{fault.what:56}{'yes' if seen else 'NO'}")
    return "\n".join([*lines, f"{'together':70}{found} of {len(FAULTS)}"])
