"""jvp, hvp, jacobian and hessian against closed forms and against each other."""

import numpy as np
import pytest

import tinymeta as tm

rng = np.random.default_rng(0)
A, x, v = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=3)


def f(x):
    return tm.sin(A @ x) * tm.exp(-x.sum())


def loss(x):
    return (tm.exp(A @ x)).sum()


J = np.cos(A @ x)[:, None] * A * np.exp(-x.sum()) - (np.sin(A @ x) * np.exp(-x.sum()))[:, None]
H = A.T @ (np.exp(A @ x)[:, None] * A)


def test_jacobian():
    np.testing.assert_allclose(tm.jacobian(f)(x).numpy(), J, rtol=1e-12)


def test_jvp_is_the_jacobian_times_the_tangent():
    y, dy = tm.jvp(f, (x,), (v,))
    np.testing.assert_allclose(dy.numpy(), J @ v, rtol=1e-12)
    np.testing.assert_allclose(y.numpy(), np.sin(A @ x) * np.exp(-x.sum()), rtol=1e-14)


def test_jvp_and_vjp_are_adjoint():
    u = rng.normal(size=4)
    _, dy = tm.jvp(f, (x,), (v,))
    _, pull = tm.vjp(f, x)
    np.testing.assert_allclose(u @ dy.numpy(), pull(u)[0].numpy() @ v, rtol=1e-12)


def test_jvp_of_trees_and_several_arguments():
    a, b = {"w": x}, [v]
    da, db = {"w": rng.normal(size=3)}, [rng.normal(size=3)]
    y, dy = tm.jvp(lambda a, b: {"y": a["w"] * b[0] ** 2}, (a, b), (da, db))
    np.testing.assert_allclose(y["y"].numpy(), x * v**2)
    np.testing.assert_allclose(dy["y"].numpy(), da["w"] * v**2 + 2 * x * v * db[0])


def test_hessian_and_hvp():
    np.testing.assert_allclose(tm.hessian(loss)(x).numpy(), H, rtol=1e-12)
    np.testing.assert_allclose(tm.hvp(loss, x, v).numpy(), H @ v, rtol=1e-12)


def test_hvp_of_a_tree():
    """For a^2 b the Hessian is [[2b, 2a], [2a, 0]]."""
    p, u = {"a": np.array(3.0), "b": np.array(5.0)}, {"a": np.array(7.0), "b": np.array(11.0)}
    g = tm.hvp(lambda p: p["a"] ** 2 * p["b"], p, u)
    assert (g["a"].item(), g["b"].item()) == (10 * 7 + 6 * 11, 6 * 7)


def test_reverse_over_reverse_is_forward_over_reverse():
    _, forward = tm.jvp(tm.grad(loss), (x,), (v,))
    np.testing.assert_allclose(forward.numpy(), tm.hvp(loss, x, v).numpy(), rtol=1e-12)


def test_reverse_over_forward_is_the_hessian_again():
    g = tm.grad(lambda x: tm.jvp(loss, (x,), (v,))[1])(x)
    np.testing.assert_allclose(g.numpy(), H @ v, rtol=1e-12)


def test_the_hessian_of_a_pullback():
    """d/dx of <u, J(x) v> by jacobian-of-jacobian and by grad-of-jvp."""
    u = rng.normal(size=4)
    second = tm.jacobian(tm.jacobian(f))(x).numpy()  # (4, 3, 3)
    g = tm.grad(lambda x: (tm.jvp(f, (x,), (v,))[1] * u).sum())(x)
    np.testing.assert_allclose(g.numpy(), np.einsum("i,ijk,j->k", u, second, v), rtol=1e-11)
    np.testing.assert_allclose(second, second.swapaxes(1, 2), rtol=1e-11, atol=1e-13)


def test_third_derivatives_of_a_quadratic_form_in_exp():
    """d3/dt3 of sum exp(a t) is sum a^3 exp(a t), by jvp of jvp of grad."""
    a = rng.normal(size=5)
    slope = tm.grad(lambda t: tm.exp(a * t).sum())
    second = lambda t: tm.jvp(slope, (t,), (np.array(1.0),))[1]
    third = lambda t: tm.jvp(second, (t,), (np.array(1.0),))[1]
    expected = (a**3 * np.exp(0.3 * a)).sum()
    np.testing.assert_allclose(third(np.array(0.3)).item(), expected, rtol=1e-13)


def test_jacobian_of_a_scalar_a_matrix_and_a_tree():
    assert tm.jacobian(lambda x: x**3)(np.array(2.0)).item() == 12
    j = tm.jacobian(lambda p: p["a"] @ p["b"])({"a": A, "b": x})
    assert j["a"].shape == (4, 4, 3) and j["b"].shape == (4, 3)
    np.testing.assert_allclose(j["b"].numpy(), A)
    np.testing.assert_allclose(j["a"].numpy(), np.einsum("ij,k->ijk", np.eye(4), x))


def test_jacobian_of_nothing():
    j = tm.jacobian(lambda x: x[:0])(x)
    assert j.shape == (0, 3) and j.dtype == x.dtype


@pytest.mark.parametrize("tangent", [np.zeros(4), np.zeros(3, np.float32), np.zeros((1, 3))])
def test_a_tangent_unlike_its_argument_is_refused(tangent):
    with pytest.raises(ValueError, match="they must agree"):
        tm.jvp(f, (x,), (tangent,))
    with pytest.raises(ValueError, match="they must agree"):
        tm.hvp(loss, x, tangent)


def test_jacobians_of_trees_arguments_and_keywords():
    def f(a, b, *, scale):
        return {"sum": a * tm.sum(b["x"]) * scale, "y": b["y"] ** 2}

    a, b = np.array([1.0, 2.0]), {"x": np.array([3.0, 4.0, 5.0]), "y": np.array(2.0)}
    j = tm.jacobian(f)(a, b, scale=2.0)
    np.testing.assert_allclose(j["sum"], 24.0 * np.eye(2))
    assert j["y"].shape == (2,) and not j["y"].numpy().any()
    j = tm.jacobian(f, 1)(a, b, scale=2.0)
    np.testing.assert_allclose(j["sum"]["x"], 2.0 * a[:, None] * np.ones(3))
    assert j["sum"]["y"].shape == (2,) and j["y"]["y"].item() == 4.0
    both = tm.jacobian(f, (0, -1))(a, b, scale=2.0)
    np.testing.assert_allclose(both["sum"][1]["x"], j["sum"]["x"])
    compiled = tm.jit(lambda a, b: tm.jacobian(f, (0, 1))(a, b, scale=2.0))(a, b)
    np.testing.assert_allclose(compiled["sum"][0], 24.0 * np.eye(2))


def test_the_hessian_of_a_tree_is_a_tree_of_blocks():
    def f(p, c):
        return c * tm.sum(p["w"] ** 2) * p["b"] ** 3

    p = {"w": np.array([1.0, 2.0]), "b": np.array(2.0)}
    H = tm.hessian(f)(p, 0.5)
    np.testing.assert_allclose(H["w"]["w"], 0.5 * 2 * 8 * np.eye(2))
    np.testing.assert_allclose(H["w"]["b"], 0.5 * 2 * p["w"] * 12)
    np.testing.assert_allclose(H["b"]["w"], H["w"]["b"])
    assert H["b"]["b"].item() == 0.5 * 5 * 12
    assert tm.hessian(lambda c, x: x**3 * c, 1)(2.0, np.array(3.0)).item() == 36


@pytest.mark.parametrize("of", [tm.grad, tm.value_and_grad, tm.jacobian, tm.hessian])
@pytest.mark.parametrize(
    "argnum, error, words",
    [
        ((0, 0), ValueError, "names one of the 2 arguments twice"),
        ((1, -1), ValueError, "names one of the 2 arguments twice"),
        ([0, 1], TypeError, r"argnum \[0, 1\] must be the number of an argument, or a tuple"),
        ((), TypeError, "must be the number of an argument"),
        (2, ValueError, "out of range"),
        ("x", TypeError, "must be the number"),
        (0.0, TypeError, "must be the number"),
    ],
)
def test_which_argument_is_meant(of, argnum, error, words):
    with pytest.raises(error, match=words):
        of(lambda x, y: x * y, argnum)(2.0, 3.0)


@pytest.mark.parametrize("of", [tm.grad, tm.value_and_grad, tm.jacobian, tm.hessian])
def test_a_bool_is_no_number_of_an_argument(of):
    """grad(f, True) is meant as has_aux, not as argument 1."""
    with pytest.raises(TypeError, match="argnum True must be the number of an argument"):
        of(lambda x, y: x * y, True)(2.0, 3.0)


@pytest.mark.parametrize(
    "f, found",
    [
        (tm.argmax, r"int64\(\)"),
        (lambda x: x > 0, r"bool\(3,\)"),
        (lambda x: {"y": x, "n": x.astype(int)}, r"int64\(3,\) at \['n'\]"),
        (lambda x: 3, r"int64\(\)"),
    ],
)
def test_the_jacobian_of_what_is_not_floating_is_refused(f, found):
    with pytest.raises(ValueError, match=f"jacobian needs floating results, got {found}: "):
        tm.jacobian(f)(x)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, bool])
def test_integer_tangents_and_cotangents_become_floats(dtype):
    """As integers that meet floats do; SciPy asks a Hessian product about a vector of int8."""
    u = np.array([1, 0, 1]).astype(dtype)
    np.testing.assert_allclose(tm.hvp(loss, x, u).numpy(), H @ u, rtol=1e-12)
    np.testing.assert_allclose(tm.jvp(f, (x,), (tm.asarray(u),))[1].numpy(), J @ u, rtol=1e-12)
    np.testing.assert_allclose(tm.vjp(tm.exp, x)[1](u)[0].numpy(), np.exp(x) * u, rtol=1e-12)
    compiled = tm.jit(lambda x, u: tm.hvp(loss, x, u))(x, u)
    np.testing.assert_allclose(compiled.numpy(), H @ u, rtol=1e-12)


def test_the_hessian_for_two_arguments_is_a_tuple_of_blocks():
    (aa, ab), (ba, bb) = tm.hessian(lambda a, b: tm.sum(a) ** 2 * b, (0, 1))(x, np.array(3.0))
    np.testing.assert_allclose(aa.numpy(), np.full((3, 3), 6.0), rtol=1e-12)
    np.testing.assert_allclose(ab.numpy(), np.full(3, 2 * x.sum()), rtol=1e-12)
    np.testing.assert_allclose(ba.numpy(), ab.numpy(), rtol=1e-12)
    assert bb.shape == () and bb.item() == 0
