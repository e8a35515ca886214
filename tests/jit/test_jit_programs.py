"""Random programs and their derivatives to third order return the same compiled as eagerly."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.testing.interpreted import without_compiling
from tinymeta.testing.kinks import crossed_kinks
from tinymeta.testing.programcheck import of_floats
from tinymeta.testing.strategies import programs

CLOSE = {np.float64: 1e-9, np.float32: 5e-4}


def check(program, seed, dtype, order):
    rng, double = np.random.default_rng(seed), program
    program = program.astype(dtype)
    f, xs = of_floats(program, list(program.inputs.values()))
    cotangents = [
        [rng.normal(size=y.shape).astype(y.dtype) for y in ys]
        for ys in [program()] + [xs] * (order - 1)
    ]

    def derivatives(xs, cotangents):
        """The values, and the gradients of each order, pulled back along the cotangents."""
        found, g = [f(*xs)], f
        for us in cotangents:
            g = (lambda h, us: lambda *xs: tm.vjp(h, *xs)[1](tuple(us)))(g, us)
            found.append(g(*xs))
        return [y for ys in found for y in ys]

    if dtype is np.float32 and crossed_kinks(lambda p: p(), (double,), (program,)):
        return  # a kink, on whose side rounding decides
    expected, compiled = derivatives(xs, cotangents), tm.jit(derivatives)
    once, twice = compiled(xs, cotangents), compiled(xs, cotangents)
    for a, b, c in zip(
        *([np.asarray(y) for y in ys] for ys in (expected, once, twice)), strict=True
    ):
        assert (a.shape, a.dtype) == (b.shape, b.dtype) and b.tobytes() == c.tobytes()
        assert np.abs(a - b).max(initial=0) <= CLOSE[dtype] * (1 + np.abs(a).max(initial=0))


def test_some():
    with without_compiling():
        run(100)


def test_a_few_of_compiled_kernels():
    run(4)


@pytest.mark.slow
def test_many():
    run(5000)


def run(count: int):
    settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )(
        given(
            programs(),
            st.integers(0, 2**16),
            st.sampled_from(sorted(CLOSE, key=str)),
            st.sampled_from([1, 2, 3]),
        )(check)
    )()
