"""
Here     why believe a gradient: checks for any framework's function, inputs for every primitive.
Imports  core ops nn data cpu jit
Never    imported by another room; hypothesis is loaded only when a name of LAZY is asked for.
Add one  a primitive's inputs: a row in the table of cases.py, or `register` for one of yours
Tests    tests/testing/
"""

from importlib import import_module

from .batchcheck import check_batch
from .foreign import Foreign
from .gradcheck import check_grads
from .identities import Identities, Identity, check_identities
from .kinks import Kink, Skip, branches
from .metagrad import MetaReport, check_meta_grad
from .optimizercheck import check_optimizer_step
from .program import RandomProgram
from .programcheck import check_program
from .refusals import NoRule, Vacuous
from .remainders import Remainders
from .repeatcheck import check_deterministic, check_memory
from .report import Report, Row, Undecided
from .taylor import check_taylor

Program = RandomProgram  # the former name, kept for a release

# hypothesis is an optional dependency, so what needs it comes when asked for, from these files.
LAZY = {
    "Case": "cases",
    "register": "cases",
    "strategy_for": "cases",
    "load_profile": "strategies",
    "check_primitive": "primitives",
    "registry_test": "primitives",
    "Survey": "survey",
    "check_compiled": "compiled",
    "without_compiling": "interpreted",
    "interpreted_jit": "interpreted",
    "check_call": "arguments",
    "Mutant": "mutation",
    "mutants": "mutation",
    "survivors": "faults",
}

__all__ = [
    "Foreign",
    "Identities",
    "Identity",
    "Kink",
    "MetaReport",
    "NoRule",
    "Program",
    "RandomProgram",
    "Remainders",
    "Report",
    "Row",
    "Skip",
    "Undecided",
    "Vacuous",
    "branches",
    "check_batch",
    "check_deterministic",
    "check_grads",
    "check_identities",
    "check_memory",
    "check_meta_grad",
    "check_optimizer_step",
    "check_program",
    "check_taylor",
    "compiled",
    "faults",
    "programs",
    "strategies",
    *LAZY,
]


def __getattr__(name: str) -> object:
    if name in LAZY:
        return getattr(import_module(f".{LAZY[name]}", __name__), name)
    if name in LAZY.values():
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
