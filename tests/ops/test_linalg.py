"""`tm.linalg`: NumPy's values, closed forms of the derivatives, how exact, what is refused."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cpu.factor import SMALL
from tinymeta.testing import check_grads

rng = np.random.default_rng(0)
SIZES = (0, 1, 2, 5, SMALL, SMALL + 1, 2 * SMALL + 3)


def definite(*shape):
    a = rng.normal(size=(*shape, shape[-1]))
    return a @ a.swapaxes(-1, -2) + np.eye(shape[-1])


def with_condition(m, n, condition):
    """A matrix of these singular values: from 1 down to 1 / condition."""
    u, v = (np.linalg.qr(rng.normal(size=(k, k)))[0] for k in (m, n))
    return u[:, :n] * np.geomspace(1, 1 / condition, n) @ v.T


def close(found, expected, rtol=1e-9):
    scale = np.abs(expected).max(initial=0.0)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=rtol, atol=rtol * scale)


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
def test_what_numpy_computes(n):
    a, b = rng.normal(size=(3, n, n)) + 3 * np.eye(n), rng.normal(size=(3, n, 2))
    s = definite(3, n)
    close(tm.linalg.cholesky(s), np.linalg.cholesky(s))
    close(tm.linalg.solve(a, b), np.linalg.solve(a, b))
    close(tm.linalg.inv(a), np.linalg.inv(a))
    close(tm.linalg.det(a), np.linalg.det(a))
    for mine, theirs in zip(tm.linalg.slogdet(a), np.linalg.slogdet(a)):
        close(mine, theirs)
    for lower, part in ((True, np.tril), (False, np.triu)):
        triangle = s + 0.1 * a
        expected = np.linalg.solve(part(triangle), b)
        close(tm.linalg.solve_triangular(triangle, b, lower=lower), expected)


@pytest.mark.parametrize("m, n", [(7, 3), (3, 7), (4, 4), (80, 70)])
@pytest.mark.parametrize("columns", [(), (2,)])
def test_least_squares(m, n, columns):
    a, b = rng.normal(size=(m, n)), rng.normal(size=(m, *columns))
    found, expected = tm.linalg.lstsq(a, b), np.linalg.lstsq(a, b, rcond=None)
    close(found.x, expected[0])
    close(found.residuals, expected[1])
    assert found.rank == expected[2] and found.s is None


def test_leading_axes_broadcast_and_a_vector_is_one_column():
    a, b = rng.normal(size=(2, 1, 3, 3)), rng.normal(size=(4, 3, 2))
    wide_a, wide_b = np.broadcast_to(a, (2, 4, 3, 3)), np.broadcast_to(b, (2, 4, 3, 2))
    expected = np.linalg.solve(wide_a, wide_b)
    close(tm.linalg.solve(a, b), expected)
    close(tm.linalg.solve(a[0, 0], b[0, :, 0]), expected[0, 0, :, 0])
    close(tm.linalg.solve(a, b[0, :, 0]), expected[:, :1, :, 0])
    close(tm.linalg.solve_triangular(a, b), np.linalg.solve(np.triu(wide_a), wide_b))
    tall = rng.normal(size=(4, 5, 3))
    one_by_one = [np.linalg.lstsq(x, np.ones(5), rcond=None)[0] for x in tall]
    close(tm.linalg.lstsq(tall, np.ones(5)).x, np.array(one_by_one))


def test_rows_change_places_and_the_sign_of_a_determinant_is_kept():
    for _ in range(10):
        order = rng.permutation(6)
        a = np.eye(6)[order] * rng.choice([-1.0, 1.0], 6)
        sign, log_size = tm.linalg.slogdet(a)
        assert sign.item() == round(np.linalg.det(a)) and log_size.item() == 0
    close(tm.linalg.solve([[0.0, 2.0], [3.0, 0.0]], [2.0, 3.0]), np.ones(2, np.float32))


def test_float32_stays_and_integers_become_it():
    a = np.array([[2, 1], [1, 3]])
    for given in (a, a.astype(np.float32)):
        assert tm.linalg.inv(given).dtype == tm.linalg.cholesky(given).dtype == np.float32
    with pytest.raises(TypeError, match="^inv has no loop for float16: cast to float32 or"):
        tm.linalg.inv(a.astype(np.float16))


# ---- derivatives ---------------------------------------------------------------------------------

FUNCTIONS = {
    "cholesky": lambda a, b: tm.linalg.cholesky(a @ tm.swapaxes(a, -1, -2)),
    "solve": tm.linalg.solve,
    "inv": lambda a, b: tm.linalg.inv(a),
    "det": lambda a, b: tm.linalg.det(a),
    "slogdet": lambda a, b: tm.linalg.slogdet(a).logabsdet,
    "lstsq": lambda a, b: tm.linalg.lstsq(a, b).x,
    "tall": lambda a, b: tm.linalg.lstsq(a[..., :2], b).x,
    "wide": lambda a, b: tm.linalg.lstsq(a[..., :2, :], b[..., :2, :]).x,
    "lower": lambda a, b: tm.linalg.solve_triangular(a, b, lower=True),
    "upper": lambda a, b: tm.linalg.solve_triangular(a, b),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_to_the_third_order(name):
    """Over differences, in reverse mode; in both, mixed, to the second."""
    a, b = rng.normal(size=(2, 3, 3)) + 3 * np.eye(3), rng.normal(size=(2, 3, 2))
    check_grads(FUNCTIONS[name], a, b, order=3)
    check_grads(FUNCTIONS[name], a, b, order=2, modes=("fwd", "rev"))


def test_gradients_by_their_closed_forms():
    a, b, g = rng.normal(size=(5, 5)) + 4 * np.eye(5), rng.normal(size=5), rng.normal(size=5)
    inverse = np.linalg.inv(a)
    close(tm.grad(lambda a: tm.linalg.slogdet(a).logabsdet)(a), inverse.T)
    close(tm.grad(tm.linalg.det)(a), np.linalg.det(a) * inverse.T)
    of_a, of_b = tm.grad(lambda a, b: (tm.linalg.solve(a, b) * g).sum(), (0, 1))(a, b)
    close(of_b, inverse.T @ g)
    close(of_a, -np.outer(inverse.T @ g, inverse @ b))
    s = definite(5)
    roots = lambda s: tm.sum(tm.linalg.cholesky(s) * np.eye(5), -1)
    close(tm.grad(lambda s: 2 * tm.log(roots(s)).sum())(s), np.linalg.inv(s))  # symmetric


# ---- how exact -----------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
def test_the_error_of_a_solution_and_its_gradient_grows_with_the_condition_alone(condition):
    """And no faster: by normal equations it would be its square."""
    n, eps = 20, np.finfo(float).eps
    a, x = with_condition(n, n, condition), rng.normal(size=n)
    found = tm.linalg.solve(a, a @ x).numpy()
    assert np.abs(found - x).max() < 20 * condition * eps * np.abs(x).max()
    g = rng.normal(size=n)
    back = a.T @ g  # so that the cotangent of b is g
    of_a, of_b = tm.grad(lambda a, b: (tm.linalg.solve(a, b) * back).sum(), (0, 1))(a, a @ x)
    assert np.abs(of_b.numpy() - g).max() < 20 * condition * eps * np.abs(g).max()
    expected = -np.outer(g, x)
    assert np.abs(of_a.numpy() - expected).max() < 50 * condition * eps * np.abs(expected).max()


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e7])
def test_least_squares_are_as_exact_as_by_reflections(condition):
    """Of a right side that the matrix reaches: once alone, they would be off by the square."""
    a, x = with_condition(40, 10, condition), rng.normal(size=10)
    found = tm.linalg.lstsq(a, a @ x).x.numpy()
    assert np.abs(found - x).max() < 20 * condition * np.finfo(float).eps * np.abs(x).max()


def test_a_condition_that_least_squares_cannot_tell_from_a_lost_rank():
    a = with_condition(40, 10, 1e12)
    with pytest.raises(np.linalg.LinAlgError, match="^lstsq: the matrix is without full rank, or"):
        tm.linalg.lstsq(a, np.ones(40))


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: tm.linalg.cholesky(-np.eye(2)), np.linalg.LinAlgError, "the matrix is not posit"),
        (
            lambda: tm.linalg.cholesky(np.stack([np.eye(2), np.zeros((2, 2))])),
            np.linalg.LinAlgError,
            "1 of 2 matrices are not positive definite: add a multiple of the identity",
        ),
        (lambda: tm.linalg.solve(np.ones((2, 2)), [1, 2]), np.linalg.LinAlgError, "the matrix is"),
        (lambda: tm.linalg.inv(np.zeros((3, 3))), np.linalg.LinAlgError, "the matrix is singular"),
        (
            lambda: tm.linalg.solve_triangular(np.tri(2, 2, -1), np.ones(2)),
            np.linalg.LinAlgError,
            "the matrix is singular, with a 0 on its diagonal",
        ),
        (lambda: tm.linalg.solve(np.eye(3), np.ones(2)), ValueError, r"\(3, 3\) and \(2,\) do not"),
        (lambda: tm.linalg.solve(np.ones((2, 3)), np.ones(2)), ValueError, "the last two axes of"),
        (lambda: tm.linalg.det(np.ones(3)), ValueError, "the last two axes of"),
        (lambda: tm.linalg.slogdet(np.ones((2, 3))), ValueError, "the last two axes of"),
        (lambda: tm.linalg.cholesky(np.ones((2, 3))), ValueError, "the last two axes of"),
        (
            lambda: tm.linalg.solve(np.ones((2, 3, 3)), np.ones((4, 3, 1))),
            ValueError,
            "the leading axes of",
        ),
    ],
)
def test_one_sentence(call, error, words):
    with pytest.raises(error, match=words) as found:
        call()
    assert "\n" not in str(found.value)


def test_a_nan_is_no_reason_to_refuse():
    a = np.eye(3)
    a[1, 1] = np.nan
    assert np.isnan(tm.linalg.cholesky(a).numpy()).any()
    assert np.isnan(tm.linalg.solve(a, np.ones(3)).numpy()).any()


def test_a_singular_determinant_is_zero():
    assert tm.linalg.det(np.ones((3, 3))).item() == 0
    with np.errstate(divide="ignore"):
        sign, log_size = tm.linalg.slogdet(np.zeros((2, 2)))
    assert (sign.item(), log_size.item()) == (0, -np.inf)


# ---- compiled ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_program_gives_what_eager_mode_gives(name):
    a, b = rng.normal(size=(4, 3, 3)) + 3 * np.eye(3), rng.normal(size=(4, 3, 2))

    def both(a, b):
        f = lambda a: (tm.square(FUNCTIONS[name](a, b))).sum()
        return FUNCTIONS[name](a, b), tm.grad(f)(a)

    for mine, compiled in zip(both(a, b), tm.jit(both)(a, b)):
        close(compiled, mine.numpy(), 1e-12)


def test_a_program_says_nan_where_eager_mode_raises():
    indefinite = np.stack([np.eye(2), -np.eye(2)])
    found = tm.jit(lambda a: tm.linalg.cholesky(a * 1.0))(indefinite).numpy()
    assert np.isfinite(found[0]).all() and np.isnan(found[1]).any()
    with np.errstate(all="ignore"):
        found = tm.jit(lambda a: tm.linalg.inv(a * 1.0))(np.stack([np.eye(2), np.ones((2, 2))]))
    assert np.isfinite(found.numpy()[0]).all() and not np.isfinite(found.numpy()[1]).any()
