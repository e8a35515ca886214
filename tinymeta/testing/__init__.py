"""
Here     the kit for property-testing gradients: checks of any order, strategies for every primitive.
Imports  core ops
Never    imported by any other room; hypothesis is imported in strategies.py alone, and lazily.
Add one  a check is a function that raises AssertionError with a report; a strategy is a row of TABLE.
Tests    tests/testing/
"""

import importlib

from .gradcheck import Check, Report, check_grads


def __getattr__(name: str):
    # hypothesis is an extra, so the strategies come when they are asked for.
    if not name.startswith("_"):
        strategies = importlib.import_module(".strategies", __name__)
        if name == "strategies" or hasattr(strategies, name):
            return getattr(strategies, name, strategies)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
