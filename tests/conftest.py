"""What the tests of several rooms share."""

import itertools
import os

import pytest

import tinymeta as tm
from tinymeta.core.primitive import registry
from tinymeta.jit import cache

names = (f"for a test, {n}" for n in itertools.count())


@pytest.fixture(scope="session", autouse=True)
def workers_compile_alone():
    """Several workers fill the cores already; a second process for each would only be in the way.

    What it does is tested in jit/test_kernel_cache.py.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "PYTEST_XDIST_WORKER" in os.environ:
            patch.setattr(cache, "WORTH_A_PROCESS", float("inf"))
        yield


@pytest.fixture
def forget_new_primitives():
    """What a test adds to the registry is gone after it."""
    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]


@pytest.fixture
def a_new_primitive(forget_new_primitives):
    """elementwise(text, vjps, name=...), forgotten by the registry after the test."""
    return lambda text, vjps, name=None: tm.elementwise(text, vjps, name=name or next(names))
