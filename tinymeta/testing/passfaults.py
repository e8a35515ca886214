"""Faults in the compiler's passes, one at a time, to test the tests: random steps must notice each.

A fault replaces one function of the compiler by one that is wrong in one way: outputs in another
order, a wrong stride, a copy left out, a wrong dtype, a block of memory freed too early, a thread
that is not waited for. `check_compiled` has to fail for each within a few hundred random steps; a
fault that survives shows a step that is never drawn. The faults are those of graph_faults.py,
loop_faults.py, run_faults.py and piece_faults.py.
"""

from unittest.mock import patch

import numpy as np

from ..jit import arena, replay, work_buffers
from . import graph_faults, loop_faults, piece_faults, run_faults  # noqa: F401  each adds its own
from .compiled import survey
from .planting import FAULTS, Fault

EXAMPLES = 400  # the budget within which a fault has to be noticed
_GUARD = 2**24  # bytes on both sides of an arena, unused: no page of them is touched, so no memory


def noticed(fault: Fault, examples: int = EXAMPLES, seed: int = 0) -> bool:
    """Does one of so many random steps fail, with the fault in the compiler?"""
    in_replay = patch.object(replay, "new_block", _guarded_block)
    in_buffers = patch.object(work_buffers, "new_block", _guarded_block)
    with in_replay, in_buffers, fault.planted():
        return survey(shrink=False).round(examples, seed).error is not None


def _guarded_block(size: int) -> np.ndarray:
    """The block of an arena, with a guard on both sides.

    What a fault reads or writes outside of its block makes a result wrong, as it should. It must
    not damage the memory of this process, which would end before the fault is counted.
    """
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
