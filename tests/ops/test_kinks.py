"""Where a function has no derivative, the documented choice; and powers at 0, where it has one."""

import numpy as np
import pytest

import tinymeta as tm


def derivatives(f, x, order):
    """f, f', f'', ... at the point x."""
    values = []
    for _ in range(order + 1):
        values.append(float(f(np.array(x))))
        f = tm.grad(f)
    return values


@pytest.mark.parametrize("f, expected", [
    (lambda x: tm.relu(x), [0, 0, 0, 0]),
    (lambda x: tm.abs(x), [0, 0, 0, 0]),
    (lambda x: tm.sqrt(x), [0, 0, 0, 0]),
    (lambda x: tm.sign(x), [0, 0, 0, 0]),
    (lambda x: tm.relu(x) * x, [0, 0, 0, 0]),
    (lambda x: tm.asarray(x) ** 0.5, [0, 0, 0, 0]),
    (lambda x: tm.asarray(x) ** 2, [0, 0, 2, 0]),
    (lambda x: tm.square(x), [0, 0, 2, 0]),
    (lambda x: tm.asarray(x) ** 3, [0, 0, 0, 6]),
    (lambda x: tm.asarray(x) ** 3.0, [0, 0, 0, 6]),
    (lambda x: tm.asarray(x) ** np.int64(3), [0, 0, 0, 6]),
    (lambda x: tm.asarray(x) ** np.float32(3), [0, 0, 0, 6]),
    (lambda x: (1 + tm.asarray(x)) ** 4 - 1, [0, 4, 12, 24]),
    (lambda x: tm.asarray(x) ** 1 + tm.asarray(x) ** 0, [1, 1, 0, 0]),
    (lambda x: tm.softplus(x), [np.log(2), 1 / 2, 1 / 4, 0]),
    (lambda x: tm.sigmoid(x), [1 / 2, 1 / 4, 0, -1 / 8]),
    (lambda x: tm.tanh(x), [0, 1, 0, -2]),
    (lambda x: tm.expm1(x), [0, 1, 1, 1]),
    (lambda x: tm.log1p(x), [0, 1, -1, 2]),
])
def test_at_zero_to_third_order(f, expected):
    np.testing.assert_allclose(derivatives(f, 0.0, 3), expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("exponent", [2, 3, 4, -1, -2, 2.0])
def test_integer_powers_of_negative_numbers(exponent):
    n, expected, factor = exponent, [], 1.0
    for k in range(4):
        expected.append(factor * (-2.0) ** (n - k) if factor else 0.0)
        factor *= n - k
    found = derivatives(lambda x: tm.asarray(x) ** exponent, -2.0, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_the_norm_of_nothing_but_zeros_has_gradient_zero():
    x = np.zeros((2, 3))
    assert not tm.grad(lambda x: tm.norm(x, axis=1).sum())(x).numpy().any()
    assert not tm.hessian(lambda x: tm.norm(x))(np.zeros(3)).numpy().any()


def test_the_second_derivative_of_a_norm_elsewhere():
    h = tm.hessian(tm.norm)(np.array([3.0, 4.0])).numpy()       # (I - n n') / 5, n = (0.6, 0.8)
    np.testing.assert_allclose(h, [[0.128, -0.096], [-0.096, 0.072]], rtol=1e-13)


# ---- ties share ---------------------------------------------------------------------------------

@pytest.mark.parametrize("f", [tm.maximum, tm.minimum])
def test_two_that_tie_share_equally(f):
    a = np.array([1.0, 2.0, 3.0])
    b = np.array([2.0, 2.0, 2.0])
    ga, gb = tm.grad(lambda a, b: (f(a, b) * np.array([3.0, 5.0, 7.0])).sum(), (0, 1))(a, b)
    won = (a > b) if f is tm.maximum else (a < b)
    np.testing.assert_array_equal(ga.numpy(), np.where(a == b, 2.5, np.where(won, [3, 5, 7], 0)))
    np.testing.assert_array_equal(ga.numpy() + gb.numpy(), [3, 5, 7])


@pytest.mark.parametrize("f, best", [(tm.max, 4.0), (tm.min, -4.0)])
def test_all_that_tie_share_equally(f, best):
    x = np.array([[best, 0.0, best, best], [0.0, best, 1.0, -1.0]])
    g = tm.grad(lambda x: (f(x, axis=1) * np.array([3.0, 5.0])).sum())(x)
    np.testing.assert_allclose(g.numpy(), [[1, 0, 1, 1], [0, 5, 0, 0]])


def test_clip_shares_at_its_limits():
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert tm.clip(x, -1, 1).numpy().tolist() == [-1, -1, 0, 1, 1]
    assert tm.grad(lambda x: tm.clip(x, -1, 1).sum())(x).numpy().tolist() == [0, 0.5, 1, 0.5, 0]


def test_argmax_takes_the_first():
    x = np.array([[1.0, 3.0, 3.0], [3.0, 1.0, 3.0]])
    assert tm.argmax(x, axis=1).numpy().tolist() == [1, 0]
    assert tm.argmax(x, axis=0).numpy().tolist() == [1, 0, 0]
    assert tm.argmax(x).item() == 1


def test_max_pooling_takes_the_first_in_row_major_order():
    x = np.array([[5.0, 7.0, 1.0, 2.0],
                  [7.0, 7.0, 2.0, 2.0]]).reshape(1, 2, 4, 1)
    g = tm.grad(lambda x: (tm.max_pool2d(x) * np.array([3.0, 5.0]).reshape(1, 1, 2, 1)).sum())(x)
    np.testing.assert_array_equal(g.numpy()[0, :, :, 0], [[0, 3, 0, 5], [0, 0, 0, 0]])


def test_logsumexp_shares_where_all_tie():
    x = np.full(4, 1e3)
    np.testing.assert_allclose(tm.logsumexp(x).item(), 1e3 + np.log(4), rtol=1e-15)
    np.testing.assert_allclose(tm.grad(tm.logsumexp)(x).numpy(), [0.25] * 4, rtol=1e-12)


# ---- a hidden branch -----------------------------------------------------------------------------

def test_where_gives_the_gradient_to_the_branch_taken():
    c, a, b = np.array([True, False]), np.array([2.0, 3.0]), np.array([5.0, 7.0])
    ga, gb = tm.grad(lambda a, b: (tm.where(c, a * a, b * b)).sum(), (0, 1))(a, b)
    assert ga.numpy().tolist() == [4, 0] and gb.numpy().tolist() == [0, 14]


def test_a_safe_input_makes_where_safe():
    def f(x):
        positive = x > 0
        return tm.where(positive, tm.log(tm.where(positive, x, 1.0)), 0.0).sum()
    assert tm.grad(f)(np.array([0.0, 2.0])).numpy().tolist() == [0, 0.5]


@pytest.mark.parametrize("f", [tm.sigmoid, tm.softplus, tm.tanh,
                               lambda x: tm.log_softmax(tm.stack([x, -x], -1)).sum()])
def test_no_overflow_far_from_zero(f):
    """With warnings as errors, an overflow anywhere would raise."""
    x = np.array([-1e4, -30.0, 30.0, 1e4])
    for _ in range(3):
        assert np.isfinite(tm.asarray(f(x)).numpy()).all()
        f = (lambda f: tm.grad(lambda x: tm.asarray(f(x)).sum()))(f)


def test_the_derivatives_of_a_general_power():
    """d/db a^b = a^b log a; taken as 0 where a <= 0."""
    a, b = np.array([2.0, 3.0, 0.0]), np.array([3.0, 0.0, 2.0])
    ga, gb = tm.grad(lambda a, b: (a ** b).sum(), (0, 1))(tm.tensor(a), tm.tensor(b))
    np.testing.assert_allclose(ga.numpy(), [12, 0, 0], rtol=1e-15)
    np.testing.assert_allclose(gb.numpy(), [8 * np.log(2), np.log(3), 0], rtol=1e-15)
