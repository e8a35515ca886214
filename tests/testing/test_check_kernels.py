"""A kernel that is right on short float64 arrays in order, and there alone, is found."""

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.core.primitive import registry
from tinymeta.testing import Case, check_primitive, register, strategies

settings.register_profile(
    "not made small", settings.get_profile("tinymeta"), database=None, phases=[Phase.generate]
)
PAIRS = st.tuples(*[strategies.tensors((2, 3))] * 2).map(lambda pair: Case(pair, {}))
RULES = (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)


@pytest.fixture(autouse=True)
def faults_are_found_and_not_made_small():
    settings.load_profile("not made small")
    yield
    settings.load_profile("tinymeta")


def fill(out, a, b):
    np.multiply(a, b, out=out)


@pytest.fixture
def a_product():
    """a * b as one of your own operations, with another kernel or rules; gone after the test."""

    def make(kernel=fill, vjps=RULES):
        registry.pop("my product", None)
        register("my product", PAIRS)
        return tm.primitive(
            "my product", shape=lambda a, b: (a.shape, a.dtype), vjps=vjps, kernels={"cpu": kernel}
        )

    yield make
    registry.pop("my product", None)
    strategies.TABLE.pop("my product", None)


@pytest.mark.parametrize("dtypes", [(np.float32,), (np.float32, np.float64)])
def test_what_is_wrong_in_float32_alone_is_red(dtypes, a_product):
    def half_more(out, a, b):
        fill(out, a, b)
        out *= 1.5 if out.dtype == np.float32 else 1

    twice = {np.dtype(np.float32): 2.0, np.dtype(np.float64): 1.0}
    check_primitive(a_product(), dtypes=dtypes, examples=4)
    with pytest.raises(AssertionError, match="my product in float32 is not what it is in float64"):
        check_primitive(a_product(half_more), dtypes=dtypes)
    rules = (lambda g, y, a, b: g * b * twice[a.dtype], RULES[1])
    with pytest.raises(AssertionError, match=r"(?s)of order [12] is wrong.*float32 .*wrong"):
        check_primitive(a_product(vjps=rules), dtypes=dtypes)


def in_memory(x):
    return np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,)).reshape(x.shape)


@pytest.mark.parametrize(
    "read, how",
    [
        (in_memory, "its inputs are (transposed|gappy)"),
        (
            lambda x: x if x.flags.f_contiguous or x.flags.c_contiguous else in_memory(x),
            "are gappy",
        ),
        (lambda x: np.abs(x) if min(x.strides, default=1) < 0 else x, "are backwards"),
        (lambda x: in_memory(x) if 0 in x.strides else x, "an axis of stride 0"),
    ],
    ids=["memory", "gaps", "negative strides", "stride 0"],
)
def test_a_kernel_that_reads_memory_is_red(read, how, a_product):
    kernel = lambda out, a, b: np.multiply(read(a), b, out=out)
    with pytest.raises(AssertionError, match=f"my product reads memory, not strides: .*{how}"):
        check_primitive(a_product(kernel, (None, None)), examples=30)


def test_a_fault_that_shows_in_long_arrays_alone_is_red(a_new_primitive):
    """Beyond the 4096th entry, as where a second block begins."""

    def kernel(out, a):
        np.exp(a, out=out)
        out.reshape(-1)[4096:] = 0

    op = a_new_primitive("exp(a)", (lambda g, y, a: g * y,), name="in blocks")
    check_primitive(op, examples=4)
    op.kernels["cpu"] = kernel
    with pytest.raises(AssertionError, match=r"in blocks is another on \d+ entries than on \d"):
        check_primitive(op)


def test_a_fault_of_nan_in_float32_alone_is_red(a_new_primitive):
    """No case draws one; an elementwise operation is asked for every pair of edges."""

    def kernel(out, a):
        np.exp(np.nan_to_num(a) if a.dtype == np.float32 else a, out=out)

    op = a_new_primitive("exp(a)", (lambda g, y, a: g * y,), name="clean")
    check_primitive(op, examples=4)
    op.kernels["cpu"] = kernel
    with pytest.raises(AssertionError, match="clean in float32 is not .* of infinities, NaN"):
        check_primitive(op)
