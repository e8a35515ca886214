"""An operation of one's own, from a scalar text: value, derivatives, and what a wrong one meets."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import RULES, assert_same, inputs, texts

import tinymeta as tm
from tinymeta.core.primitive import registry
from tinymeta.core.text import FUNCTIONS, names, parsed

pytestmark = pytest.mark.usefixtures("forget_new_primitives")


def test_an_operation_of_ones_own_to_third_order():
    """a exp(-b): d/da d/db d/db is exp(-b)."""
    op = tm.elementwise(
        "a * exp(-b)", (lambda g, y, a, b: g * tm.exp(-b), lambda g, y, a, b: -g * y)
    )
    a, b = np.array([2.0, 3.0]), np.array([0.5, 1.0])
    np.testing.assert_allclose(op(a, b).numpy(), a * np.exp(-b), rtol=1e-15)
    f = lambda a, b: op(a, b).sum()
    for argnum in (1, 1, 0):
        f = (lambda f, n: lambda a, b: tm.grad(f, n)(a, b).sum())(f, argnum)
    np.testing.assert_allclose(f(a, b).item(), np.exp(-b).sum(), rtol=1e-14)


def test_it_broadcasts_and_promotes_as_the_others_do():
    op = tm.elementwise("a + 2 * b", (lambda g, y, a, b: g, lambda g, y, a, b: 2.0 * g))
    y = op(np.ones((2, 1), np.float32), 3)
    assert y.dtype == np.float32 and y.numpy().tolist() == [[7], [7]]
    g = tm.grad(lambda b: op(np.ones(3), b).sum())(np.array(1.0))
    assert g.item() == 6


def test_a_text_may_be_a_comparison_a_constant_part_or_the_bare_input():
    assert tm.elementwise("a > 0", (None,))(np.array([-1.0, 2.0])).numpy().tolist() == [0, 1]
    assert tm.elementwise("pi * a", (None,))(np.array(1.0)).item() == np.pi
    back = tm.elementwise("a", (lambda g, y, a: -g,), name="reversed gradient")
    value, g = tm.value_and_grad(lambda x: back(x))(3.0)
    assert (value.item(), g.item()) == (3, -1)


def test_the_kernel_computes_in_the_dtype_of_its_input():
    for dtype in (np.float32, np.float64):
        for name in ("sigmoid", "softplus", "rsqrt", "reciprocal_or_zero", "relu_gradient", "relu"):
            op = registry[name]
            assert op(*[np.full(3, 0.7, dtype)] * op.arity).dtype == dtype


def test_a_comparison_is_a_float_as_the_operations_are():
    """So that a rule of one's own can let a gradient through: here a step, straight through."""
    x = np.array([-1.0, 2.0, np.nan], np.float32)
    for text, expected in [
        ("a > 0", [0, 1, 0]),
        ("isnan(a)", [0, 0, 1]),
        ("~(a > 0) & ~isnan(a)", [1, 0, 0]),
    ]:
        op = tm.elementwise(text, (lambda g, y, a: g,), name=text)
        for f in (op, tm.jit(lambda x, op=op: op(x))):
            assert f(x).dtype == np.float32 and f(x).numpy().tolist() == expected
        slope = tm.jit(tm.grad(lambda x, op=op: (op(x) * x).sum()))(x[:2])
        assert slope.numpy().tolist() == [e + v for e, v in zip(expected, x[:2].tolist())]


@settings(max_examples=12, deadline=None)
@given(st.lists(texts(), min_size=1, max_size=8), st.data())
def test_any_text_means_the_same_compiled(drawn, data):
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    arrays = data.draw(inputs(dtype, 5))
    before = set(registry)
    try:
        ops = [
            tm.elementwise(text, (None,) * len(names(parsed(text))), name=f"{k}: {text}")
            for k, (text, _) in enumerate(drawn)
        ]
        run = lambda *arrays: [op(*arrays[: op.arity]) for op in ops]
        with np.errstate(all="ignore"):
            eager = run(*arrays)
        for (text, exact), found, expected in zip(drawn, tm.jit(run)(*arrays), eager):
            assert expected.dtype == dtype
            assert_same(found, expected, exact, text)
    finally:
        for name in set(registry) - before:
            del registry[name]


def test_a_static_exponent_may_be_any_number():
    x = np.array([-2.0, 0.0, 0.5, 1.0, 3.0], np.float32)
    for exponent in (float("nan"), float("inf"), -float("inf"), -2, -1.5, 3):
        with np.errstate(all="ignore"):
            eager = tm.asarray(x) ** exponent
        compiled = tm.jit(lambda x: x**exponent)(x)
        assert compiled.dtype == eager.dtype == np.float32
        np.testing.assert_allclose(compiled.numpy(), eager.numpy(), rtol=1e-6)


def test_whole_expressions_are_as_narrow_as_the_input():
    """Numbers among themselves, and masks, would make NumPy compute in float64 or float16."""
    x = np.array([0.1, 3.0], np.float32)
    for text, expected in [
        ("a - 2 * pi / 3", x - np.float32(2) * np.float32(np.pi) / np.float32(3)),
        ("sqrt(a > 0) / 3", np.ones(2, np.float32) / np.float32(3)),
        ("a * 100000000000000000000", x * np.float32(1e20)),
        ("exp(a > 1) * 1e5", np.exp(np.float32([0, 1])) * np.float32(1e5)),
    ]:
        np.testing.assert_array_equal(tm.elementwise(text, (None,), name=text)(x).numpy(), expected)


@pytest.mark.parametrize(
    "text",
    [
        "nothing(a)",
        "exp(a",
        "np.exp(a)",
        "a in b",
        "not a",
        "a b",
        "",
        "exp(z)",
        "a + mean(a)",
        "a + mean",
        "a + exp",
        "exp(a, a)",
        "exp()",
        "where(a > 0, a)",
        "a if a > 0 else 1",
        "a and a",
        "a or a",
        "round(a)",
        "abs(a)",
        "max(a, 1)",
        "float32(a)",
        "math.sin(a)",
        "a % 2",
        "a // 2",
        "a @ a",
        "+a",
        "0 < a < 1",
        "a & 1",
        "~a",
        "a | (a > 0)",
        "a[0]",
        "a.T",
        "[a]",
        "(a, a)",
        "lambda: a",
        "True * a",
        "'a'",
        "1j * a",
        "a is a",
        "exp(*a)",
        "power(a, b=2)",
        "(a := 1)",
        "b",
        "1.0",
        "a - z",
        "exponent * a",
        "add(a, a)",
        "positive(a)",
        "copyto(a, a)",
        "None",
        "a + 1" + "0" * 400,
    ],
)
def test_a_wrong_text_leaves_no_trace(text):
    with pytest.raises(ValueError, match="cannot compile|the inputs of"):
        tm.elementwise(text, (None,), name="wanted")
    assert "wanted" not in registry
    assert tm.elementwise("exp(a)", (None,), name="wanted")(0.0).item() == 1


def test_the_refusal_says_what_is_wrong_and_what_may_be_used():
    with pytest.raises(
        ValueError, match=r"cannot compile 'arcsine\(b\)': .* made of a b c, .* pi .* arcsin "
    ):
        tm.elementwise("a * arcsine(b)", (None, None))
    with pytest.raises(
        ValueError, match=r"the inputs of 'a \+ c' are a, c; name them a, then b, then c"
    ):
        tm.elementwise("a + c", (None, None))
    with pytest.raises(ValueError, match="'a [*] b' has 2 inputs .* 1 rules"):
        tm.elementwise("a * b", (None,), name="wanted")
    assert "wanted" not in registry


def test_every_name_has_a_text_in_the_property_test():
    patterns = " ".join(pattern for rules in RULES.values() for pattern, _ in rules)
    assert set(re.findall(r"(\w+)\(", patterns)) == set(FUNCTIONS)


def test_a_primitive_of_ones_own():
    """The cumulative sum, whose adjoint is the cumulative sum from the other end."""

    def kernel(out, x):
        np.cumsum(x, axis=-1, out=out)

    cumsum = tm.primitive(
        "cumsum",
        shape=lambda x: (x.shape, x.dtype),
        kernels={"cpu": kernel},
        vjps=(lambda g, y, x: tm.flip(cumsum(tm.flip(g, -1)), -1),),
    )
    x, u = np.array([[1.0, 2.0, 3.0]]), np.array([[5.0, 7.0, 11.0]])
    y, pull = tm.vjp(cumsum, x)
    assert y.numpy().tolist() == [[1, 3, 6]] and pull(u)[0].numpy().tolist() == [[23, 18, 11]]
    lower = np.tril(np.ones((3, 3)))
    h = tm.hessian(lambda x: (cumsum(x) ** 2).sum())(x[0]).numpy()
    np.testing.assert_allclose(h, 2 * lower.T @ lower)


def test_a_primitive_without_a_kernel_says_where_one_goes():
    op = tm.primitive("bare", shape=lambda x: (x.shape, x.dtype), vjps=(None,), kernels={})
    with pytest.raises(
        NotImplementedError, match="bare has no cpu kernel: pass kernels={'cpu': ...}"
    ):
        op(np.ones(2))


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="named 'exp' exists already: choose another name"):
        tm.primitive("exp", shape=None, vjps=(), kernels={})
