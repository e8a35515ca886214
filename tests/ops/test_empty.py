"""0-d and empty tensors through every public operation: their shapes, and those of gradients."""

import numpy as np
import pytest

import tinymeta as tm

UNARY = [
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "softplus",
    "relu",
    "abs",
    "sign",
    "neg",
    "exp2",
    "log2",
    "log10",
    "tan",
    "sinh",
    "cosh",
    "arcsin",
    "arctan",
    "arcsinh",
    "erf",
    "gelu",
    "elu",
]
BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "power", "arctan2", "logaddexp"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
SHAPES = [(), (0,), (2, 0), (0, 3), (1, 0, 2)]


def check(f, *inputs, shape):
    """The value has that shape, and at orders 1 and 2 each input gets a gradient of its own."""
    y = f(*inputs)
    assert y.shape == shape
    places = tuple(range(len(inputs)))

    def loss(*xs):
        return (f(*xs) ** 2).sum()

    def slope(*xs):
        return sum((g * x).sum() for g, x in zip(tm.grad(loss, places)(*xs), xs))

    for order in (loss, slope):
        for g, x in zip(tm.grad(order, places)(*inputs), inputs):
            assert g.shape == x.shape and g.dtype == x.dtype and np.isfinite(g.numpy()).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, shape):
    check(getattr(tm, name), np.full(shape, 0.5), shape=shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, shape):
    f = getattr(tm, name)
    check(f, np.full(shape, 0.5), np.full(shape, 1.5), shape=shape)
    check(f, np.array(0.5), np.full(shape, 1.5), shape=shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_comparisons_and_where(shape):
    x = np.full(shape, 0.5)
    for name in COMPARISONS:
        y = getattr(tm, name)(x, 0.5)
        assert y.shape == shape and y.dtype == bool
    check(lambda a, b: tm.where(tm.asarray(a) > b, a, b), x, x + 1, shape=shape)
    check(lambda a: tm.clip(a, 0, 1), x, shape=shape)
    check(lambda a: tm.asarray(a) ** 3, x, shape=shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_reductions(shape):
    x = np.full(shape, 0.5)
    check(tm.sum, x, shape=())
    for axis in range(len(shape)):
        rest = shape[:axis] + shape[axis + 1 :]
        check(lambda x: tm.sum(x, axis), x, shape=rest)
        if shape[axis]:
            for f in (tm.mean, tm.max, tm.min, tm.var, tm.norm, tm.logsumexp):
                check(lambda x: f(x, axis), x, shape=rest)
            check(lambda x: tm.softmax(x, axis), x, shape=shape)
            assert tm.argmax(x, axis).shape == rest


def test_reductions_of_a_scalar():
    x = np.array(0.5)
    for f in (tm.mean, tm.max, tm.min, tm.var, tm.norm, tm.logsumexp):
        check(f, x, shape=())
    assert tm.argmax(x).item() == 0


@pytest.mark.parametrize("name", ["mean", "max", "min", "var", "argmax"])
def test_what_has_no_value_on_nothing_is_refused_by_name(name):
    with pytest.raises(
        ValueError, match=rf"^{name}: axis .* of \(2, 0\) is empty and has no {name}$"
    ):
        getattr(tm, name)(np.zeros((2, 0)), axis=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_movement(shape):
    x = np.full(shape, 0.5)
    n = x.size
    check(lambda x: tm.reshape(x, (1, *shape)), x, shape=(1, *shape))
    check(lambda x: tm.reshape(x, n), x, shape=(n,))
    check(tm.transpose, x, shape=shape[::-1])
    check(lambda x: tm.broadcast_to(x, (2, *shape)), x, shape=(2, *shape))
    check(lambda x: tm.expand_dims(x, 0), x, shape=(1, *shape))
    check(tm.flip, x, shape=shape)
    check(lambda x: tm.pad(x, 1), x, shape=tuple(n + 2 for n in shape))
    check(lambda x: tm.stack([x, x]), x, shape=(2, *shape))
    check(lambda x: tm.asarray(x)[...], x, shape=shape)
    check(lambda x: tm.asarray(x)[None], x, shape=(1, *shape))
    if shape:
        check(lambda x: tm.concatenate([x, x], -1), x, shape=(*shape[:-1], 2 * shape[-1]))
        check(lambda x: tm.asarray(x)[::-1], x, shape=shape)
        check(lambda x: tm.asarray(x)[:0], x, shape=(0, *shape[1:]))
        check(lambda x: tm.swapaxes(x, 0, -1), x, shape=np.swapaxes(x, 0, -1).shape)
    assert tm.astype(x, np.float32).shape == shape


def test_reshape_to_an_unknown_size_of_nothing_is_refused():
    """0 elements fit (0, n) for every n, so -1 tells nothing; NumPy refuses it, too."""
    with pytest.raises(ValueError, match=r"\(2, 0\) has 0 elements and does not fit \(0, -1\)"):
        tm.reshape(np.zeros((2, 0)), (0, -1))


def test_growing_from_nothing():
    check(lambda x: tm.broadcast_to(x, (0, 3)), np.ones(3), shape=(0, 3))
    check(lambda x: tm.broadcast_to(x, (0,)), np.ones(1), shape=(0,))
    check(lambda x: tm.broadcast_to(x, (2, 0)), np.array(1.0), shape=(2, 0))


def test_indices():
    x = np.full((3, 2), 0.5)
    none = np.zeros(0, int)
    check(lambda x: tm.take(x, none), x, shape=(0, 2))
    check(lambda x: tm.take(x, 1), x, shape=(2,))
    check(lambda x: tm.take(x, none), np.zeros((0, 2)), shape=(0, 2))
    check(lambda x: tm.take_along_axis(x, np.zeros((0, 2), int), 0), x, shape=(0, 2))
    check(lambda x: tm.take(x, np.array([1, 1]), axis=1), np.zeros((0, 2)), shape=(0, 2))


def test_products():
    check(tm.matmul, np.ones((2, 0)), np.ones((0, 3)), shape=(2, 3))
    check(tm.matmul, np.ones((0, 2)), np.ones((2, 3)), shape=(0, 3))
    check(tm.matmul, np.ones((0, 2, 2)), np.ones((2, 3)), shape=(0, 2, 3))
    check(tm.matmul, np.ones(0), np.ones(0), shape=())
    check(tm.conv2d, np.ones((0, 4, 4, 2)), np.ones((3, 3, 2, 5)), shape=(0, 4, 4, 5))
    check(tm.max_pool2d, np.ones((0, 4, 4, 2)), shape=(0, 2, 2, 2))
    check(tm.avg_pool2d, np.ones((0, 4, 4, 2)), shape=(0, 2, 2, 2))
    check(tm.max_pool2d, np.ones((2, 4, 4, 0)), shape=(2, 2, 2, 0))
    check(tm.avg_pool2d, np.ones((2, 4, 4, 0)), shape=(2, 2, 2, 0))
