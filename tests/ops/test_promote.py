"""Which dtype numbers have: alone, in lists, beside tensors, and when a dtype cannot hold them."""

import array
import itertools

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.ops import promote

f16, f32, f64, i64 = np.float16, np.float32, np.float64, np.int64
NUMBERS = [
    0.5,
    2,
    True,
    f16(0.5),
    f32(0.5),
    f64(0.5),
    np.longdouble(0.5),
    np.int8(2),
    np.uint64(2),
    np.int32(2),
    np.bool_(True),
]
MODES = pytest.mark.parametrize("mode", [lambda f: f, tm.jit], ids=["eager", "jit"])


# ---- NumPy scalars -------------------------------------------------------------------------------


@pytest.mark.parametrize("a, b", list(itertools.product(NUMBERS, NUMBERS)))
def test_numbers_alone_have_the_dtype_that_numpy_gives_them(a, b):
    """Two of NumPy as NumPy has it; a Python number beside one is weak."""
    if isinstance(a, np.generic) and isinstance(b, np.generic):
        expected = np.add(a, b).dtype
    else:
        tensor, number = (a, b) if isinstance(a, np.generic) else (b, a)
        expected = (
            (tm.tensor([tensor.item()], dtype=tensor.dtype) + number).dtype
            if isinstance(tensor, np.generic)
            else (tm.tensor([a]) + tm.tensor([b])).dtype
        )
    assert tm.add(a, b).dtype == expected
    assert tm.jit(lambda: tm.add(a, b))().dtype == expected


@MODES
@pytest.mark.parametrize("kind", [f16, f32, f64, np.longdouble])
def test_a_scalar_alone_keeps_its_dtype_and_is_weak_beside_a_tensor(kind, mode):
    x = kind(0.25)
    for f in (
        tm.exp,
        tm.relu,
        tm.square,
        lambda x: tm.power(x, 3),
        tm.mean,
        tm.grad(tm.exp),
        lambda x: tm.where(np.array(True), x, x),
        lambda x: tm.full(2, x),
        lambda x: tm.stack([x, x]),
    ):
        assert mode(f)(x).dtype == kind
    for dtype in (f32, f64):
        assert mode(lambda x, t: x * t)(x, tm.ones(2, dtype)).dtype == dtype
        assert mode(lambda x, t: tm.maximum(t, x))(x, tm.ones(2, dtype)).dtype == dtype


def test_a_function_of_the_elements_of_an_array_is_as_exact_as_its_gradient():
    x = np.array([0.3, 0.7])
    f = lambda x: tm.exp(x[0]) + tm.sin(x[1]) ** 2 + tm.square(x[0] - 1) * tm.square(x[1])
    exact = np.exp(0.3) + np.sin(0.7) ** 2 + 0.49 * 0.49
    for y in (f(x), tm.value_and_grad(f)(x)[0]):
        assert y.dtype == f64 and abs(y.item() - exact) < 1e-15
    assert tm.arange(f64(3)).dtype == f64 and tm.arange(0, 1, f32(0.5)).dtype == f32


# ---- lists ---------------------------------------------------------------------------------------


@MODES
@pytest.mark.parametrize("dtype", [f16, f32, f64])
def test_a_list_of_numbers_takes_the_dtype_of_what_it_meets(dtype, mode):
    x = np.ones(2, dtype)
    for f in (
        lambda x: x + [1.0, 2.0],
        lambda x: [1.0, 2.0] + x,
        lambda x: tm.maximum(x, [[1, 2], [3, 4]]),
        lambda x: tm.concatenate([x, [1.0, f32(2)]]),
        lambda x: tm.stack([x[0], 0.5, f64(2), 1]),
    ):
        assert mode(lambda x: f(tm.asarray(x)))(x).dtype == dtype
    assert mode(lambda n: n + [0.5, 1])(tm.arange(2)).dtype == f32
    assert mode(lambda n: n + [1, 1])(tm.arange(2, dtype=np.int8)).dtype == np.int8


ELEMENTS = np.array([0.1, 1 / 3])
LISTS_OF_NUMPY = {
    "elements": lambda x: tm.sum([x[0], x[1]]),
    "rows": lambda x: tm.sum([x, x]) / 2,
    "beside a tensor": lambda x: tm.asarray(np.ones((1, 2))) @ [x, x] @ np.array([0.5, 0.5]),
    "tuples": lambda x: tm.sum(tm.asarray(((x[0], 0), (0.0, x[1])))),
    "beside numbers": lambda x: tm.sum(tm.add([x[0], x[1]], 1.0)) - 2,
    "beside a number": lambda x: tm.sum(tm.mul([1.0, 1.0], x[0])) + x[1] - x[0],
    "as a base": lambda x: tm.sum(tm.power([x[0], x[1]], 1)),
}


@pytest.mark.parametrize("name", LISTS_OF_NUMPY)
@pytest.mark.parametrize("dtype", [f16, f32, f64])
def test_a_list_of_numpy_numbers_or_arrays_keeps_their_dtype(name, dtype):
    x = ELEMENTS.astype(dtype)
    found = LISTS_OF_NUMPY[name](x) if name != "beside a tensor" or dtype == f64 else tm.sum([x])
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), x.sum(), 4 * np.finfo(dtype).eps)


def test_what_is_an_array_to_others_keeps_its_dtype():
    assert tm.asarray(array.array("d", [0.1])).item() == 0.1
    assert tm.asarray(memoryview(ELEMENTS)).numpy().tolist() == ELEMENTS.tolist()


@pytest.mark.parametrize(
    "make", [tm.asarray, tm.tensor, lambda x, dtype: tm.full(np.shape(x), x, dtype)]
)
def test_numbers_go_straight_to_the_dtype_that_is_asked_for(make):
    """Not by way of float32, which keeps 7 digits and ends at 3e38."""
    for number in (0.1, 1e300, 2.0**24 + 1):
        assert make(number, f64).item() == number
    assert make(2.0**24 + 1, i64).item() == 2**24 + 1
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":  # before, NumPy lets them wrap around
        for beyond in (300, -1, [1, 300]):
            with pytest.raises(OverflowError, match="out of bounds for uint8"):
                make(beyond, "uint8")
    assert tm.asarray([[0.1], [1e300]], f64).numpy().tolist() == [[0.1], [1e300]]


@MODES
def test_a_base_that_is_a_number_meets_the_exponent_as_any_two_numbers(mode):
    for base, exponent, dtype in [
        (2, f64(3), f64),
        (2.0, f32(3), f32),
        (f16(2), f64(2), f64),
        (2, 3.0, f32),
        (np.int8(2), 2.0, f32),
        (f64(2), 3, f64),
    ]:
        y = mode(tm.power)(base, exponent)
        assert y.dtype == dtype and y.item() == base**exponent


@MODES
@pytest.mark.parametrize(
    "f, args, dtype",
    [
        (lambda x, n: x + [n, 1.0], (np.ones(2), 0.1), f64),
        (lambda x, n: x + [n, 1.0], (np.ones(2, f32), f64(0.1)), f32),
        (lambda x, n: x * [[n], [2]], (np.ones(2, f16), 0.1), f16),
        (lambda k, n: k + [n, 1], (np.arange(2), 0.1), f32),
        (lambda a, n: tm.add([a, 1], [n, n]), (f64(0.1), 0.1), f64),
        (lambda a, n: tm.asarray([a, n], f64), (0.1, f32(0.5)), f64),
        (lambda a, n: tm.tensor([a, n], f64), (0.1, 0.1), f64),
        (lambda x, n: tm.asarray([x, [n, 1]]), (np.ones(2, f32), f64(0.1)), f32),
        (lambda x, n: tm.asarray([x[0], x[1], n]), (np.ones(2), 0.1), f64),
        (lambda k, n: tm.asarray([k, [n, n]]), (np.arange(2), f64(0.1)), f32),
        (lambda x, y: tm.asarray([x, y], f64), (np.full(2, 0.5), np.full(2, 0.5, f32)), f64),
    ],
)
def test_a_list_is_the_same_whatever_is_known_of_its_numbers(f, args, dtype, mode):
    """Compiled, numbers that are arguments are not known: neither is a list of them less weak."""
    args = [tm.asarray(x) if isinstance(x, np.ndarray) else x for x in args]
    found = mode(f)(*args)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), f(*args).numpy())


@MODES
def test_a_list_of_arrays_mixes_no_dtypes_and_no_shapes(mode):
    for f, error, words in [
        (lambda x: [x, np.ones(2, f32)], TypeError, "sum: float32 and float64 do not mix"),
        (lambda x: [x, np.ones(3)], ValueError, "shape"),
    ]:
        with pytest.raises(error, match=words):
            mode(lambda x: tm.sum(f(x)))(np.ones(2))


# ---- numbers that a dtype cannot hold ------------------------------------------------------------


@MODES
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "uint64"])
@pytest.mark.parametrize("n", [-(2**70), -129, -1, 0, 1, 300, 2**63, 2**70])
def test_comparisons_with_any_number_are_right(dtype, n, mode):
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = np.array([low, 1, high], dtype)
    expected = [
        [low < n, 1 < n, high < n],
        [low >= n, 1 >= n, high >= n],
        [low == n, 1 == n, high == n],
        [n < low, n < 1, n < high],
    ]
    found = mode(lambda x: [x < n, x >= n, x == n, tm.less(n, x)])(tm.asarray(x))
    assert [y.numpy().tolist() for y in found] == expected


@MODES
def test_a_limit_that_nothing_reaches_does_not_limit(mode):
    x = np.array([3, 200], "uint8")
    for f in (
        lambda x: tm.clip(x, -1, 300),
        lambda x: tm.maximum(-5, x),
        lambda x: tm.minimum(x, 256),
    ):
        y = mode(f)(x)
        assert y.dtype == np.uint8 and y.numpy().tolist() == [3, 200]
    with pytest.raises(ValueError, match="clip: 300 is beyond uint8, which holds 0 to 255: cast"):
        mode(lambda x: tm.clip(x, 300, 400))(x)


@MODES
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 300,
        lambda x: x * -1,
        lambda x: x**300,
        lambda x: tm.pad(x, 1, 256),
        lambda x: x + [1, 300],
        lambda x: x - np.int64(300),
        lambda x: x + 2**70,
    ],
)
def test_a_number_beyond_the_dtype_is_one_sentence(f, mode):
    with pytest.raises(
        ValueError,
        match=r"^\w+: -?\d+ is beyond uint8, which holds 0 to 255: cast the "
        r"tensor with astype first$",
    ):
        mode(lambda x: f(tm.asarray(x)))(np.array([3, 200], "uint8"))
    assert (tm.asarray(np.array([3, 200], "uint8")) / 300).dtype == f32


# ---- bools ---------------------------------------------------------------------------------------


@MODES
def test_arithmetic_of_bools(mode):
    x = np.array([True, False])
    found = mode(lambda b: [b**3, b**2, b + 1, b * 2.0, tm.abs(b), tm.min(b), tm.max(b), b + b])(
        tm.asarray(x)
    )
    assert [y.dtype for y in found] == [i64, i64, i64, f32, bool, bool, bool, bool]
    assert [y.numpy().tolist() for y in found] == [
        [1, 0],
        [1, 0],
        [2, 1],
        [2, 0],
        [1, 0],
        0,
        1,
        [1, 0],
    ]
    for f in (lambda b: -b, lambda b: b - b, tm.sign, tm.relu):
        with pytest.raises(
            TypeError, match="^(neg|sub|sign|relu) has no meaning for bools: (use|cast) [^\n]*$"
        ):
            mode(lambda b: f(tm.asarray(b)))(x)


@MODES
def test_operators_of_bools(mode):
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    found = mode(lambda a, b: [a & b, a | b, a ^ b, ~a])(tm.asarray(a), tm.asarray(b))
    for y, expected in zip(found, [a & b, a | b, a ^ b, ~a]):
        assert y.dtype == bool and y.numpy().tolist() == expected.tolist()
    t = tm.asarray(b)
    for y, expected in [(a & t, a & b), (t | a, a | b), (True ^ t, ~b), (t & np.bool_(True), b)]:
        assert type(y) is tm.Tensor and y.numpy().tolist() == expected.tolist()


@MODES
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "uint64"])
def test_the_opposite_of_integers(dtype, mode):
    x = np.array([np.iinfo(dtype).min, 1, np.iinfo(dtype).max], dtype)
    y = mode(lambda x: ~x)(tm.asarray(x))
    assert y.dtype == x.dtype and y.numpy().tolist() == (~x).tolist()


@pytest.mark.parametrize(
    "f, message",
    [
        (
            lambda: tm.ones(2) & tm.ones(2),
            r"& takes bools, got float32 and float32: compare first, as in \(x > 0\)",
        ),
        (lambda: tm.arange(2) | True, r"\| takes bools, got int64 and bool: compare first"),
        (lambda: ~tm.ones(2), "~: float32 has no opposite: compare first, as in x > 0"),
    ],
)
def test_operators_of_others_are_refused(f, message):
    with pytest.raises(TypeError, match=message):
        f()


# ---- a number beside a float tensor --------------------------------------------------------------

BESIDE = [2, -1, 0, 2.5, 1e300, np.inf, np.nan, True, 2**62, 2**63, 2**64, 10**400, -(2**63), [1.0]]


@pytest.mark.parametrize("dtype", [f16, f32, f64, np.longdouble, i64, np.uint8, bool])
@pytest.mark.parametrize("shape", [(), (2,), (2, 0)])
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_is_promoted_at_once_is_as_after_all_questions(dtype, shape, monkeypatch):
    def outcome(pair):
        try:
            both = promote.promote("mul", pair)
        except (TypeError, ValueError, OverflowError) as error:
            return type(error), str(error)
        return [(x.dtype, x.shape, x.numpy().tobytes(), x.serial) for x in both]

    x = tm.asarray(np.ones(shape, dtype))
    pairs = [pair for y in BESIDE for pair in ((x, y), (y, x))]
    found = [outcome(pair) for pair in pairs]
    if np.dtype(dtype).kind == "f":
        assert promote._beside_number(x, 2.5) is not None
    monkeypatch.setattr(promote, "_beside_number", lambda a, b: None)
    assert found == [outcome(pair) for pair in pairs]
