"""Where a function has no derivative, the documented choice; and powers at 0, where it has one."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing.interpreted import interpreted_jit


def derivatives(f, x, order):
    """f, f', f'', ... at the point x."""
    values = []
    for _ in range(order + 1):
        values.append(float(f(np.array(x))))
        f = tm.grad(f)
    return values


@pytest.mark.parametrize(
    "f, expected",
    [
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
    ],
)
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
    h = tm.hessian(tm.norm)(np.array([3.0, 4.0])).numpy()  # (I - n n') / 5, n = (0.6, 0.8)
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
    x = np.array([[5.0, 7.0, 1.0, 2.0], [7.0, 7.0, 2.0, 2.0]]).reshape(1, 2, 4, 1)
    g = tm.grad(lambda x: (tm.max_pool2d(x) * np.array([3.0, 5.0]).reshape(1, 1, 2, 1)).sum())(x)
    np.testing.assert_array_equal(g.numpy()[0, :, :, 0], [[0, 3, 0, 5], [0, 0, 0, 0]])


def test_logsumexp_shares_where_all_tie():
    x = np.full(4, 1e3)
    np.testing.assert_allclose(tm.logsumexp(x).item(), 1e3 + np.log(4), rtol=1e-15)
    np.testing.assert_allclose(tm.grad(tm.logsumexp)(x).numpy(), [0.25] * 4, rtol=1e-12)


NAN = np.nan


@pytest.mark.parametrize("f", [tm.maximum, tm.minimum])
def test_of_two_a_nan_is_taken_and_gets_the_gradient(f):
    a, b = np.array([NAN, 1.0, NAN, 1.0]), np.array([1.0, NAN, NAN, 1.0])
    assert np.isnan(f(a, b).numpy()[:3]).all()
    ga, gb = tm.grad(lambda a, b: f(a, b).sum(), (0, 1))(a, b)
    assert ga.numpy().tolist() == [1, 0, 0.5, 0.5] and gb.numpy().tolist() == [0, 1, 0.5, 0.5]


@pytest.mark.parametrize("f", [tm.max, tm.min])
def test_of_many_the_nans_are_taken_and_share_the_gradient(f):
    x = np.array([[1.0, NAN, 3.0, NAN], [5.0, 2.0, 2.0, 5.0]])
    assert np.isnan(f(x, axis=1).numpy()).tolist() == [True, False]
    g = tm.grad(lambda x: f(x, axis=1).sum())(x).numpy()
    assert g[0].tolist() == [0, 0.5, 0, 0.5] and g[1].sum() == 1


# ---- what is not selected -----------------------------------------------------------------------

# By name a function of x that is 0 at the point, where it is flat: a piece not selected, or a kink.
FLAT = {
    "relu(x) at -1": (tm.relu, -1.0),
    "relu(x) at 0": (tm.relu, 0.0),
    "abs(x) at 0": (tm.abs, 0.0),
    "sqrt(x) at 0": (tm.sqrt, 0.0),
    "x ** 0.5 at 0": (lambda x: x**0.5, 0.0),
    "maximum(x, 0) at -1": (lambda x: tm.maximum(x, 0.0), -1.0),
    "minimum(0, x) at 1": (lambda x: tm.minimum(0.0, x), 1.0),
    "clip(x, 0, 1) at -1": (lambda x: tm.clip(x, 0, 1), -1.0),
    "clip(x, -1, 0) at 1": (lambda x: tm.abs(tm.clip(x, -1, 0)), 1.0),
    "where(x > 0, x, 0) at -1": (lambda x: tm.where(x > 0, x, 0.0), -1.0),
    "max(x, 0) at -1": (lambda x: tm.max(tm.stack([x, tm.zeros_like(x)]), 0), -1.0),
    "min(x, 0) at 1": (lambda x: tm.min(tm.stack([x, tm.zeros_like(x)]), 0), 1.0),
}
STEEP = {
    "log": tm.log,
    "1 / ": lambda y: 1 / y,
    "sqrt": tm.sqrt,
    "** -2": lambda y: y**-2,
    "log of -": lambda y: tm.log(-y),
    "rsqrt": tm.rsqrt,
}


@pytest.mark.parametrize("flat", FLAT)
@pytest.mark.parametrize("steep", STEEP)
def test_what_is_not_selected_gets_exactly_zero(flat, steep):
    """An infinite slope beyond makes nothing of it, neither hidden in a `where` nor open."""
    (f, x), g = FLAT[flat], STEEP[steep]
    with np.errstate(all="ignore"):
        for h in (lambda x: g(f(x)), lambda x: tm.where(x > 3, g(f(x)), 0.0)):
            assert derivatives(h, x, 3)[1:] == [0, 0, 0]


def test_what_is_not_selected_gets_exactly_zero_compiled():
    @interpreted_jit
    def slopes(*xs):
        hs = [lambda x, f=f: tm.log(f(x)) for f, _ in FLAT.values()]
        first = [tm.grad(h) for h in hs]
        return [[d(x) for d, x in zip(ds, xs)] for ds in (first, map(tm.grad, first))]

    with np.errstate(all="ignore"):
        found = slopes(*(np.array(x) for _, x in FLAT.values()))
    assert [[g.item() for g in order] for order in found] == [[0] * len(FLAT)] * 2


@pytest.mark.parametrize("f", [tm.relu, tm.abs, tm.sqrt])
def test_what_is_selected_keeps_its_derivatives(f):
    with np.errstate(all="ignore"):
        x = np.array([0.0, 2.0])
        found = tm.grad(lambda x: tm.log(f(x)).sum())(x).numpy()
    np.testing.assert_allclose(found, [0, 0.25 if f is tm.sqrt else 0.5], rtol=1e-15)


# ---- powers of tensors --------------------------------------------------------------------------


def by_the_base(x, p):
    """x ** p and its first three derivatives by x."""
    f, found = (lambda x: x**p), []
    for _ in range(4):
        found.append(f(x))
        f = tm.grad(f)
    return found


compiled = interpreted_jit(by_the_base)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, 4.0, 0.5, 1.5, 2.5, -1.0, -0.5, NAN])
@pytest.mark.parametrize("x", [0.0, 2.0, -2.0])
def test_a_tensor_exponent_is_as_a_number(p, x):
    """Also one that jit is given, whatever number it is."""
    x = tm.asarray(np.array(x))
    with np.errstate(all="ignore"):
        number, tensor, traced = (
            np.array([y.item() for y in found])
            for found in (
                by_the_base(x, p),
                by_the_base(x, tm.asarray(np.array(p))),
                compiled(x, p),
            )
        )
    np.testing.assert_allclose(tensor, number, rtol=1e-13)
    np.testing.assert_allclose(traced, number, rtol=1e-13)


@pytest.mark.parametrize("x", [0.0, -2.0])
@pytest.mark.parametrize("p", [2.0, 0.0, -1.0])
def test_the_derivatives_by_an_exponent_are_zero_unless_x_is_positive(x, p):
    with np.errstate(all="ignore"):
        assert derivatives(lambda p: tm.asarray(np.array(x)) ** p, p, 3)[1:] == [0, 0, 0]
        assert tm.grad(lambda p: 1 / tm.asarray(np.array(x)) ** p)(np.array(p)).item() == 0


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


@pytest.mark.parametrize(
    "f", [tm.sigmoid, tm.softplus, tm.tanh, lambda x: tm.log_softmax(tm.stack([x, -x], -1)).sum()]
)
def test_no_overflow_far_from_zero(f):
    """With warnings as errors, an overflow anywhere would raise."""
    x = np.array([-1e4, -30.0, 30.0, 1e4])
    for _ in range(3):
        assert np.isfinite(tm.asarray(f(x)).numpy()).all()
        f = (lambda f: tm.grad(lambda x: tm.asarray(f(x)).sum()))(f)


def test_the_derivatives_of_a_general_power():
    """d/db a^b = a^b log a; taken as 0 where a <= 0."""
    a, b = np.array([2.0, 3.0, 0.0]), np.array([3.0, 0.0, 2.0])
    ga, gb = tm.grad(lambda a, b: (a**b).sum(), (0, 1))(tm.tensor(a), tm.tensor(b))
    np.testing.assert_allclose(ga.numpy(), [12, 0, 0], rtol=1e-15)
    np.testing.assert_allclose(gb.numpy(), [8 * np.log(2), np.log(3), 0], rtol=1e-15)
