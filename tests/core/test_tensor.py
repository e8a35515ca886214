"""Tensors as values: dtypes, scalars, NumPy on either side, what is refused and how it says so."""

import copy
import math
import re

import numpy as np
import pytest

import tinymeta as tm

f32, f64, i64 = np.float32, np.float64, np.int64


# ---- making and reading -------------------------------------------------------------------------

@pytest.mark.parametrize("data, dtype", [
    ([1.0, 2.0], f32), ([1, 2], i64), ([True], bool), (1.5, f32), (2, i64), (True, bool), ([], f32),
    (np.ones(2), f64), (np.ones(2, f32), f32), (np.float64(1), f64), (np.int32(1), np.int32),
    (np.ones(2, np.uint8), np.uint8),
])
def test_dtypes_of_new_tensors(data, dtype):
    assert tm.tensor(data).dtype == dtype and tm.asarray(data).dtype == dtype


@pytest.mark.parametrize("data", ["text", [[1, 2], [3]], object(), 1j, None])
def test_what_is_not_numeric_is_refused(data):
    with pytest.raises(TypeError, match="cannot make a tensor of"):
        tm.tensor(data)


def test_tensor_copies_and_asarray_shares():
    array = np.zeros(3)
    copied, shared = tm.tensor(array), tm.asarray(array)
    array[0] = 7
    assert copied.numpy()[0] == 0 and shared.numpy()[0] == 7
    assert tm.asarray(shared) is shared
    assert tm.asarray(shared, f64) is shared and tm.asarray(shared, f32).dtype == f32


def test_dlpack_shares_in_both_directions():
    t = tm.tensor(np.arange(3.0))
    assert np.shares_memory(np.from_dlpack(t), t.value)

    class Other:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()
    array = np.arange(3.0)
    assert np.shares_memory(tm.asarray(Other(array)).value, array)


def test_attributes_and_reading():
    t = tm.tensor(np.arange(6.0).reshape(2, 3))
    assert (t.shape, t.ndim, t.size, t.dtype, t.device, len(t)) == ((2, 3), 2, 6, f64, "cpu", 2)
    assert t.T.shape == (3, 2) and [row.shape for row in t] == [(3,), (3,)]
    assert tm.tensor([2.5]).item() == float(tm.tensor(2.5)) == 2.5 and int(tm.tensor(2)) == 2
    assert bool(tm.tensor(0.0)) is False
    np.testing.assert_array_equal(np.asarray(t), np.arange(6.0).reshape(2, 3))
    assert np.asarray(t, dtype=f32).dtype == f32
    with pytest.raises(ValueError, match="read-only"):
        t.numpy()[0, 0] = 1


@pytest.mark.parametrize("read", [float, bool, lambda t: t.item()])
def test_reading_many_elements_as_one_number_is_refused(read):
    with pytest.raises(ValueError, match=r"needs a tensor of one element, got shape \(2,\)"):
        read(tm.ones(2))


def test_a_scalar_has_no_length():
    with pytest.raises(TypeError, match="a 0-d tensor has no length"):
        len(tm.tensor(1.0))


def test_printing_shows_value_dtype_shape_and_history():
    assert repr(tm.tensor([1.0, 2.0])) == "Tensor([1., 2.], float32(2,))"
    seen = []
    tm.grad(lambda x: seen.append(tm.exp(x) * x * 2.0) or seen[0])(1.0)
    assert seen[0].history() == "mul(mul(exp(...), leaf), constant)"
    assert repr(seen[0]).endswith("float32(), mul(mul(exp(...), leaf), constant))")
    assert len(repr(tm.zeros((100, 100)))) < 500


def test_tensors_are_keys_by_identity():
    a, b = tm.tensor(1.0), tm.tensor(1.0)
    assert len({a: 1, b: 2, a: 3}) == 2


# ---- immutability -------------------------------------------------------------------------------

def test_assignment_to_an_element_is_refused_and_names_the_functional_way():
    t = tm.zeros(3)
    with pytest.raises(TypeError, match="tensors are immutable: build a new one with tm.where"):
        t[0] = 1.0


@pytest.mark.parametrize("update", ["t += 1", "t -= 1", "t *= 3", "t /= 2", "t **= 2", "t @= t"])
def test_an_update_rebinds_and_leaves_the_old_alone(update):
    old = tm.tensor(np.eye(2) * 5)
    names = {"t": old}
    exec(update, names)
    assert names["t"] is not old
    np.testing.assert_array_equal(old.numpy(), np.eye(2) * 5)
    assert not np.array_equal(names["t"].numpy(), old.numpy())


def test_an_update_inside_a_differentiated_function():
    def f(x):
        y = x
        y *= x
        y += x
        return y
    assert tm.grad(f)(3.0).item() == 7


def test_a_cast_by_asarray_keeps_the_gradient_and_a_copy_does_not():
    x = np.array([1.5, 2.5])
    for way in (lambda f: f, tm.jit):
        g = way(tm.grad(lambda x: tm.sum(tm.asarray(x, f32) * 3.0 + tm.tensor(x, f32))))(x)
        assert g.dtype == f64 and g.numpy().tolist() == [3, 3]


def test_copies_are_harmless():
    t = tm.tensor([1.0])
    assert copy.deepcopy({"w": t})["w"].numpy().tolist() == [1.0]


# ---- dtypes meet --------------------------------------------------------------------------------

@pytest.mark.parametrize("a, b, dtype", [
    (tm.ones(2), 2.0, f32), (tm.ones(2), 2, f32), (tm.ones(2), True, f32),
    (tm.ones(2), np.float64(2), f32),
    (tm.ones(2, f64), 2.0, f64), (tm.ones(2, f64), np.float32(2), f64), (tm.ones(2, i64), 2, i64),
    (tm.ones(2, i64), 2.0, f32), (tm.ones(2, bool), 2, i64), (tm.ones(2, bool), 2.0, f32),
    (tm.ones(2, i64), tm.ones(2), f32), (tm.ones(2, i64), tm.ones(2, f64), f64),
    (tm.ones(2, bool), tm.ones(2, f64), f64), (tm.ones(2, bool), tm.ones(2, i64), i64),
    (tm.ones(2, np.int32), tm.ones(2, i64), i64), (np.ones(2), tm.ones(2, i64), f64),
])
def test_the_dtype_of_a_sum(a, b, dtype):
    assert (a + b).dtype == dtype and (b + a).dtype == dtype


@pytest.mark.parametrize("op", [
    lambda a, b: a + b, lambda a, b: a @ b, tm.maximum, tm.power,
    lambda a, b: tm.concatenate([a, b]), lambda a, b: tm.where(np.array([[True]]), a, b),
    lambda a, b: tm.conv2d(a[None, None], b[None, None]),
])
def test_float32_and_float64_do_not_mix(op):
    with pytest.raises(TypeError, match="float32 and float64 do not mix: cast one with astype"):
        op(tm.ones((2, 2)), tm.ones((2, 2), f64))


def test_division_and_functions_of_integers_are_float32():
    n = tm.arange(1, 4)
    assert (n / n).dtype == f32 and tm.exp(n).dtype == f32 and tm.mean(n).dtype == f32
    assert (n ** 2).dtype == i64 and (n ** -1).dtype == f32 and (n ** 0.5).dtype == f32
    np.testing.assert_allclose((n ** -1).numpy(), [1, 1 / 2, 1 / 3], rtol=1e-7)


# ---- NumPy --------------------------------------------------------------------------------------

@pytest.mark.parametrize("op", ["+", "-", "*", "/", "**", "@", "<", "<=", ">", ">=", "==", "!="])
def test_an_array_on_either_side_of_an_operator(op):
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2.0, 2.0], [0.5, 4.0]])
    expected = eval(f"a {op} b", {"a": a, "b": b})
    for left, right in [(a, tm.tensor(b)), (tm.tensor(a), b), (tm.tensor(a), tm.tensor(b))]:
        y = eval(f"a {op} b", {"a": left, "b": right})
        assert type(y) is tm.Tensor and y.dtype == expected.dtype
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-15)


def test_the_gradient_flows_past_an_array_on_the_left():
    a = np.array([2.0, 3.0])
    assert tm.grad(lambda x: (a * x).sum())(np.ones(2)).numpy().tolist() == [2, 3]
    assert tm.grad(lambda x: (a - x / a).sum())(a).numpy().tolist() == [-1 / 2, -1 / 3]
    assert tm.grad(lambda x: (np.float64(3) * x).sum())(a).numpy().tolist() == [3, 3]


# ---- what others read ----------------------------------------------------------------------------

READERS = {
    "np.sum": np.sum, "np.mean": np.mean, "np.exp": np.exp, "np.isnan": np.isnan, "np.abs": np.abs,
    "np.array": np.array, "np.asarray": np.asarray, "np.shape": np.shape, "np.cumsum": np.cumsum,
    "np.stack": lambda t: np.stack([t, t]), "np.concatenate": lambda t: np.concatenate([t, t]),
    "np.where": lambda t: np.where(np.ones(2, bool), t, 0.0), "np.linalg.norm": np.linalg.norm,
    "np.add.reduce": np.add.reduce, "np.dot": lambda t: np.dot(t, np.ones(2)),
    "np.testing": lambda t: np.testing.assert_array_equal(t, t),
    "a list": lambda t: np.array([t[0], t[1]]), "np.sum of a list": lambda t: np.sum([t[0], t[1]]),
    "float": lambda t: float(t[0]), "int": lambda t: int(t[0]), "round": lambda t: round(t[0]),
    "math": lambda t: math.exp(t[0]), "DLPack": np.from_dlpack,
    "a buffer": lambda t: np.zeros(2).__setitem__(0, t[0]), "np.full": lambda t: np.full(2, t[0]),
}


@pytest.mark.parametrize("name", READERS)
def test_others_read_an_untracked_tensor_and_a_tracked_one_refuses(name):
    read, values = READERS[name], np.array([0.5, 2.0])
    found, expected = read(tm.asarray(values)), read(values)
    if expected is not None:
        assert type(found) is type(expected)
        np.testing.assert_array_equal(found, expected)
    with pytest.raises((TypeError, ValueError)) as error:
        tm.grad(lambda t: (read(t), t.sum())[1])(values)
    said = error.value if type(error.value) is TypeError else error.value.__cause__     # a buffer's
    assert re.search(r"would drop the gradient: use .*\.numpy\(\) or \.item\(\)", str(said))


def test_what_says_that_it_reads_stays_legal_on_a_tracked_tensor():
    def f(t):
        assert t.numpy().tolist() == t.tolist() == [0.5, 2.0] and t[0].item() == 0.5
        assert bool(t[0] > 0) and t[1] > t[0] and f"{t[0]:.2f}" == "0.50" and "leaf" in repr(t)
        assert int(tm.argmax(t)) == 1 and np.asarray(t > 1).tolist() == [False, True]
        return t.sum()
    assert tm.grad(f)(np.array([0.5, 2.0])).numpy().tolist() == [1, 1]


@pytest.mark.parametrize("function, advised", [
    (np.sum, "tm.sum"), (np.exp, "tm.exp"), (np.absolute, "tm.abs"), (np.linalg.norm, "tm.norm"),
    (np.shape, None), (np.cumsum, None), (np.prod, None)])
def test_what_is_advised_exists(function, advised):
    with pytest.raises(TypeError) as error:
        tm.grad(lambda t: (function(t), t.sum())[1])(np.ones(2))
    names = re.findall(r"\btm\.\w+", str(error.value))
    assert names == ([advised] if advised else [])
    assert all(hasattr(tm, name[3:]) for name in names)


def test_a_pushforward_has_no_history_unless_somebody_watches():
    f, x = (lambda x: x * x * x), np.array(2.0)
    assert not tm.jvp(f, (x,), (np.ones(()),))[1].serial
    assert np.asarray(tm.jvp(f, (x,), (np.ones(()),))[1]) == 12
    assert tm.grad(lambda x: tm.jvp(f, (x,), (np.ones(()),))[1])(x).item() == 12


LISTS = {
    "sum": (lambda x: tm.sum([x[0], x[1] ** 2]), [1, 4]),
    "mean": (lambda x: tm.mean([x[0], x[1] ** 2]), [0.5, 2]),
    "asarray": (lambda x: tm.sum(tm.asarray([x[0], x[1]]) * x), [2, 4]),
    "a tuple, nested": (lambda x: tm.sum(tm.asarray(((x[0], 1.0), (2.0, x[1])))), [1, 1]),
    "with numbers": (lambda x: tm.sum(tm.square([x[0], 3.0, 2])), [2, 0]),
    "beside a tensor": (lambda x: tm.sum(x * [x[1], x[0]]), [4, 2]),
    "in where": (lambda x: tm.sum(tm.where(np.array([True, False]), [x[1], x[1]], [x[0], x[0]])), [1, 1]),
    "of rows": (lambda x: tm.sum(tm.matmul([x, x * 2.0], x)), [6, 12]),
    "logsumexp": (lambda x: tm.logsumexp([x[0], x[0]]), [1, 0]),
    "the constructor copies": (lambda x: tm.sum(tm.tensor([x[0], x[1]]) * x), [1, 2]),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_tensors_keeps_its_gradient(name, compiled):
    f, expected = LISTS[name]
    g = tm.jit(tm.grad(f)) if compiled else tm.grad(f)
    found = g(np.array([1.0, 2.0]))
    assert found.numpy().tolist() == expected and found.dtype == np.float64


@pytest.mark.parametrize("method", ["BFGS", "CG", "L-BFGS-B", "TNC", "SLSQP", "Newton-CG", "trust-ncg",
                                    "dogleg", "trust-exact"])
def test_scipy_takes_gradients_and_hessians_as_they_come(method):
    optimize = pytest.importorskip("scipy.optimize")

    def f(x):
        return tm.exp(x[0]) - 2.0 * x[0] + tm.sum(tm.square(x[1:] - x[0]))

    hess = {"hess": tm.hessian(f)} if method in ("dogleg", "trust-exact") else {}
    hessp = {"hessp": lambda x, v: tm.hvp(f, x, v)} if method in ("Newton-CG", "trust-ncg") else {}
    found = optimize.minimize(f, np.zeros(3), jac=tm.grad(f), method=method, **hess, **hessp)
    np.testing.assert_allclose(found.x, np.full(3, np.log(2)), atol=2e-3)


# ---- places -------------------------------------------------------------------------------------

def test_devices_tell_what_is_usable():
    devices = tm.devices()
    assert set(devices) == {"cpu", "cuda"} and devices["cpu"] is True
    assert devices["cuda"] is True or isinstance(devices["cuda"], str)
    with tm.device("cpu"):
        assert tm.ones(2).device == "cpu"
    assert tm.ones(2).to("cpu").device == "cpu"


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="unknown device 'tpu': choose one of cpu, cuda"):
        with tm.device("tpu"):
            pass


def test_a_device_that_is_not_usable_says_why():
    why = tm.devices()["cuda"]
    if why is True:
        pytest.skip("cuda is usable here")
    with pytest.raises(RuntimeError) as error:
        with tm.device("cuda"):
            pass
    assert str(error.value) == f"device 'cuda' is not usable: {why}"


# ---- byte order, and reading as Python does ------------------------------------------------------

@pytest.mark.parametrize("dtype", [">f8", ">f4", ">f2", ">i4", ">u2", "<f8"])
def test_tensors_have_the_byte_order_of_the_machine(dtype):
    a = np.arange(6).astype(dtype).reshape(2, 3)
    native = np.dtype(dtype).newbyteorder("=")
    made = [tm.asarray(a), tm.tensor(a), tm.asarray(a.tolist(), dtype), tm.tensor([[1.0]], dtype), tm.zeros(2, dtype),
            tm.full(2, 3, dtype), tm.arange(3, dtype=dtype), tm.asarray(a[0, 1]), tm.astype(tm.ones(2), dtype)]
    for t in made:
        assert t.dtype == native and t.dtype.isnative and t.value.dtype.isnative
    assert tm.asarray(a).numpy().tolist() == a.tolist()
    assert (tm.asarray(a) + np.ones(3, native)).dtype == native


def test_reading_as_python_does():
    t, n = tm.tensor(np.array(1.256)), tm.tensor(2)
    assert f"{t:.2f}" == "1.26" and f"{n:03d}" == "002" and f"{t}" == str(t)
    assert round(t, 1) == 1.3 and round(t) == 1 and type(round(t)) is int
    assert tm.arange(6).reshape(2, 3).tolist() == [[0, 1, 2], [3, 4, 5]] and n.tolist() == 2
    assert "abc"[n] == "c" and list(range(n)) == [0, 1]
    for wrong in (t, tm.arange(1), tm.tensor(True)):
        with pytest.raises(TypeError, match="only a 0-d tensor of an integer counts or indexes, not"):
            "abc"[wrong]
    with pytest.raises(ValueError, match="needs a tensor of one element"):
        f"{tm.ones(2):.2f}"


@pytest.mark.parametrize("read", [lambda t: f"{t:.2f}", round, lambda t: t.tolist(), lambda t: range(t.astype(int))])
def test_values_cannot_be_read_while_a_function_is_traced(read):
    with pytest.raises(TypeError, match="there are no values yet"):
        tm.jit(lambda x: read(x) and x)(np.array(1.5))
