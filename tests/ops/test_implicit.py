"""implicit: the derivatives of what is solved, to third order, whoever solved it."""

import itertools
from functools import partial, reduce

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.ops.linear import eliminate
from tinymeta.testing import check_grads, check_identities
from tinymeta.testing.interpreted import interpreted_jit

rng = np.random.default_rng(0)
X, y = rng.normal(size=(8, 3)), rng.normal(size=8)


def newton(a):
    x = 1.0 + 0.0 * a
    for _ in range(6):
        x = 0.5 * (x + a / x)
    return x


def ridge(strength, targets):
    """The minimum of |X w - y|^2 + s |w|^2, found outside of any tape."""
    return np.linalg.solve(X.T @ X + np.asarray(strength) * np.eye(3), X.T @ np.asarray(targets))


def normal_equations(w, strength, targets):
    return X.T @ (X @ w - targets) + strength * w


@pytest.mark.parametrize("linear", ["cg", "dense"])
def test_the_square_root_to_third_order_in_every_mix_of_modes(linear):
    root = tm.implicit(newton, lambda x, a: x * x - a, linear=linear)
    along = lambda f: lambda x: tm.jvp(f, (x,), (np.ones(()),))[1]
    a = np.array(2.0)
    expected = [a**0.5, a**-0.5 / 2, -(a**-1.5) / 4, 3 * a**-2.5 / 8]
    for order in range(4):
        for modes in itertools.product([tm.grad, along], repeat=order):
            found = reduce(lambda f, mode: mode(f), modes, root)(a)
            np.testing.assert_allclose(found, expected[order], rtol=1e-14)


@pytest.mark.parametrize("linear", ["cg", "dense"])
def test_ridge_regression(linear):
    """Its derivatives by s and y are -M w and M X', with M = (X'X + s)^-1."""
    solution = tm.implicit(ridge, normal_equations, linear=linear)
    s = np.array(0.7)
    by_s, by_y = tm.jacobian(solution, (0, 1))(s, y)
    M = np.linalg.inv(X.T @ X + s * np.eye(3))
    np.testing.assert_allclose(by_s, -M @ M @ X.T @ y, rtol=1e-10)
    np.testing.assert_allclose(by_y, M @ X.T, rtol=1e-10, atol=1e-14)
    forward = tm.jacobian(solution, (0, 1), mode="forward")(s, y)
    np.testing.assert_allclose(forward[1], by_y, rtol=1e-10, atol=1e-14)
    check_grads(lambda s: solution(s, y), s, order=2, n_dirs=1, modes=("fwd", "rev"))
    check_identities(solution, s, y)


def test_third_derivatives_of_ridge_regression():
    """d^n w / ds^n = (-1)^n n! M^(n+1) X'y."""
    weights = lambda s: tm.implicit(ridge, normal_equations)(s, y)
    M, f = np.linalg.inv(X.T @ X + 0.7 * np.eye(3)), weights
    for n in (1, 2, 3):
        f = tm.jacobian(f, mode=("reverse", "forward")[n % 2])
        factor = (-1) ** n * np.prod(range(1, n + 1))
        expected = factor * np.linalg.matrix_power(M, n + 1) @ X.T @ y
        np.testing.assert_allclose(f(np.array(0.7)), expected, rtol=1e-9)


def swirl(x, p):
    """Two equations whose Jacobian is not symmetric."""
    u, v = x["u"], x["v"]
    return {"u": u + 0.3 * v * v - p["a"], "v": v - 0.8 * tm.sin(u) + p["b"]}


def iterate(p, steps=40):
    x = {"u": 0.0 * p["a"], "v": 0.0 * p["b"]}
    for _ in range(steps):
        x = tm.tree.map(lambda old, rest: old - rest, x, swirl(x, p))
    return x


P = {"a": np.array([0.4, 0.1]), "b": np.array([0.2, -0.3])}


def test_a_tree_and_a_jacobian_that_is_not_symmetric():
    solution = tm.implicit(iterate, swirl, linear="dense")
    check_grads(solution, P, order=2, n_dirs=1, modes=("fwd",))
    through = tm.jacobian(iterate)(P)
    for a, b in zip(tm.tree.leaves(tm.jacobian(solution)(P)), tm.tree.leaves(through)):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_solver_of_your_own():
    def by_iteration(apply, b):  # a Neumann series
        x = b
        for _ in range(80):
            x = tm.tree.map(lambda x, r, image: x + r - image, x, b, apply(x))
        return x

    own = tm.implicit(iterate, swirl, linear=by_iteration)
    dense = tm.implicit(iterate, swirl, linear="dense")
    f = lambda solution: lambda p: tm.grad(lambda p: (solution(p)["u"] ** 2).sum())(p)
    for a, b in zip(*(map(tm.tree.leaves, (f(own)(P), f(dense)(P))))):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("linear", ["cg", "dense"])
def test_compiled_as_eagerly(linear):
    root = tm.implicit(newton, lambda x, a: x * x - a, linear=linear)
    second = lambda a: tm.jvp(tm.grad(root), (a,), (a,))[1]
    np.testing.assert_allclose(interpreted_jit(second)(np.array(2.0)), -0.5 * 2**-1.5, rtol=1e-14)


def test_the_steps_of_the_solver_are_not_recorded():
    lengths = []

    def counted(p):
        x = iterate(p)
        lengths.append(x["u"].serial)
        return x

    tm.grad(lambda p: tm.implicit(counted, swirl, linear="dense")(p)["u"].sum())(P)
    assert lengths and not any(lengths)


def test_an_integer_argument_and_nothing_to_differentiate():
    solution = tm.implicit(lambda a, k: a * k, lambda x, a, k: x - a * k)
    assert solution(np.array(2.0), 3).item() == 6
    assert tm.grad(solution)(np.array(2.0), np.array(3)).item() == 3


@pytest.mark.parametrize(
    "solve, optimality, linear, words",
    [
        (iterate, lambda x, p: x["u"], "dense", r"arrays of shapes .* one equation for each"),
        (partial(iterate, steps=2), swirl, "dense", "optimality is .* did not converge"),
        (lambda p: {"u": np.nan * p["a"], "v": p["b"]}, swirl, "dense", "optimality is nan of"),
        (iterate, swirl, "cg", "conjugate gradients did not converge in 8 steps"),
        (
            lambda p: {"u": np.array(3), "v": np.array(4)},
            swirl,
            "dense",
            r"solve returned int64\(\): .* of floats",
        ),
    ],
)
def test_what_is_no_solution_is_named(solve, optimality, linear, words):
    with pytest.raises(ValueError, match=words):
        tm.grad(lambda p: tm.implicit(solve, optimality, linear=linear)(p)["u"].sum())(P)


@pytest.mark.parametrize(
    "matrix, linear, words",
    [
        ([[1.0, 1.0], [1.0, 1.0]], "dense", "implicit: the linear system is singular"),
        ([[0.0, 0.0], [0.0, 0.0]], "cg", "curvature along a direction is 0 in 1 of 1"),
        ([[1.0, 0.0], [0.0, -1.0]], "cg", "which are singular or indefinite"),
    ],
)
def test_singular_and_indefinite_systems_are_named(matrix, linear, words):
    zero = lambda a: 0.0 * a
    solution = tm.implicit(zero, lambda x, a: np.array(matrix) @ x - 0.0 * a, linear=linear)
    with pytest.raises(ValueError, match=words):
        tm.grad(lambda a: solution(a).sum())(np.ones(2))


def test_bad_arguments():
    with pytest.raises(ValueError, match="implicit: linear 'lu' is not 'cg' or 'dense'"):
        tm.implicit(newton, newton, linear="lu")
    with pytest.raises(TypeError, match="implicit: optimality must be a function"):
        tm.implicit(newton, 3)
    with pytest.raises(ValueError, match="implicit: tol=-1 must be"):
        tm.implicit(newton, newton, tol=-1)


def test_what_is_closed_over_is_refused():
    f = lambda a: tm.implicit(newton, lambda x, b: x * x - b + 0.0 * a)(2.0 * a)
    with pytest.raises(ValueError, match="closes over a tensor that is being differentiated"):
        tm.grad(f)(np.array(2.0))


@pytest.mark.parametrize("n", [1, 4, 9])
def test_elimination_with_pivots(n):
    A, b = rng.normal(size=(n, n)), rng.normal(size=n)
    A[0, 0] = 0.0 if n > 1 else 1.0
    np.testing.assert_allclose(eliminate(lambda v: A @ v, tm.asarray(b)), np.linalg.solve(A, b))
