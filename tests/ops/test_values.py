"""Values of the operations against NumPy: the registry tests see only kernels and gradients."""

import numpy as np
import pytest

import tinymeta as tm

rng = np.random.default_rng(0)
x = rng.normal(size=(2, 3, 4))
y = rng.normal(size=(2, 3, 4))
positive = np.abs(x) + 0.1


def same(found, expected, rtol=1e-13):
    assert isinstance(found, tm.Tensor) and found.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=rtol, atol=1e-15)


@pytest.mark.parametrize("name", ["exp", "expm1", "sin", "cos", "tanh", "abs", "sign", "square"])
def test_functions_that_numpy_has(name):
    same(getattr(tm, name)(x), getattr(np, name)(x))


@pytest.mark.parametrize("name", ["log", "log1p", "sqrt"])
def test_functions_of_positive_numbers_that_numpy_has(name):
    same(getattr(tm, name)(positive), getattr(np, name)(positive))


def test_functions_that_numpy_lacks():
    same(tm.relu(x), np.where(x > 0, x, 0))
    same(tm.sigmoid(x), 1 / (1 + np.exp(-x)))
    same(tm.softplus(x), np.log(1 + np.exp(x)))
    same(tm.rsqrt(positive), positive**-0.5)
    same(tm.clip(x, -0.5, 0.5), np.clip(x, -0.5, 0.5))
    same(tm.clip(x, min=0.1), np.maximum(x, 0.1))
    same(tm.clip(x, max=0.1), np.minimum(x, 0.1))


@pytest.mark.parametrize("shapes", [((3, 1), (1, 4)), ((), (2, 3)), ((4,), (2, 1, 1)), ((1,), ())])
@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "maximum", "minimum", "less", "equal"]
)
def test_broadcasting_of_two(name, shapes):
    ours = {"subtract": tm.sub, "multiply": tm.mul, "divide": tm.div}.get(name) or getattr(tm, name)
    a, b = (rng.normal(size=s) for s in shapes)
    same(ours(np.asarray(a), np.asarray(b)), getattr(np, name)(a, b))


def test_broadcasting_sums_the_gradient_back():
    a, b, u = rng.normal(size=(3, 1)), rng.normal(size=4), rng.normal(size=(2, 3, 4))
    _, pull = tm.vjp(lambda a, b: tm.broadcast_to(a * b, (2, 3, 4)), a, b)
    ga, gb = pull(u)
    np.testing.assert_allclose(ga.numpy(), (u * b).sum((0, 2))[:, None])
    np.testing.assert_allclose(gb.numpy(), (u * a).sum((0, 1)))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (-1, 0), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(axis, keepdims):
    where = {"axis": axis, "keepdims": keepdims}
    same(tm.sum(x, **where), np.sum(x, **where))
    same(tm.mean(x, **where), np.mean(x, **where))
    same(tm.var(x, **where), np.var(x, **where), rtol=1e-12)
    same(tm.max(x, **where), np.max(x, **where))
    same(tm.min(x, **where), np.min(x, **where))
    same(tm.norm(x, **where), np.sqrt(np.sum(x * x, **where)))
    same(tm.logsumexp(x, **where), np.log(np.sum(np.exp(x), **where)))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax(axis):
    expected = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    same(tm.softmax(x, axis), expected)
    same(tm.log_softmax(x, axis), np.log(expected))
    same(tm.argmax(x, axis), x.argmax(axis))


def test_sums_of_integers_and_bools():
    same(tm.sum(np.arange(5)), np.int64(10))
    same(tm.sum(x > 0, axis=1), (x > 0).sum(1))


def test_movement():
    same(tm.reshape(x, (4, -1)), x.reshape(4, 6))
    same(tm.asarray(x).reshape(4, 3, 2), x.reshape(4, 3, 2))
    same(tm.asarray(x).reshape(-1), x.ravel())
    same(tm.transpose(x), x.T)
    same(tm.transpose(x, (2, 0, 1)), x.transpose(2, 0, 1))
    same(tm.asarray(x).transpose(0, -1, 1), x.transpose(0, 2, 1))
    same(tm.swapaxes(x, 0, -1), x.swapaxes(0, 2))
    same(tm.moveaxis(x, 0, -1), np.moveaxis(x, 0, -1))
    same(tm.moveaxis(x, 2, 0), np.moveaxis(x, 2, 0))
    same(tm.expand_dims(x, (0, -1)), np.expand_dims(x, (0, -1)))
    same(tm.squeeze(x[None, :, :1]), x[:, 0])
    same(tm.squeeze(x[None, :, :1], 0), x[:, :1])
    same(tm.flip(x), np.flip(x))
    same(tm.flip(x, (0, -1)), np.flip(x, (0, 2)))
    same(tm.concatenate([x, y, x], axis=1), np.concatenate([x, y, x], 1))
    same(tm.stack([x, y], axis=-1), np.stack([x, y], -1))
    same(tm.pad(x, 1), np.pad(x, 1))
    widths = [(0, 1), (2, 0), (1, 1)]
    same(tm.pad(x, widths, value=3.0), np.pad(x, widths, constant_values=3.0))
    same(tm.astype(x, np.int32), x.astype(np.int32))


def test_the_gradient_of_a_cast_comes_back_in_the_dtype_it_left():
    x = np.array([1.5, -2.0], np.float32)
    f = lambda x: (tm.astype(x, np.float64) ** 3).sum()
    g = tm.grad(f)(x)
    assert g.dtype == np.float32 and g.numpy().tolist() == [6.75, 12]
    h = tm.hvp(lambda x: tm.astype(f(x), np.float32), x, np.ones(2, np.float32))
    assert h.dtype == np.float32 and h.numpy().tolist() == [9, -12]


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        np.s_[1:],
        np.s_[..., 0],
        np.s_[:, None, ::2],
        np.s_[::-1],
        np.s_[:, 2:0:-1],
        np.s_[0, 1, 2],
        np.s_[None],
        np.s_[:, :, -3:-1],
        np.s_[..., None],
        np.s_[1:1],
        np.s_[:, ::-2, 1],
        np.s_[5:],
        np.s_[-9:9:1],
        (),
        np.int64(1),
    ],
)
def test_basic_indexing_and_its_gradient(index):
    same(tm.asarray(x)[index], x[index])
    u = rng.normal(size=x[index].shape)
    expected = np.zeros_like(x)
    expected[index] = u
    _, pull = tm.vjp(lambda x: x[index], x)
    np.testing.assert_array_equal(pull(u)[0].numpy(), expected)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_take_and_its_gradient(axis):
    index = np.array([[0, 1], [-1, 0]])
    same(tm.take(x, index, axis), np.take(x, index, axis))
    u = rng.normal(size=np.take(x, index, axis).shape)
    expected = np.zeros_like(x)
    picked_first = np.moveaxis(u, (axis % 3, axis % 3 + 1), (0, 1))
    np.add.at(np.moveaxis(expected, axis, 0), index, picked_first)
    _, pull = tm.vjp(lambda x: tm.take(x, index, axis), x)
    np.testing.assert_allclose(pull(u)[0].numpy(), expected, rtol=1e-13)


def test_take_along_axis():
    index = rng.integers(-3, 3, size=(2, 5, 4))
    same(tm.take_along_axis(x, index, axis=1), np.take_along_axis(x, index, 1))


@pytest.mark.parametrize(
    "a, b",
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 1, 2, 3), (7, 3, 4)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((2, 0), (0, 3)),
    ],
)
def test_matmul_and_its_gradient(a, b):
    a, b = rng.normal(size=a), rng.normal(size=b)
    same(tm.matmul(a, b), a @ b, rtol=1e-12)
    u = rng.normal(size=(a @ b).shape)
    ga, gb = tm.vjp(tm.matmul, a, b)[1](u)
    for g, of in [(ga, lambda e: e @ b), (gb, lambda e: a @ e)]:  # <u, a @ b> is linear in both
        expected = [(of(e) * u).sum() for e in np.eye(g.size).reshape(g.size, *g.shape)]
        np.testing.assert_allclose(g.numpy().ravel(), expected, rtol=1e-11, atol=1e-13)


def test_creation():
    same(tm.zeros((2, 3)), np.zeros((2, 3), np.float32))
    same(tm.ones(2, np.float64), np.ones(2))
    same(tm.full((2,), 3.5), np.full(2, 3.5, np.float32))
    same(tm.full((2,), 3), np.full(2, 3))
    same(tm.arange(3), np.arange(3))
    same(tm.arange(1, 2, 0.25), np.arange(1, 2, 0.25, np.float32))
    same(tm.eye(2, 3), np.eye(2, 3, dtype=np.float32))
    same(tm.zeros_like(x), np.zeros_like(x))
    same(tm.ones_like(np.arange(3)), np.ones(3, int))
    same(tm.one_hot([2, 0], 3), np.array([[0, 0, 1], [1, 0, 0]], np.float32))


@pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])
def test_the_spread_of_large_integers_and_the_length_of_large_halves(mode):
    """Beyond what float32 tells apart, and beyond the square root of the largest float16."""
    n = np.array([2**40, 2**40 + 1, 2**40 + 2])
    assert (
        mode(tm.var)(n).item() == pytest.approx(2 / 3, 1e-6) and mode(tm.var)(n).dtype == np.float32
    )
    assert mode(tm.norm)(n).dtype == np.float32
    y = mode(tm.norm)(np.full((2, 4), 1000, np.float16), axis=1)
    assert y.dtype == np.float16 and y.numpy().tolist() == [2000, 2000]
    g = mode(tm.grad(tm.norm))(np.full(4, 1000, np.float16))
    assert g.dtype == np.float16 and g.numpy().tolist() == [0.5] * 4
