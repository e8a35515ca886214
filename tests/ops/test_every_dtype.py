"""Every primitive on every dtype: NumPy's value, or one sentence that says what to do."""

import math
import warnings

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.primitive import registry

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES = ["bool", *INTEGERS, "float16", "longdouble", ">f8", ">i4"]


def edges(dtype, shape=(3, 4)):
    """Two arrays with the ends of the dtype, zero and small numbers in them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        a, b = [1, 1, 0, 0], [1, 0, 1, 0]
    elif dtype.kind in "iu":
        info = np.iinfo(dtype)
        a, b = [info.max, info.min, 3, 0, 1], [info.max, 2, info.min, 0]
    else:
        a, b = [0.5, -2.0, 0.0, 3.0, 1.5], [0.5, 1.0, -0.0, -3.0]
    return np.resize(np.array(a, dtype), shape), np.resize(np.array(b, dtype), shape)


def in_floats(x):
    """What tinymeta computes with: an integer is a float32."""
    dtype = x.dtype.newbyteorder("=")
    return x.astype(dtype if dtype.kind == "f" else np.float32)


def floats(f):
    """NumPy's f of what tinymeta computes with."""
    return lambda *arrays: f(*map(in_floats, arrays))


def first(f):
    return lambda a, b: f(a)


def second(f):
    """Of what has no ends of its dtype in it, where f would be infinite."""
    return lambda a, b: f(b)


def of_names(names, which, numpys=lambda f: f):
    """By name, tinymeta's function of one of the two arrays, and NumPy's."""
    return {
        name: (which(getattr(tm, name)), numpys(which(getattr(np, name)))) for name in names.split()
    }


def of_floats(f):
    """Integers stay: NumPy before 2.1 goes by float64, which rounds large ones."""
    return lambda a, b: a if a.dtype.kind in "iu" else f(a, b).astype(a.dtype)


def smallest_type(x):
    return np.int64 if x.dtype.kind == "b" else x.dtype.newbyteorder("=")


def scattered(shape, place, values):
    out = np.zeros(shape, values.dtype)
    np.add.at(out, place, values)
    return out


def definite(x):
    """A positive definite matrix of the dtype of x, which is 1 and not 2 of bools."""
    return (2 * np.eye(3)).astype(x.dtype)


def gradient_of(f, x, *args):
    """What is scattered, of ones: only floats have a gradient."""
    return tm.grad(lambda x: tm.sum(f(x, *args)))(x)


places = np.array([2, 0, 2])
along = np.array([[0, 1, 2, 0]])

# Of every primitive by its name: how to use it on two arrays, and what NumPy says.
VALUES = {
    "add": (lambda a, b: tm.add(a, b), np.add),
    "sub": (lambda a, b: tm.sub(a, b), np.subtract),
    "mul": (lambda a, b: tm.mul(a, b), np.multiply),
    "div": (lambda a, b: tm.div(a, b), floats(np.divide)),
    "product_or_zero": (
        lambda a, b: registry["product_or_zero"](a, b),
        lambda a, b: a * b if a.dtype.kind != "b" else -a,
    ),
    "neg": (lambda a, b: tm.neg(a), lambda a, b: np.negative(a)),
    "square": (lambda a, b: tm.square(a), lambda a, b: a * a),
    **of_names("exp expm1 log log1p log2 log10 sqrt arcsin arccos arccosh arctanh", first, floats),
    **of_names("exp2 sin cos tan sinh cosh tanh arctan arcsinh", second, floats),
    "rsqrt": (lambda a, b: tm.rsqrt(a), floats(lambda a, b: 1 / np.sqrt(a))),
    "sigmoid": (lambda a, b: tm.sigmoid(b), floats(lambda a, b: 1 / (1 + np.exp(-b)))),
    "softplus": (lambda a, b: tm.softplus(b), floats(lambda a, b: np.logaddexp(b, 0))),
    "arctan2": (lambda a, b: tm.arctan2(a, b), floats(np.arctan2)),
    "logaddexp": (lambda a, b: tm.logaddexp(a, b), floats(np.logaddexp)),
    "erf": (lambda a, b: tm.erf(a), floats(lambda a, b: np.vectorize(math.erf)(a).astype(a.dtype))),
    **of_names("floor ceil trunc", first, of_floats),
    "round": (lambda a, b: tm.round(a), lambda a, b: a if a.dtype == bool else np.round(a)),
    "mod": (lambda a, b: tm.mod(a, b), lambda a, b: np.mod(a, b) if a.dtype.kind != "b" else -a),
    "floor_divide": (
        lambda a, b: tm.floor_divide(a, b),
        lambda a, b: np.floor_divide(a, b) if a.dtype.kind != "b" else -a,
    ),
    **of_names("isnan isfinite isinf", first),
    "cholesky": (
        lambda a, b: tm.linalg.cholesky(definite(a)),
        lambda a, b: np.linalg.cholesky(in_floats(definite(a))),
    ),
    "lu": (
        lambda a, b: tm.linalg.det(definite(a)),
        lambda a, b: np.linalg.det(in_floats(definite(a))),
    ),
    "triangular_solve": (
        lambda a, b: tm.linalg.solve_triangular(definite(a), definite(a)),
        lambda a, b: in_floats(np.eye(3, dtype=a.dtype)),
    ),
    "equal": (lambda a, b: tm.equal(a, b), np.equal),
    "not_equal": (lambda a, b: tm.not_equal(a, b), np.not_equal),
    "less": (lambda a, b: tm.less(a, b), np.less),
    "less_equal": (lambda a, b: tm.less_equal(a, b), np.less_equal),
    "greater": (lambda a, b: tm.greater(a, b), np.greater),
    "greater_equal": (lambda a, b: tm.greater_equal(a, b), np.greater_equal),
    "relu": (
        lambda a, b: tm.relu(a),
        lambda a, b: np.maximum(a, a * 0) if a.dtype.kind != "b" else -a,
    ),
    "sign": (lambda a, b: tm.sign(a), lambda a, b: np.sign(a)),
    "abs": (lambda a, b: tm.abs(a), lambda a, b: np.abs(a)),
    "maximum": (lambda a, b: tm.maximum(a, b), np.maximum),
    "minimum": (lambda a, b: tm.minimum(a, b), np.minimum),
    "where": (lambda a, b: tm.where(a > b, a, b), lambda a, b: np.where(a > b, a, b)),
    "static_power": (lambda a, b: tm.power(a, 3), lambda a, b: a.astype(smallest_type(a)) ** 3),
    "power": (lambda a, b: tm.power(tm.abs(a), b), floats(lambda a, b: np.power(np.abs(a), b))),
    "sum": (lambda a, b: tm.sum(a, 0), lambda a, b: np.sum(a, 0)),
    "max": (lambda a, b: tm.max(a, 0), lambda a, b: np.max(a, 0)),
    "min": (lambda a, b: tm.min(a, 0), lambda a, b: np.min(a, 0)),
    "argmax": (lambda a, b: tm.argmax(a), lambda a, b: np.argmax(a)),
    "cumulative_sum": (lambda a, b: tm.cumsum(b, 0), lambda a, b: np.cumsum(b, 0)),
    "argsort": (lambda a, b: tm.argsort(a, 1), lambda a, b: np.argsort(a, 1, kind="stable")),
    "sort": (lambda a, b: tm.sort(a, 0), lambda a, b: np.sort(a, 0)),
    "mean": (
        lambda a, b: tm.mean(b),
        lambda a, b: np.mean(b, dtype=np.promote_types(b.dtype, float)).astype(
            b.dtype.newbyteorder("=") if b.dtype.kind == "f" else np.float32
        ),
    ),
    "clip": (lambda a, b: tm.clip(a, 0, 2), lambda a, b: np.clip(a.astype(smallest_type(a)), 0, 2)),
    "reshape": (lambda a, b: tm.reshape(a, (4, 3)), lambda a, b: a.reshape(4, 3)),
    "transpose": (lambda a, b: tm.transpose(a), lambda a, b: a.T),
    "broadcast_to": (lambda a, b: tm.broadcast_to(a, (2, 3, 4)), lambda a, b: np.stack([a, a])),
    "flip": (lambda a, b: tm.flip(a), lambda a, b: np.flip(a)),
    "slice": (lambda a, b: tm.asarray(a)[1:, ::-2], lambda a, b: a[1:, ::-2]),
    "pad": (lambda a, b: tm.pad(a, 1), lambda a, b: np.pad(a, 1)),
    "concatenate": (lambda a, b: tm.concatenate([a, b]), lambda a, b: np.concatenate([a, b])),
    "matmul": (lambda a, b: tm.matmul(a, b.T), lambda a, b: a @ b.T),
    "take": (lambda a, b: tm.take(a, places), lambda a, b: np.take(a, places, 0)),
    "take_along": (
        lambda a, b: tm.take_along_axis(a, along, 0),
        lambda a, b: np.take_along_axis(a, along, 0),
    ),
    "conv": (
        lambda a, b: tm.conv2d(a.reshape(1, 3, 4, 1), b[:1, :1].reshape(1, 1, 1, 1)),
        lambda a, b: (a * b[0, 0]).reshape(1, 3, 4, 1),
    ),
    "window_argmax": (
        lambda a, b: tm.max_pool2d(a[:2].reshape(1, 2, 4, 1)),
        lambda a, b: a[:2].reshape(1, 1, 2, 2, 2, 1).max((2, 4)),
    ),
    "avg_pool2d": (
        lambda a, b: tm.avg_pool2d(b[:2].reshape(1, 2, 4, 1)),
        floats(lambda a, b: b[:2].reshape(1, 1, 2, 2, 2, 1).mean((2, 4))),
    ),
    **{
        f"astype {d}": (lambda d: (lambda a, b: tm.astype(a, d), lambda a, b: a.astype(d)))(d)
        for d in ("bool", "float16", "float64")
    },
}
# Of floats only, with their gradients.
ADJOINTS = {
    "scatter_add": (
        lambda a, b: gradient_of(tm.take, a, places),
        lambda a, b: scattered(a.shape, places, np.ones_like(a)),
    ),
    "scatter_add_along": (
        lambda a, b: gradient_of(tm.take_along_axis, a, along, 0),
        lambda a, b: scattered(a.shape, (along, np.arange(4)), np.ones((1, 4), a.dtype)),
    ),
    "conv_weight": (
        lambda a, b: gradient_of(
            lambda w, x: tm.conv2d(x, w),
            b[:1, :1].reshape(1, 1, 1, 1),
            tm.asarray(a.reshape(1, 3, 4, 1)),
        ),
        lambda a, b: a.sum().reshape(1, 1, 1, 1),
    ),
    "conv_input": (
        lambda a, b: gradient_of(tm.conv2d, a.reshape(1, 3, 4, 1), b[:1, :1].reshape(1, 1, 1, 1)),
        lambda a, b: np.full((1, 3, 4, 1), b[0, 0]),
    ),
    "relu_gradient": (lambda a, b: gradient_of(tm.relu, a), lambda a, b: (a > 0).astype(a.dtype)),
    "tie_weight": (
        lambda a, b: gradient_of(tm.maximum, a, b),
        lambda a, b: ((a > b) + (a == b) / 2).astype(a.dtype),
    ),
    "reciprocal_or_zero": (
        lambda a, b: gradient_of(tm.sqrt, tm.abs(a)),
        lambda a, b: np.where(a == 0, 0, np.abs(a, where=a != 0, out=a + 1) ** -0.5 / 2).astype(
            a.dtype
        ),
    ),
}


FACTORS = {"cholesky", "lu", "triangular_solve"}
NO_LONGDOUBLE = {
    *("take", "take_along", "conv", "window_argmax", "avg_pool2d", "erf"),
    *("cumulative_sum", "sort", *FACTORS),
}


def test_every_primitive_has_a_row():
    built_in = {
        name
        for name, p in registry.items()
        if type(p).__module__.startswith("tinymeta") and p.family != "extension"
    }
    rows = {name.split()[0] for name in (*VALUES, *ADJOINTS)}
    assert rows >= {name for name in built_in if name.isidentifier()}


def assert_as_numpy_says(ours, numpys, a, b):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = np.asarray(numpys(a, b))
        except TypeError:  # it has no meaning: of bools, say
            with pytest.raises(TypeError, match=r"^\w+ has no meaning for bools: [^\n]*$"):
                ours(a, b)
            return
        found = ours(a, b)
    assert found.dtype == expected.dtype.newbyteorder("=") and found.dtype.isnative
    if found.dtype.kind == "f":
        eps = max(np.finfo(found.dtype).eps, np.finfo(np.longdouble).eps)
        np.testing.assert_allclose(found.numpy(), expected, rtol=8 * eps, atol=eps)
    else:
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", VALUES)
def test_the_value_is_numpys(name, dtype):
    a, b = edges(dtype)
    if dtype == "longdouble" and name in NO_LONGDOUBLE or dtype == "float16" and name in FACTORS:
        with pytest.raises(
            TypeError, match=r"has no loop for \w+: cast to (float32 or )?float64 with astype"
        ):
            VALUES[name][0](a, b)
    else:
        assert_as_numpy_says(*VALUES[name], a, b)


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8"])
@pytest.mark.parametrize("name", ADJOINTS)
def test_the_adjoint_is_in_the_dtype_of_its_input(name, dtype):
    assert_as_numpy_says(*ADJOINTS[name], *edges(dtype))


# ---- reductions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_reductions_of_integers_are_numpys(dtype, axis):
    a, _ = edges(dtype, (5, 3))
    for name in ("sum", "max", "min"):
        found, expected = getattr(tm, name)(a, axis), getattr(np, name)(a, axis)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_sums_of_small_integers_do_not_wrap(dtype):
    assert tm.sum(np.full(1000, 100, dtype)).item() == 100_000


@pytest.mark.parametrize(
    "shape, axis",
    [
        ((10**7,), None),
        ((10**6, 10), 0),
        ((10, 10**6), 1),
        ((1000, 100, 100), (0, 1)),
        ((100, 1000, 100), 1),
    ],
)
def test_sums_of_many_float32_have_all_their_digits(shape, axis):
    x = np.full(shape, 0.1, np.float32)
    exact = x.astype(np.float64).sum(axis)
    np.testing.assert_allclose(tm.sum(x, axis).numpy(), exact, rtol=1e-6)
    np.testing.assert_allclose(tm.mean(x, axis).numpy(), np.full_like(exact, x.flat[0]), rtol=1e-6)


def test_float16_is_added_up_in_more_digits():
    ones = np.ones(100_000, np.float16)
    assert tm.sum(ones[:5000]).item() == 5000  # one by one it stays at 2048
    assert tm.mean(ones * 300).item() == 300 and tm.var(ones).item() == 0
    g = tm.grad(lambda x: tm.mean(x * x))(np.full(4, 2, np.float16))
    assert g.dtype == np.float16 and g.numpy().tolist() == [1] * 4


# ---- casts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", ["bool", "int64", "uint8"])
@pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])
def test_no_gradient_passes_an_integer(between, mode):
    x = np.array([1.5, 2.5])
    slope = lambda f: mode(tm.grad(lambda x: tm.sum(f(x, x.astype(between)))))(x).numpy().tolist()
    assert slope(lambda x, n: 3.7 * n.astype("float64")) == [0, 0]
    assert slope(lambda x, n: x - n) == [1, 1]
    assert slope(lambda x, n: x * n) == x.astype(between).tolist()
    assert slope(lambda x, n: n.astype("int32").astype("float64") * x * 0 + x) == [1, 1]


# ---- indices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])
def test_indices_may_be_of_any_integer(dtype, mode):
    x, index = np.arange(300.0), np.array([1, 2, 100], dtype)
    for f in (tm.take, tm.take_along_axis):
        assert mode(f)(x, index).numpy().tolist() == [1, 2, 100]
    if np.dtype(dtype).kind == "i":
        assert mode(tm.take)(x, -index).numpy().tolist() == [299, 298, 200]
    assert mode(lambda i: tm.argmax(tm.one_hot(i, 300), -1))(index).numpy().tolist() == [1, 2, 100]


@pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])
def test_indices_out_of_range_are_errors(mode):
    x = np.zeros((2, 3))
    for f, index in [
        (tm.take, np.array([2])),
        (tm.take, np.array([0, -3], "int8")),
        (tm.take_along_axis, np.array([[3], [0]], "uint8")),
    ]:
        with pytest.raises(IndexError, match="indices from .* are out of range for size"):
            mode(f)(x, index)
    with pytest.raises(
        ValueError, match="labels must be integers from 0 to 2, got uint8 from 3 to 3"
    ):
        mode(lambda n: tm.one_hot(n, 3))(np.array([3], "uint8"))


@pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])
def test_nothing_can_be_taken_from_an_empty_axis(mode):
    x, index = np.zeros((0, 3)), np.array([0])
    message = "an axis of size 0 has nothing at any index"
    for f in (tm.take, tm.grad(lambda x, i: tm.sum(tm.take(x, i)))):
        with pytest.raises(IndexError, match="take: " + message):
            mode(f)(x, index)
    with pytest.raises(IndexError, match="take_along_axis: " + message):
        mode(lambda x, i: tm.take_along_axis(x, i, 0))(x, np.zeros((1, 3), int))
    assert mode(tm.take)(x, np.zeros(0, int)).shape == (0, 3)
