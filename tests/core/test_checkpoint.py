"""A checkpointed function is the same function at every order, and holds less while it waits."""

import gc
import tracemalloc

import numpy as np
import pytest

import tinymeta as tm

rng = np.random.default_rng(0)


V = np.random.default_rng(1).normal(size=3)
MODES = {
    "r": lambda f: lambda x: (tm.grad(f)(x) * V).sum(),
    "f": lambda f: lambda x: tm.jvp(f, (x,), (V,))[1],
}


def same_to_order_three(make, x):
    """`make(wrapper)` gives a scalar function; with checkpoint and without, they agree.

    Its derivatives, too, in reverse and forward mode over each other.
    """
    for modes in ("rrr", "frf", "rfr", "ffr"):
        plain, saved = make(lambda f: f), make(tm.checkpoint)
        for slope in (lambda f: f, *map(MODES.get, modes)):
            plain, saved = slope(plain), slope(saved)
            a, b = plain(x).numpy(), saved(x).numpy()
            assert np.abs(a).max() > 1e-3  # a zero would agree with a dropped gradient
            np.testing.assert_allclose(b, a, rtol=1e-12)


def test_of_its_argument():
    def make(wrap):
        return lambda x: (wrap(lambda x: tm.sin(x) * tm.exp(x))(x) ** 2).sum()

    same_to_order_three(make, rng.normal(size=3))


def test_of_a_tracked_tensor_it_closes_over():
    def make(wrap):
        return lambda x: wrap(lambda y: (tm.sin(x) * y * x).sum())(np.array([1.0, 2.0, -1.0]))

    same_to_order_three(make, rng.normal(size=3))


def test_of_both_at_once_and_nested():
    def make(wrap):
        def f(x):
            z = tm.exp(x)
            inner = wrap(lambda y: tm.sin(y * z))
            return wrap(lambda y: (inner(y) * inner(y * x)).sum())(x * x)

        return f

    same_to_order_three(make, rng.normal(size=3))


def test_around_an_inner_gradient():
    """As in MAML: a checkpointed step that is itself a gradient step."""

    def make(wrap):
        def f(x):
            step = wrap(lambda p: p - 0.1 * tm.grad(lambda p: (tm.sin(p) * x * p).sum())(p))
            return (step(step(x)) ** 2).sum()

        return f

    same_to_order_three(make, rng.normal(size=3))


def test_inside_an_inner_gradient():
    def make(wrap):
        def f(x):
            g = tm.grad(lambda p: wrap(lambda p: (tm.sin(p) * p * x).sum())(p))(x)
            return (g * g).sum()

        return f

    same_to_order_three(make, rng.normal(size=3))


def test_trees_in_and_out_with_integers_among_them():
    labels = np.array([2, 0, 1])

    def f(p, i):
        y = tm.take(p["w"], i) * p["b"]
        return {"loss": (y * y).sum(), "picked": i, "y": [y]}

    def loss(wrap):
        return lambda p: (lambda out: out["loss"] + out["y"][0].sum())(wrap(f)(p, labels))

    p = {"w": rng.normal(size=3), "b": rng.normal(size=3)}
    out = tm.checkpoint(f)(p, labels)
    np.testing.assert_array_equal(out["picked"].numpy(), labels)
    a, b = tm.grad(loss(lambda f: f))(p), tm.grad(loss(tm.checkpoint))(p)
    for x, y in zip(tm.tree.leaves(a), tm.tree.leaves(b)):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-14)


def test_an_output_that_does_not_depend_on_an_input():
    f = lambda x: tm.checkpoint(lambda x, y: y * 2.0)(x, x * 1.0).sum()
    assert tm.grad(f)(np.ones(2)).numpy().tolist() == [2, 2]
    g = tm.grad(lambda x: tm.checkpoint(tm.stop_gradient)(x).sum() + x.sum())(np.ones(2))
    assert g.numpy().tolist() == [1, 1]


def test_without_a_derivative_it_leaves_no_history():
    y = tm.checkpoint(lambda x: tm.sin(x))(np.ones(2))
    assert y.serial == 0 and y.inputs == ()


@pytest.mark.parametrize("length", [10, 50])
def test_it_holds_fewer_tensors_while_it_waits(length):
    def body(x):
        for _ in range(length):
            x = tm.sin(x)
        return x

    def held(f):
        gc.collect()
        before = sum(type(o) is tm.Tensor for o in gc.get_objects())
        y, pull = tm.vjp(f, 1.0)
        return sum(type(o) is tm.Tensor for o in gc.get_objects()) - before

    plain, saved = held(body), held(tm.checkpoint(body))
    assert plain >= length and saved < 10


def test_what_it_closes_over_gets_its_cotangents_in_the_same_order():
    """Each call uses x three times: summed call by call, the total would be rounded otherwise."""

    def loss(wrap):
        def f(x):
            y = x
            for _ in range(6):
                y = wrap(lambda y: tm.sin(y * x) + tm.exp(-x) * tm.cos(x))(y)
            return y.sum()

        return f

    x = rng.normal(size=50)
    plain, saved = (tm.grad(loss(wrap))(x).numpy() for wrap in (lambda f: f, tm.checkpoint))
    np.testing.assert_array_equal(saved, plain)


@pytest.mark.parametrize("order", ["forward over reverse", "reverse over forward"])
def test_a_second_derivative_holds_a_segment_at_a_time(order):
    x, v = np.ones(1000), np.ones(1000)

    def segment(x):
        for _ in range(10):
            x = tm.sin(x)
        return x

    def hessian_product(wrap):
        def f(x):
            for _ in range(10):
                x = wrap(segment)(x)
            return x.sum()

        if order == "forward over reverse":
            return tm.hvp(f, x, v)
        return tm.grad(lambda x: tm.jvp(f, (x,), (v,))[1])(x)

    def peak(wrap):
        tracemalloc.start()
        try:
            product = hessian_product(wrap).numpy()
            return tracemalloc.get_traced_memory()[1], product
        finally:
            tracemalloc.stop()

    (plain, expected), (saved, product) = peak(lambda f: f), peak(tm.checkpoint)
    assert saved < plain / 3
    np.testing.assert_array_equal(product, expected)


def test_inside_a_jvp_of_what_it_closes_over_with_integers_among_the_results():
    """Of tensors with a tangent and without; the part is run again when jvp has returned."""
    x, c = rng.normal(size=3), rng.normal(size=3)

    def along(wrap):
        def f(x):
            z = tm.exp(x)
            found = wrap(lambda y, k: {"y": z * tm.take(y, k) * c, "k": k, "c": tm.asarray(c)})
            parts = found(tm.sin(z), np.array([2, 0, 1]))
            assert parts["k"].dtype.kind == "i"
            return (parts["y"] * parts["c"]).sum() + (wrap(lambda k: k)(parts["k"]) * x).sum()

        return lambda x: tm.jvp(f, (x,), (V,))[1]

    for derivative in (tm.grad, lambda f: lambda x: tm.hvp(f, x, V)):
        plain, saved = (derivative(along(wrap))(x).numpy() for wrap in (lambda f: f, tm.checkpoint))
        np.testing.assert_allclose(saved, plain, rtol=1e-13)


def test_its_pullback_is_called_inside_of_another_jvp():
    """So what runs again there has other callers than it had, and keeps what they ask of it."""
    x, u = rng.normal(size=3), rng.normal(size=())

    def of(wrap):
        def f(x):
            _, pull = tm.vjp(
                lambda x: tm.jvp(lambda x: wrap(tm.sin)(x * x).sum(), (x,), (V,))[1], x
            )
            value, tangent = tm.jvp(lambda u: pull(tm.sin(u))[0], (u,), (1.0,))
            return (value * tangent).sum()

        return tm.grad(f)(x).numpy()

    plain = of(lambda f: f)
    assert np.abs(plain).min() > 1e-3
    np.testing.assert_allclose(of(tm.checkpoint), plain, rtol=1e-13)
