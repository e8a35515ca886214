"""Tensors as values: dtypes, scalars, what is refused and how it says so."""

import copy

import numpy as np
import pytest

import tinymeta as tm

f32, f64, i64 = np.float32, np.float64, np.int64


# ---- making and reading -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, dtype",
    [
        ([1.0, 2.0], f32),
        ([1, 2], i64),
        ([True], bool),
        (1.5, f32),
        (2, i64),
        (True, bool),
        ([], f32),
        (np.ones(2), f64),
        (np.ones(2, f32), f32),
        (np.float64(1), f64),
        (np.int32(1), np.int32),
        (np.ones(2, np.uint8), np.uint8),
    ],
)
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
    for mode in (lambda f: f, tm.jit):
        g = mode(tm.grad(lambda x: tm.sum(tm.asarray(x, f32) * 3.0 + tm.tensor(x, f32))))(x)
        assert g.dtype == f64 and g.numpy().tolist() == [3, 3]


def test_copies_are_harmless():
    t = tm.tensor([1.0])
    assert copy.deepcopy({"w": t})["w"].numpy().tolist() == [1.0]


# ---- dtypes meet --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "a, b, dtype",
    [
        (tm.ones(2), 2.0, f32),
        (tm.ones(2), 2, f32),
        (tm.ones(2), True, f32),
        (tm.ones(2), np.float64(2), f32),
        (tm.ones(2, f64), 2.0, f64),
        (tm.ones(2, f64), np.float32(2), f64),
        (tm.ones(2, i64), 2, i64),
        (tm.ones(2, i64), 2.0, f32),
        (tm.ones(2, bool), 2, i64),
        (tm.ones(2, bool), 2.0, f32),
        (tm.ones(2, i64), tm.ones(2), f32),
        (tm.ones(2, i64), tm.ones(2, f64), f64),
        (tm.ones(2, bool), tm.ones(2, f64), f64),
        (tm.ones(2, bool), tm.ones(2, i64), i64),
        (tm.ones(2, np.int32), tm.ones(2, i64), i64),
        (np.ones(2), tm.ones(2, i64), f64),
    ],
)
def test_the_dtype_of_a_sum(a, b, dtype):
    assert (a + b).dtype == dtype and (b + a).dtype == dtype


@pytest.mark.parametrize(
    "op",
    [
        lambda a, b: a + b,
        lambda a, b: a @ b,
        tm.maximum,
        tm.power,
        lambda a, b: tm.concatenate([a, b]),
        lambda a, b: tm.where(np.array([[True]]), a, b),
        lambda a, b: tm.conv2d(a[None, None], b[None, None]),
    ],
)
def test_float32_and_float64_do_not_mix(op):
    with pytest.raises(TypeError, match="float32 and float64 do not mix: cast one with astype"):
        op(tm.ones((2, 2)), tm.ones((2, 2), f64))


def test_division_and_functions_of_integers_are_float32():
    n = tm.arange(1, 4)
    assert (n / n).dtype == f32 and tm.exp(n).dtype == f32 and tm.mean(n).dtype == f32
    assert (n**2).dtype == i64 and (n**-1).dtype == f32 and (n**0.5).dtype == f32
    np.testing.assert_allclose((n**-1).numpy(), [1, 1 / 2, 1 / 3], rtol=1e-7)


# ---- places -------------------------------------------------------------------------------------


def test_devices_tell_what_is_usable():
    devices = tm.devices()
    assert list(devices)[:2] == ["cpu", "cuda"] and devices["cpu"] is True
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
    with pytest.raises(RuntimeError) as error, tm.device("cuda"):
        pass
    assert str(error.value) == f"device 'cuda' is not usable: {why}"
    with pytest.raises(RuntimeError) as error, tm.device("cuda:1"):  # for the same reason
        pass
    assert str(error.value) == f"device 'cuda:1' is not usable: {why}"


# ---- byte order ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">f2", ">i4", ">u2", "<f8"])
def test_tensors_have_the_byte_order_of_the_machine(dtype):
    a = np.arange(6).astype(dtype).reshape(2, 3)
    native = np.dtype(dtype).newbyteorder("=")
    made = [
        tm.asarray(a),
        tm.tensor(a),
        tm.asarray(a.tolist(), dtype),
        tm.tensor([[1.0]], dtype),
        tm.zeros(2, dtype),
        tm.full(2, 3, dtype),
        tm.arange(3, dtype=dtype),
        tm.asarray(a[0, 1]),
        tm.astype(tm.ones(2), dtype),
    ]
    for t in made:
        assert t.dtype == native and t.dtype.isnative and t.value.dtype.isnative
    assert tm.asarray(a).numpy().tolist() == a.tolist()
    assert (tm.asarray(a) + np.ones(3, native)).dtype == native


@pytest.mark.parametrize("name", ["gpu", None, 3, np.array(["cpu", "cuda"])], ids=str)
def test_what_names_no_device(name):
    for call in (tm.ones(2).to, tm.device):
        with pytest.raises(
            ValueError, match="unknown device .*: choose one of cpu, cuda, or cuda:1"
        ):
            call(name)
    with pytest.raises(TypeError, match="scope: name must be a text, got 3"):
        tm.scope(3)


def test_to_a_device_that_is_missing_says_what_to_do():
    reason = tm.devices()["cuda"]
    if reason is True:
        pytest.skip("there is a GPU here")
    if "no NVIDIA driver" not in reason:
        pytest.skip(f"something else is missing: {reason}")
    with pytest.raises(OSError, match="no NVIDIA driver was found .*: install one, or use"):
        tm.zeros(3).to("cuda")
