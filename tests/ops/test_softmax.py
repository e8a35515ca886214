"""The softmax family where it is delicate: large logits, masks, infinite maxima, empty axes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.testing.interpreted import interpreted_jit

INF = np.inf
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])
MODES = pytest.mark.parametrize("mode", [lambda f: f, interpreted_jit], ids=["eager", "jit"])
FAMILY = [tm.softmax, tm.log_softmax, tm.logsumexp]


def exact(x):
    """log_softmax in long double, of the differences to the maximum."""
    x = np.asarray(x, np.longdouble)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@FLOATS
@MODES
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_shift_of_any_size_changes_nothing(mode, dtype, data):
    """Logits k and offset + k, with an offset at which every k is exact."""
    k = np.array(data.draw(st.lists(st.integers(-8, 8), min_size=1, max_size=4)), dtype)
    offset = 2.0 ** data.draw(st.integers(0, 20 if dtype == np.float32 else 48))
    x = (k + offset * data.draw(st.sampled_from([-1, 1]))).astype(dtype)
    tol = dict(rtol=8 * np.finfo(dtype).eps, atol=2 * np.finfo(dtype).eps)  # log(1 + little)
    np.testing.assert_allclose(mode(tm.log_softmax)(x), exact(k), **tol)
    np.testing.assert_allclose(mode(tm.softmax)(x), np.exp(exact(k)), **tol)


@FLOATS
@pytest.mark.parametrize("size", [1e6, 1e8, 1e17])
def test_two_equal_logits_are_even(dtype, size):
    x = np.full(2, size, dtype)
    np.testing.assert_array_equal(tm.softmax(x), [0.5, 0.5])
    np.testing.assert_allclose(tm.log_softmax(x), [-np.log(2)] * 2, rtol=1e-7)
    loss = tm.losses.cross_entropy(x[None], np.array([1]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-7)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@FLOATS
@MODES
@pytest.mark.parametrize(
    "x, value",
    [
        ([-INF, -INF], -INF),
        ([INF, 0.0], INF),
        ([INF, INF], INF),
        ([-INF, INF], INF),
        ([-INF, 3.0], 3.0),
    ],
)
def test_logsumexp_of_infinite_values(mode, dtype, x, value):
    found = mode(tm.logsumexp)(np.array(x, dtype))
    assert found.dtype == dtype and found.item() == value


def slope(f):
    """The gradient of the sum of squares of f: of order one more, and not 0 as that of a sum is."""
    return tm.grad(lambda z: (f(z) ** 2).sum())


@FLOATS
@MODES
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_masked_class_is_as_one_that_is_not_there(mode, dtype, data):
    """Values and gradients to order 3 of logits with -inf are those without, with zeros between."""
    z = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=2, max_size=4)), dtype)
    there = np.array(data.draw(st.lists(st.booleans(), min_size=len(z), max_size=len(z))))
    there[data.draw(st.integers(0, len(z) - 1))] = True
    masked, label = np.where(there, z, -INF).astype(dtype), int(np.argmax(there))

    def loss(z, label):
        return tm.losses.cross_entropy(tm.asarray(z)[None], np.array([label]))

    f, g = (lambda z: loss(z, label)), (lambda z: loss(z, 0))
    for order in range(4):
        ours, theirs = np.asarray(mode(f)(masked)), np.asarray(g(z[there]))
        if order:
            assert (ours[~there] == 0).all()
            ours = ours[there]
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=20 * np.finfo(dtype).eps)
        f, g = slope(f), slope(g)


@MODES
def test_of_an_empty_axis(mode):
    x = np.zeros((3, 0), np.float32)
    for f in (tm.softmax, tm.log_softmax):
        assert mode(f)(x).shape == (3, 0) and mode(tm.grad(lambda x: f(x).sum()))(x).shape == (3, 0)
        assert mode(f)(np.zeros((0, 3))).shape == (0, 3)
    found = mode(lambda x: tm.logsumexp(x, -1))(x)
    np.testing.assert_array_equal(found, np.full(3, -INF, np.float32))
    assert mode(lambda x: tm.logsumexp(x, 1, keepdims=True))(x).shape == (3, 1)
    assert mode(tm.grad(lambda x: tm.logsumexp(x, -1).sum()))(x).shape == (3, 0)


@pytest.mark.parametrize("f", FAMILY)
def test_errors_name_the_function_that_was_called(f):
    with pytest.raises(ValueError, match=f"^{f.__name__}: axis 2 is out of range"):
        f(np.ones((2, 3)), 2)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "x",
    [
        [1.0, 2.0, -0.5],
        [1e6, 1e6, 0.0],
        [-INF, 0.0, 1.0],
        [-INF, -INF, 2.0],
        [-INF, -INF, -INF],
        [INF, 0.0, 1.0],
        [INF] * 3,
        [np.nan, 0.0, 1.0],
    ],
)
def test_values_and_gradients_are_those_of_torch(x):
    torch = pytest.importorskip("torch")
    x, u = np.array(x), np.array([1.0, -2.0, 0.5])
    theirs = [torch.softmax, torch.log_softmax, torch.logsumexp]
    for ours, their in zip(FAMILY, theirs):
        t = torch.tensor(x, requires_grad=True)
        y = their(t, -1)
        np.testing.assert_allclose(ours(x, -1), y.detach().numpy(), rtol=1e-12)
        (y * torch.tensor(u if y.ndim else 1.0)).sum().backward()
        g = tm.grad(lambda x: (ours(x, -1) * (u if y.ndim else 1.0)).sum())(x)
        np.testing.assert_allclose(g, t.grad.numpy(), rtol=1e-9, atol=1e-15, err_msg=ours.__name__)
