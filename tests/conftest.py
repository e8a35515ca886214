"""What the tests of several rooms share: a derivative that knows nothing of the engine's, and
operations that live for one test."""

import itertools

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.primitive import registry

names = (f"for a test, {n}" for n in itertools.count())


@pytest.fixture
def a_new_primitive():
    """elementwise(text, vjps, name=...), forgotten by the registry after the test."""
    before = set(registry)
    yield lambda text, vjps, name=None: tm.elementwise(text, vjps, name=name or next(names))
    for name in set(registry) - before:
        del registry[name]


@pytest.fixture(scope="session")
def central_differences():
    """gradient(f, tree): of a scalar function of a tree of float64 arrays, by five points for each
    element, so that the error is of order h^4 and ten digits can be compared."""
    def gradient(f, tree, h=1e-3):
        flat, rebuild = tm.tree.flatten(tree)

        def at(k, i, step):
            moved = list(flat)
            moved[k] = flat[k].copy()
            moved[k][i] += step
            return float(f(rebuild(moved)))

        def slope(k, i):
            near, far = at(k, i, h) - at(k, i, -h), at(k, i, 2 * h) - at(k, i, -2 * h)
            return (8 * near - far) / (12 * h)

        return rebuild([np.array([slope(k, i) for i in np.ndindex(x.shape)]).reshape(x.shape)
                        for k, x in enumerate(flat)])
    return gradient
