"""Every primitive of the registry, named nowhere here: adding one adds no test code."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta import ops
from tinymeta.core.device import find_kernel
from tinymeta.core.primitive import evaluate, registry
from tinymeta.core.scope import setting
from tinymeta.testing import check_grads, strategy_for

OURS = sorted(name for name, p in registry.items() if p.family != "extension")
DIFFERENTIABLE = [n for n in OURS if callable(registry[n].vjps) or any(registry[n].vjps)]


@pytest.mark.parametrize("name", OURS)
def test_it_has_a_rule_or_none_for_each_input_a_kernel_and_a_strategy(name):
    op = registry[name]
    assert strategy_for(op) is not None and callable(find_kernel(op, "cpu"))

    @settings(max_examples=5)
    @given(strategy_for(op))
    def one_rule_an_input(case):
        assert callable(op.vjps) or len(op.vjps) == len(case.inputs)

    one_rule_an_input()


def poison(shape, dtype, seed):
    """What memory may hold before a kernel fills it: NaN, or any bits for what is no float."""
    if dtype.kind == "f":
        return np.full(shape, np.nan, dtype)
    bits = np.random.default_rng(seed).integers(0, 2 if dtype.kind == "b" else 2**62, shape)
    return bits.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OURS)
def test_its_kernel_keeps_to_the_shape_rule_and_fills_all_of_out(name, dtype):
    op = registry[name]

    @settings(max_examples=15)
    @given(strategy_for(op), st.integers(0, 2**32 - 1))
    def check(case, noise):
        arrays = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]
        shape, out_dtype = op.shape(*arrays, **case.static)
        kernel = find_kernel(op, "cpu")
        value = op(*arrays, **case.static).numpy()
        assert value.shape == shape and value.dtype == out_dtype
        if name != "astype":
            assert value.dtype.kind != "f" or value.dtype == dtype
        if not op.view:
            poisoned = poison(shape, value.dtype, noise)
            before = [x.copy() for x in arrays]
            kernel(poisoned, *arrays, **case.static)
            np.testing.assert_array_equal(poisoned, value)
            for x, y in zip(arrays, before):
                np.testing.assert_array_equal(x, y, err_msg=f"{name} wrote into an input")

    check()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_its_derivatives_to_third_order(name):
    op = registry[name]

    @settings(max_examples=8)
    @given(strategy_for(op), st.integers(0, 2**32 - 1))
    def check(case, seed):
        check_grads(lambda *xs: op(*xs, **case.static), *case.inputs, order=3, n_dirs=1, seed=seed)

    check()


def test_the_family_table_names_every_primitive():
    words = set(re.findall(r"\w+", ops.__doc__))
    # The elementwise family is too long to list there: its own file is its table.
    missing = [n for n in OURS if registry[n].family != "elementwise" and n not in words]
    assert not missing, f"the table in ops/__init__.py lacks {missing}"


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_its_derivatives_are_made_of_primitives_of_the_registry(name):
    """Closed under differentiation: whatever the rules call, to third order, has rules too."""
    met = set()

    def noting(primitive, values, static):
        met.add(primitive)
        return evaluate(primitive, values, static)

    @settings(max_examples=2)
    @given(strategy_for(registry[name]))
    def differentiate(case):
        floats = [k for k, x in enumerate(case.inputs) if x.dtype.kind == "f"]

        def scalar(x):
            inputs = list(case.inputs)
            inputs[floats[0]] = x
            return tm.sum(tm.square(registry[name](*inputs, **case.static)))

        f = scalar
        for _ in range(3):
            f = (lambda g: lambda x: tm.sum(tm.square(tm.grad(g)(x))))(f)
        f(case.inputs[floats[0]])

    with setting(interpreter=noting):
        differentiate()
    assert name in {p.name for p in met}
    assert all(registry.get(p.name) is p for p in met)
