"""What the tests of several rooms share: operations that live for one test."""

import itertools

import pytest

import tinymeta as tm
from tinymeta.core.primitive import registry

names = (f"for a test, {n}" for n in itertools.count())


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
