"""
Here     why believe a gradient: checks for any function, and inputs for every primitive.
Imports  core ops
Never    imported by another room; hypothesis is loaded only when `strategies` is asked for.
Add one  a primitive's inputs: a row in the table of strategies.py, or `register` for one of yours
Tests    tests/testing/
"""

from .gradcheck import Report, Row, check_grads
from .kinks import branches
from .metagrad import MetaReport, check_meta_grad

__all__ = ["Case", "MetaReport", "Report", "Row", "branches", "check_grads", "check_meta_grad",
           "register", "strategies", "strategy_for"]


def __getattr__(name: str):
    # hypothesis is an optional dependency, so what needs it comes when asked for.
    if name in ("Case", "register", "strategies", "strategy_for"):
        from importlib import import_module
        strategies = import_module(".strategies", __name__)
        return strategies if name == "strategies" else getattr(strategies, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
