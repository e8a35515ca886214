"""A backward that is right only when asked at once, whole and in order is found; its twin passes.

Each function is of NumPy, with a backward written by hand, as people write them.
"""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import Foreign, check_grads, check_identities, check_taylor
from tinymeta.testing.layouts import SAME_ENTRIES, backwards, gappy, repeated_row, transposed

rng = np.random.default_rng(0)
x = rng.normal(size=(3, 4))

by_grads = lambda f, *args: check_grads(f, *args, order=1)
by_taylor = lambda f, *args: check_taylor(f, *args)
ALL = pytest.mark.parametrize(
    "check", [by_grads, by_taylor, check_identities], ids=["grads", "taylor", "identities"]
)
BY_VALUES = pytest.mark.parametrize("check", [by_grads, by_taylor], ids=["grads", "taylor"])


def in_memory(g):
    """The entries as they lie, from the first on: not those of a view."""
    return np.lib.stride_tricks.as_strided(g, (g.size,), (g.itemsize,)).reshape(g.shape)


# ---- outputs ------------------------------------------------------------------------------------


@ALL
def test_an_output_whose_gradient_waits_for_another_is_found(check):
    def pair(alive):
        return Foreign(
            lambda x: (x * x, np.sin(x)),
            backward=lambda g, x: 2 * g[0] * x + g[1] * np.cos(x) * (alive or bool(np.any(g[0]))),
        )

    check(pair(True), x)
    with pytest.raises(AssertionError, match="another gradient when one output alone has a cotan"):
        check(pair(False), x)


@ALL
def test_the_last_of_many_outputs_is_asked_alone(check):
    def many(alive):
        def backward(g, x):
            lost = not alive and not np.any(g[0])
            return sum(k * g[k] for k in range(7)) + 7 * g[7] * (not lost)

        return Foreign(lambda x: tuple(k * x for k in range(8)), backward=backward)

    check(many(True), x)
    with pytest.raises(AssertionError, match="when one output alone has a cotangent"):
        check(many(False), x)


# ---- memory -------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize(
    "inner",
    [lambda f: f, lambda f: lambda x: tm.transpose(f(x)) * x.T],
    ids=["alone", "in a program"],
)
def test_a_backward_that_reads_its_cotangent_by_memory_is_found(check, inner):
    square = lambda read: inner(Foreign(lambda x: x * x, backward=lambda g, x: 2 * read(g) * x))
    check(square(np.array), x)
    with pytest.raises(AssertionError, match="of a cotangent that is not contiguous"):
        check(square(in_memory), x)


@ALL
def test_a_backward_that_reads_its_input_by_memory_is_found(check):
    square = lambda read: Foreign(lambda x: x * x, backward=lambda g, x: 2 * g * read(x))
    check(square(np.array), x)
    with pytest.raises(AssertionError, match="of arrays that are not contiguous"):
        check(square(in_memory), x)


@ALL
def test_who_refuses_a_stride_errs_not(check):
    def contiguous(g):
        if not g.flags.c_contiguous:
            raise TypeError("this kernel was compiled for arrays in order")
        return g

    check(Foreign(lambda x: x * x, backward=lambda g, x: 2 * contiguous(g) * contiguous(x)), x)


@ALL
def test_a_rule_of_ours_that_reads_memory_is_found(check, a_new_primitive):
    """tm.asarray shares memory, so a view stays one."""

    def rule(g, y, a):
        return tm.asarray(in_memory(g.value)) * y if isinstance(g.value, np.ndarray) else g * y

    with pytest.raises(AssertionError):
        check(a_new_primitive("exp(a)", (rule,)), x)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (3, 4), (2, 0, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_a_layout_changes_no_entry(shape, dtype):
    a = (rng.normal(size=shape) * 3).astype(dtype)
    for layout in SAME_ENTRIES:
        b = layout(a)
        assert isinstance(b, np.ndarray) and b.dtype == a.dtype and not np.shares_memory(a, b)
        np.testing.assert_array_equal(b, a, strict=True)


def test_layouts_have_the_strides_they_say():
    a = rng.normal(size=(3, 4))
    assert transposed(a).strides == (8, 24) and backwards(a).strides == (-32, -8)
    assert gappy(a).strides == (16, 48) and repeated_row(a).strides == (0, 8)
    np.testing.assert_array_equal(repeated_row(a), a[[0, 0, 0]])


# ---- time ---------------------------------------------------------------------------------------


class Square:
    """The backward uses what the last forward pass left in it, or its own argument."""

    def __init__(self, forgets: bool):
        self.forgets = forgets

    def value(self, x):
        self.last = x.copy()
        return x * x

    def backward(self, g, x):
        return 2 * g * (self.last if self.forgets else x)


@ALL
def test_a_backward_that_uses_the_last_forward_pass_is_found(check):
    make = lambda forgets: Foreign((s := Square(forgets)).value, backward=s.backward)
    check(make(False), x)
    with pytest.raises(AssertionError, match="when it is asked late, after another forward"):
        check(make(True), x)


@BY_VALUES
@pytest.mark.parametrize("key", [lambda x: x.shape, lambda x: "once"], ids=["shape", "ever"])
def test_a_backward_that_keeps_what_it_knew_of_the_first_point_is_found(check, key):
    def exp(kept):
        return Foreign(np.exp, backward=lambda g, x: g * kept(x))

    stale, fresh = {}, {}
    check(exp(lambda x: fresh.setdefault(x.tobytes(), np.exp(x))), x)
    with pytest.raises(AssertionError, match="right at the point given and wrong at a second one"):
        check(exp(lambda x: stale.setdefault(key(x), np.exp(x))), x)


# ---- what is right passes -----------------------------------------------------------------------

# fmt: off
RIGHT = {
    "a saturated softmax": (lambda x: tm.softmax(10.0 * x, axis=1), x),
    "a norm layer":        (lambda x: (x - tm.mean(x, 0)) * tm.rsqrt(tm.var(x, 0) + 1e-5), x + 10),
    "a product":           (lambda x: (x @ x.T, tm.sum(x), tm.relu(x)), rng.normal(size=(30, 40))),
    "steep":               (lambda x: tm.sin(300.0 * x), x),
    "large":               (lambda x: x ** 4, 1e6 * x),
    "a scalar":            (lambda x: x * x, np.array(0.7)),
    "some of size 0":      (lambda x: {"a": x[:0], "b": [x * x, None]}, x),
    "near a kink":         (lambda x: tm.relu(x) * tm.exp(x), np.array([1e-4, -1e-4, 2.0])),
}
# fmt: on


@ALL
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_pullback_has_one_answer(check, name):
    check(*RIGHT[name])


@pytest.mark.parametrize("name", ["a norm layer", "a product", "a scalar"])
def test_in_float32_too(name):
    f, at = RIGHT[name]
    check_identities(f, at.astype(np.float32))


@ALL
@pytest.mark.parametrize(
    "backward",
    [
        lambda g, x: (2 * g * x)[:1],
        lambda g, x: (2 * g * x).astype(np.float32),
        lambda g, x: (2 * g * x, g),
    ],
    ids=["shape", "dtype", "number"],
)
def test_a_gradient_unlike_its_input_is_an_assertion_everywhere(check, backward):
    with pytest.raises(AssertionError, match="returned"):
        check(Foreign(lambda x: x * x, backward=backward), np.ones((2, 3)))
