"""Every dtype: compiled as eagerly, in value, dtype and error."""

import warnings

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing.interpreted import without_compiling

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES = ["bool", *INTEGERS, "float16", "float32", "float64", "longdouble", ">f8", ">i4"]


def values(dtype):
    """Two arrays of edges and small numbers: all that wraps, and none that has no power."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([True, True, False, False]), np.array([True, False, True, False])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return (
            np.array([info.max, info.min, 3, 1], dtype),
            np.array([info.max, 2, info.min, 0], dtype),
        )
    return np.array([0.5, -2.0, 0.0, 3.0], dtype), np.array([0.5, 1.0, -0.0, -3.0], dtype)


UNARY = {
    "neg": lambda a: -a,
    "square": tm.square,
    "abs": tm.abs,
    "sign": tm.sign,
    "relu": tm.relu,
    "cube": lambda a: a**3,
    "exp": lambda a: tm.exp(a * 0.1),
    "sum": lambda a: tm.sum(a),
    "sums": lambda a: tm.sum(tm.stack([a, a]), 0),
    "max": tm.max,
    "min": tm.min,
    "mean": tm.mean,
    "argmax": lambda a: tm.argmax(a),
    "plus one": lambda a: a + 1,
    "half": lambda a: a * 0.5,
    "less than a number": lambda a: a < 2,
    "clip": lambda a: tm.clip(a, 0, 2),
    "as bool": lambda a: a.astype(bool),
    "flip": lambda a: tm.flip(a),
    "pad": lambda a: tm.pad(a, 1),
    **{
        f"as {d}": (lambda d: lambda a: a.astype(d))(d)
        for d in ("uint8", "int32", "float32", "float16")
    },
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b + 1.5),
    "less": lambda a, b: a < b,
    "equal": lambda a, b: a == b,
    "maximum": tm.maximum,
    "minimum": tm.minimum,
    "where": lambda a, b: tm.where(a > b, a, b),
    "a chain that wraps": lambda a, b: (a + a) * b - a,
    "wraps, then widens": lambda a, b: (a * b).astype("float64") * 0.5,
    "wraps, then compares": lambda a, b: (a + a) > b,
    "wide, then narrow": lambda a, b: (a.astype("int64") * 300).astype("uint8").astype("float32"),
}


def outcome(f, *args):
    """(dtype, values), or (type of error, its text)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            y = np.asarray(tm.asarray(f(*args)))
        except Exception as error:
            return type(error).__name__, str(error)
    return y.dtype, y


def check(operations, dtype, *args):
    """Those that work eagerly in one program, so that few kernels serve; the others one by one."""
    tensors = [tm.asarray(a) for a in args]
    eager = {name: outcome(f, *tensors) for name, f in operations.items()}
    fine = {name: f for name, f in operations.items() if isinstance(eager[name][0], np.dtype)}
    with np.errstate(all="ignore"):
        found = tm.jit(lambda *args: {name: f(*args) for name, f in fine.items()})(*args)
    for name in fine:
        expected_dtype, expected = eager[name]
        y = np.asarray(found[name])
        assert (y.dtype, y.shape) == (expected_dtype, expected.shape), f"{name} of {dtype}"
        if y.dtype.kind == "f":  # a mean may cancel what is large
            scale = np.abs(args[0].astype(np.float64)).max() if name == "mean" else 1
            np.testing.assert_allclose(
                y, expected, rtol=2e-6, atol=1e-7 * scale, err_msg=f"{name} of {dtype}"
            )
        else:
            np.testing.assert_array_equal(y, expected, f"{name} of {dtype}")
    for name in operations.keys() - fine.keys():
        assert outcome(tm.jit(operations[name]), *args) == eager[name], f"{name} of {dtype}"
        assert eager[name][0] in ("TypeError", "ValueError"), f"{name} of {dtype}: {eager[name]}"
    assert len(fine) > len(operations) // 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_as_eagerly(dtype):
    a, b = values(dtype)
    check(UNARY, dtype, a)
    check(BINARY, dtype, a, b)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_gradients_of_every_float(dtype):
    a, b = values(dtype)

    def f(a, b):
        return tm.value_and_grad(lambda a: tm.sum(tm.tanh(a) * b + a * a))(a)

    for x, y in zip(tm.jit(f)(a, b), f(tm.asarray(a), tm.asarray(b))):
        assert x.dtype == y.dtype == np.dtype(dtype)
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=4 * np.finfo(dtype).eps + 1e-7)


def test_small_products_windows_and_picks_of_other_floats():
    """What no kernel has a dtype for runs as it does eagerly, or says the same."""
    for dtype in ("float16", "longdouble", ">f8"):
        x, w = np.ones((1, 4, 4, 1), dtype), np.ones((2, 2, 1, 1), dtype)
        for f in (
            lambda x, w: tm.conv2d(x, w),
            lambda x, w: tm.max_pool2d(x),
            lambda x, w: x[0, ..., 0] @ x[0, ..., 0],
            lambda x, w: tm.take(x, np.array([1, 2]), 1),
        ):
            eager, compiled = outcome(f, tm.asarray(x), tm.asarray(w)), outcome(tm.jit(f), x, w)
            assert eager[0] == compiled[0] and np.array_equal(eager[1], compiled[1])


# ---- sums ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape, axis",
    [
        ((10**6,), 0),
        ((10**5, 10), 0),
        ((10, 10**5), 1),
        ((100, 50, 200), (0, 1)),
        ((50, 100, 200), None),
    ],
)
def test_sums_of_many_float32_have_all_their_digits(shape, axis):
    x = np.full(shape, 0.1, np.float32)
    exact = x.astype(np.float64).sum(axis)
    found = tm.jit(lambda x: (tm.sum(x, axis), tm.mean(tm.tanh(x) * 0 + x, axis)))(x)
    np.testing.assert_allclose(found[0].numpy(), exact, rtol=1e-6)
    np.testing.assert_allclose(found[1].numpy(), np.full_like(exact, np.float32(0.1)), rtol=1e-6)


def test_signed_zeros_infinities_and_sums_of_nothing():
    x = np.array([-0.0, 1.0, np.inf, np.nan])
    functions = [
        lambda x: 1 / (x + 0.0),
        lambda x: 1 / (x + -0.0),
        lambda x: 1 / (0.0 + x),
        lambda x: 1 / (x * 1.0),
        lambda x: 1 / -(-x),
        lambda x: x * 0.0,
        lambda x: x - x,
        lambda x: 1 / tm.sum(x[:1]),
        lambda x: 1 / tm.sum(x[None], 0),
        lambda x: 1 / tm.sum(tm.stack([x, x]), 0),
        lambda x: tm.sum(tm.broadcast_to(x[2], (0,))),
        lambda x: tm.sum(tm.broadcast_to(x[1:], (2, 3)), 0),
    ]
    for f in functions:
        with np.errstate(all="ignore"), without_compiling():
            found, expected = tm.jit(f)(x).numpy(), f(tm.asarray(x)).numpy()
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
