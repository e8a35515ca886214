"""Wrong arguments, by kinds: each raises where it enters, one sentence by the function called."""

import re
import tracemalloc

import numpy as np
import pytest

import tinymeta as tm

x = tm.ones((2, 3))
NO_TENSOR = "a string"

SPEAKING = {
    "softmax": lambda: tm.softmax(NO_TENSOR),
    "logsumexp": lambda: tm.logsumexp(np.ones(2, complex)),
    "norm": lambda: tm.norm(NO_TENSOR),
    "stack": lambda: tm.stack([x, NO_TENSOR]),
    "expand_dims": lambda: tm.expand_dims(x, 7),
    "clip": lambda: tm.clip(x, np.ones(2)),
    "pad": lambda: tm.pad(x, 1, np.ones(2)),
    "avg_pool2d": lambda: tm.avg_pool2d(NO_TENSOR),
    "add": lambda: tm.add(x, NO_TENSOR),
    "sub": lambda: object() - x,
    "&": lambda: (x > 0) & 1.0,
    "max": lambda: x.max(5),
    "matmul": lambda: NO_TENSOR @ x,
    "power": lambda: x**NO_TENSOR,
    "where": lambda: tm.where(x > 0, x, NO_TENSOR),
    "zeros_like": lambda: tm.zeros_like(None),
}


@pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", SPEAKING)
def test_an_error_speaks_of_the_function_that_was_called(name, mode):
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(name)}[: ]"):
        mode(SPEAKING[name])()


def test_an_error_in_a_function_of_the_users_stays_its_own():
    def f(x):
        raise ValueError("mine: as it is")

    for call in (
        lambda: tm.jvp(f, (x,), (x,)),
        lambda: tm.checkpoint(f)(x),
        lambda: tm.hvp(f, x, x),
    ):
        with pytest.raises(ValueError, match="^mine: as it is$"):
            call()


# ---- kinds of arguments: each by several of the functions where it enters -----------------------

NO_DTYPES = [
    complex,
    "complex64",
    "M8[D]",
    str,
    object,
    "gpu",
    2.7,
    None,
    [],
    np.zeros(2, [("a", "f4")]),
]
OF_A_DTYPE = {
    "zeros": lambda d: tm.zeros(3, d),
    "ones": lambda d: tm.ones(3, d),
    "eye": lambda d: tm.eye(2, dtype=d),
    "astype": lambda d: x.astype(d),
    "one_hot": lambda d: tm.one_hot([0], 2, d),
}


@pytest.mark.parametrize("name", OF_A_DTYPE)
@pytest.mark.parametrize("dtype", NO_DTYPES, ids=lambda d: str(d)[:9])
def test_a_dtype_that_tensors_have_not(name, dtype):
    with pytest.raises(
        TypeError, match=f"^{name}: tensors hold bools, integers and floats, not [^\n]*$"
    ):
        OF_A_DTYPE[name](dtype)


@pytest.mark.parametrize(
    "make",
    [tm.tensor, tm.asarray, lambda x, d: tm.full(3, x, d), lambda x, d: tm.arange(x, dtype=d)],
)
def test_a_dtype_of_a_new_tensor(make):
    for dtype in NO_DTYPES:
        if dtype is not None:
            with pytest.raises(TypeError, match="tensors hold bools, integers and floats, not"):
                make(1, dtype)


NO_AXES = [True, 2.5, "0", [0.0], np.ones((2, 2)), x, (0, None), 10**30]


@pytest.mark.parametrize("axis", NO_AXES, ids=lambda a: str(a)[:9])
def test_what_is_no_axis(axis):
    for name in (
        "sum",
        "min",
        "softmax",
        "norm",
        "var",
        "argmax",
        "squeeze",
        "flip",
        "expand_dims",
    ):
        with pytest.raises(
            ValueError, match=rf"^{name}: axis [^\n]* is out of range for a tensor of \d axes$"
        ):
            getattr(tm, name)(x, axis=axis)


NO_SHAPES = [
    "23",
    2.7,
    (2.0, 3),
    [[2], [3]],
    None,
    True,
    (2, "3"),
    np.ones((2, 2), int),
    {2, 3},
    np.array([2.0]),
    slice(2),
]


@pytest.mark.parametrize("shape", NO_SHAPES, ids=lambda s: str(s)[:9])
def test_what_is_no_shape(shape):
    for call in (
        tm.zeros,
        tm.ones,
        lambda s: tm.full(s, 1.0),
        lambda s: tm.broadcast_to(x, s),
        tm.eye,
        lambda s: tm.reshape(x, s),
        lambda s: x.reshape(s),
        lambda s: tm.transpose(x, s),
    ):
        with pytest.raises(
            TypeError, match=r"^\w+: whole numbers are needed, such as \(2, 3\), not [^\n]*$"
        ):
            call(shape)


def test_whole_numbers_of_any_kind_are_sizes_and_axes():
    three, pair = np.array(3), np.array([2, 3])
    for whole in (3, np.uint8(3), three, tm.tensor(3)):
        assert tm.zeros(whole).shape == (3,) and tm.eye(whole).shape == (3, 3)
        assert tm.reshape(np.ones(6), (2, whole)).shape == (2, 3)
        assert tm.sum(np.ones((1, 1, 1, 5)), axis=whole).shape == (1, 1, 1)
    for shape in (pair, tm.tensor(pair), [np.int8(2), three]):
        assert tm.ones(shape).shape == tm.reshape(x, shape).shape == (2, 3)


def test_a_shape_larger_than_any_memory():
    for call in (
        tm.zeros,
        tm.eye,
        lambda n: tm.broadcast_to(1.0, n),
        lambda n: tm.pad(x, n),
        lambda n: tm.one_hot([0], n),
        lambda n: tm.zeros((n, 0)),
    ):
        with pytest.raises(ValueError, match=r"^\w+: the shape .* is larger than any memory$"):
            call(10**30)


NO_ARRAYS = {
    "a masked array": np.ma.masked_array([1.0, 2.0], [True, False]),
    "a list of them": [np.ma.masked_array([1.0], [True])],
    "complex": np.ones(2, complex),
    "records": np.zeros(2, [("a", "f4")]),
    "dates": np.array(["2020"], "M8[D]"),
    "ragged": [[1.0, 2.0], [3.0]],
    "ragged integers": [[1, 2], 3],
    "a set": {1, 2},
    "a function": len,
    "bytes": b"x",
}


@pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("kind", NO_ARRAYS)
def test_what_is_no_array(kind, mode):
    data = NO_ARRAYS[kind]
    for name in ("exp", "sum", "softmax", "reshape", "concatenate", "add", "greater"):
        given = {"reshape": ((2, 1),), "concatenate": (), "add": (x,), "greater": (x,)}.get(
            name, ()
        )
        with pytest.raises(TypeError, match=rf"^{name}: cannot make a tensor of [^\n]*$"):
            mode(lambda: getattr(tm, name)([data] if name == "concatenate" else data, *given))()


def test_arange_counts_between_numbers():
    for bounds in [
        (),
        ("5",),
        (1j,),
        (np.nan,),
        (np.inf,),
        (None,),
        (0, 5, 0),
        (1, 2, 3, 4),
        ([3],),
        (True,),
    ]:
        with pytest.raises(TypeError, match="^arange takes 1 to 3 numbers"):
            tm.arange(*bounds)
    assert tm.arange(np.array(3)).shape == tm.arange(tm.tensor(3)).shape == (3,)


@pytest.mark.parametrize(
    "bad", ["same", 2.5, 0, True, (1, 2, 3), (1, "2"), None, np.ones(2, int)], ids=str
)
def test_what_is_no_window_or_stride(bad):
    image, kernel = np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1))
    calls = [
        lambda: tm.conv2d(image, kernel, stride=bad),
        lambda: tm.max_pool2d(image, bad),
        lambda: tm.nn.Conv2d(1, 2, stride=bad),
        lambda: tm.nn.MaxPool2d(bad),
    ]
    if bad is not None:  # which is the window's own
        calls += [lambda: tm.avg_pool2d(image, stride=bad), lambda: tm.nn.MaxPool2d(stride=bad)]
    for call in calls:
        with pytest.raises(
            ValueError, match=r"^\w+: (window|stride) .* is not a number >= 1 or a pair of them$"
        ):
            call()


@pytest.mark.parametrize("name", ["sum", "mean", "var", "norm", "max", "min", "logsumexp"])
def test_what_is_no_flag(name):
    for bad in ("no", None, 0.5, np.array([True, False]), x):
        with pytest.raises(TypeError, match=rf"^{name}: keepdims=[^\n]* must be True or False$"):
            getattr(tm, name)(x, 0, bad)
    assert getattr(tm, name)(x, 0, np.True_).shape == getattr(tm, name)(x, 0, 1).shape == (1, 3)


IMAGE, KERNEL = np.ones((1, 4, 4, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
TOO_LARGE = {
    "zeros": lambda n: tm.zeros(n),
    "ones": lambda n: tm.ones((n, n)),
    "full": lambda n: tm.full(n, 1.0),
    "eye": lambda n: tm.eye(n),
    "arange": lambda n: tm.arange(n),
    "arange by half": lambda n: tm.arange(0.0, n, 0.5),
    "linspace": lambda n: tm.linspace(0, 1, n),
    "tile": lambda n: tm.tile(np.ones(2), n),
    "repeat": lambda n: tm.repeat(np.ones(2), n),
    "one_hot": lambda n: tm.one_hot(np.zeros(3, int), n),
    "conv2d": lambda n: tm.conv2d(IMAGE, KERNEL, dilation=n),
    "conv1d": lambda n: tm.conv1d(IMAGE[0], KERNEL[0], dilation=n),
    "conv_transpose2d": lambda n: tm.conv_transpose2d(IMAGE, KERNEL, stride=n),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_more_than_the_memory_is_a_sentence_before_it_is_tried(name):
    with pytest.raises(ValueError, match=r"^\w+: the shape .* (does not fit|is larger than an)"):
        TOO_LARGE[name](2**50)


@pytest.mark.parametrize("bounds", [(0, 5, 1e-320), (10**400,), (0, 10**400, 1.0)])
def test_numbers_that_nobody_can_count(bounds):
    with pytest.raises(ValueError, match="^arange: .* than any memory holds: take a larger step$"):
        tm.arange(*bounds)


def test_a_view_needs_no_memory():
    assert tm.broadcast_to(1.0, (10**7, 10**7)).shape == (10**7, 10**7)


# Views of 2^48 elements, each of which is there: what is made of them fits no address space.
HUGE = np.broadcast_to(np.float32(1), (2**24, 2**24))
LONG = np.broadcast_to(np.float32(1), 2**24)
OF_VIEWS = {
    "tril": lambda: tm.tril(HUGE),
    "triu": lambda: tm.triu(HUGE),
    "diag": lambda: tm.diag(LONG),
    "tensor": lambda: tm.tensor(HUGE),
    "exp": lambda: tm.exp(HUGE),
    "mul": lambda: tm.mul(HUGE, 2.0),
    "isnan": lambda: tm.isnan(HUGE),
    "argsort": lambda: tm.argsort(HUGE),
    "less": lambda: tm.tensor(LONG) < LONG[:, None],
    "matmul": lambda: tm.matmul(LONG[:, None], LONG[None]),
    "jit": lambda: tm.jit(lambda x: x[:, None] - x)(LONG),
}


@pytest.mark.parametrize("name", OF_VIEWS)
def test_the_copy_of_a_view_that_fits_no_memory_is_a_sentence(name):
    with pytest.raises((ValueError, MemoryError)) as said:
        OF_VIEWS[name]()
    assert re.match(rf"{name}: .* fit .*memory", str(said.value)), said.value
    assert "\n" not in str(said.value)


def test_triangles_make_no_grid_of_numbers():
    x = np.ones((1000, 1000), np.float32)
    tm.tril(x)
    tracemalloc.start()
    tm.tril(x)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * x.nbytes, "one of int64 alone would be 2, and there were two of them"
