"""Each identity is broken by a planted fault, and none by a right function, badly scaled or not."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import Foreign, check_identities

rng = np.random.default_rng(0)
x = rng.normal(size=(3, 4))

WHAT = [
    "gradients of their inputs' shape, dtype",
    "the same gradients twice, to the bit",
    "J'0 = 0",
    "J'(2u - w/2) = 2J'u - J'w/2, along v",
    "<u, Jv> = <J'u, v>",
    "<Ha, b> = <a, Hb>, H that of <u, f>",
    "J(2v - b/2) = 2Jv - Jb/2, along u",
    "inputs left as they were, to the bit",
]


def broken(f, *args, **kwargs) -> str:
    with pytest.raises(AssertionError) as error:
        check_identities(f, *args, **kwargs)
    return str(error.value)


# ---- planted faults -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule, row",
    [
        (lambda g, y, a: g * y * rng.normal(), 1),
        (lambda g, y, a: g * y + 0.01, 2),
        (lambda g, y, a: g * y * np.nan, 2),
        (lambda g, y, a: g * y / g, 2),
        (lambda g, y, a: tm.abs(g) * y, 3),
        (lambda g, y, a: g * y * (1.0 + 1e-3 * g), 3),
        (lambda g, y, a: tm.stop_gradient(g) * y, 4),
        (lambda g, y, a: g * y + 1e-3 * tm.stop_gradient(g), 4),
    ],
    ids=[
        "random",
        "shifted",
        "nan",
        "nan at zero",
        "even",
        "a little curved",
        "stops g",
        "stops a little",
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_faulty_rule_breaks_its_identity(rule, row, dtype, a_new_primitive):
    message = broken(a_new_primitive("exp(a)", (rule,)), x.astype(dtype))
    assert message.splitlines()[0].endswith(f"broken: {WHAT[row]}")
    assert message.splitlines()[-1].endswith("broken")


@pytest.mark.parametrize(
    "rules",
    [
        (lambda g, y, a, b: g * tm.stop_gradient(b), lambda g, y, a, b: g * a),
        (
            lambda g, y, a, b: g * b,
            lambda g, y, a, b: g * (1.000001 * a - 1e-6 * tm.stop_gradient(a)),
        ),
    ],
    ids=["one factor stopped", "by a millionth"],
)
def test_a_rule_that_stops_makes_the_hessian_asymmetric(rules, a_new_primitive):
    product = a_new_primitive("a * b", rules)
    assert f"broken: {WHAT[5]}" in broken(product, x, x + 1.0)


def test_a_rule_that_changes_the_dtype_is_named(a_new_primitive):
    op = a_new_primitive("exp(a)", (lambda g, y, a: tm.astype(g * y, np.float32),), name="narrow")
    assert "the derivative rule of narrow for input 0 returned float32" in broken(op, x)


def test_a_rule_that_writes_into_its_input_is_red(a_new_primitive):
    def rule(g, y, a):
        g = g * y
        a.value[0, 0] = 7.0
        return g

    message = broken(a_new_primitive("exp(a)", (rule,)), x)
    assert f"broken: {WHAT[-1]}" in message or f"broken: {WHAT[1]}" in message


def test_a_rule_that_writes_where_nobody_looks_is_red(a_new_primitive):
    """The gradient of a sum knows nothing of its input."""

    def rule(g, y, a):
        a.value[0, 0] += 1.0
        return g * 3.0

    assert f"broken: {WHAT[-1]}" in broken(a_new_primitive("3 * a", (rule,)), x)


@pytest.mark.parametrize("f", [tm.stop_gradient, lambda x: tm.asarray(np.exp(x.numpy()))])
def test_a_function_without_any_derivative_is_red(f):
    assert "moves and all its derivatives are zero" in broken(f, x)


# ---- what is right ------------------------------------------------------------------------------

# fmt: off
RIGHT = {
    "exp":             (tm.exp, x),
    "linear":          (lambda x: 3.0 * x, x),
    "at a zero":       (lambda x: x ** 3 - x, np.array([1.0, -1.0, 0.0])),
    "stationary":      (lambda x: x * x, np.zeros(3)),
    "steep":           (lambda x: tm.sin(300.0 * x), x),
    "large":           (lambda x: x ** 3, 1e6 * x),
    "small":           (tm.sin, 1e-6 * x),
    "near an edge":    (tm.log, np.array([1e-3, 1.0, 1e3])),
    "softmax":         (lambda x: tm.softmax(10.0 * x), x),
    "cross entropy":   (lambda x: tm.logsumexp(10.0 * x, axis=1) - x[:, 0], x),
    "a norm layer":    (lambda x: (x - tm.mean(x, 0)) * tm.rsqrt(tm.var(x, 0) + 1e-5), x + 100),
    "a long sum":      (lambda x: (x * x).sum(), rng.normal(size=100_000)),
    "a long product":  (tm.matmul, rng.normal(size=(1, 5000)), rng.normal(size=(5000, 2))),
    "convolution":     (lambda x, w: tm.conv2d(x, w, stride=2) ** 2,
                        rng.normal(size=(2, 5, 5, 1)), rng.normal(size=(2, 3, 1, 2))),
}
# fmt: on


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_passes_with_a_tolerance_of_rounding(name, dtype):
    f, *args = RIGHT[name]
    for seed in range(5):
        rows = check_identities(f, *(a.astype(dtype) for a in args), seed=seed).rows
        assert [row.what for row in rows] == WHAT
        assert all(row.tolerance <= 300 * np.finfo(dtype).eps * row.size for row in rows)


def test_a_meta_gradient_keeps_the_identities():
    """Five inner steps, through which the gradient of the gradient goes."""
    a = rng.normal(size=(4, 4)).astype(np.float32)

    def adapted(w):
        for _ in range(5):
            w = w - 0.1 * tm.grad(lambda w: tm.sum(tm.tanh(w @ a) ** 2))(w)
        return tm.sum(tm.tanh(w @ a))

    rows = check_identities(adapted, rng.normal(size=(3, 4)).astype(np.float32)).rows
    assert rows[4].left != 0 and rows[5].left != 0


def test_trees_go_in_and_come_out_in_their_own_dtypes():
    p = {"w": rng.normal(size=(4, 3)).astype(np.float32), "b": [tm.zeros(3)], "none": None}

    def f(p, scale, labels):
        z = x.astype(np.float32) @ tm.asarray(p["w"]) * scale + p["b"][0]
        return {"z": z, "best": tm.argmax(z, 1)}, tm.losses.cross_entropy(z, labels)

    check_identities(f, p, 0.5, np.array([2, 0, 1]))
    check_identities(lambda x, scale: x * scale, x, 2.0)


def test_the_report_is_a_table_and_a_seed_repeats_it():
    header, *lines = str(check_identities(tm.exp, x, seed=3)).splitlines()
    assert header.split() == ["identity", "left", "right", "error", "tolerance"]
    assert [line[:40].rstrip() for line in lines] == WHAT
    lefts = lambda seed: [row.left for row in check_identities(tm.exp, x, seed=seed).rows]
    assert lefts(3) == lefts(np.random.default_rng(3)) != lefts(4)


def test_longdouble_passes():
    """Its spare bytes are no value, and the two sides are summed in float64."""
    square = Foreign(
        lambda x: x * x,
        backward=Foreign(lambda g, x: 2 * g * x, backward=lambda w, g, x: (2 * w * x, 2 * w * g)),
    )
    for _ in range(5):
        check_identities(square, rng.normal(size=5).astype(np.longdouble))


@pytest.mark.parametrize("of_tangent", [lambda t: 1.001 * t, lambda t: t + 0.001 * tm.abs(t)])
def test_a_forward_mode_that_differs_from_reverse_mode_is_red(monkeypatch, of_tangent):
    def wrong(f, primals, tangents):
        value, pushed = tm.jvp(f, primals, tangents)
        return value, tm.tree.map(of_tangent, pushed)

    monkeypatch.setattr("tinymeta.testing.identities.jvp", wrong)
    assert f"broken: {WHAT[4]}" in broken(tm.sin, x)
    monkeypatch.setattr("tinymeta.testing.point.jvp", wrong)
    with pytest.raises(AssertionError, match="of order 1 is wrong"):
        tm.testing.check_grads(tm.sin, x, modes=("fwd",))
