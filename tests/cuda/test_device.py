"""Where arrays live: transfers, mixed devices, the pool, other libraries' memory."""

import gc
import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cuda import Array, allocate, dlpack, move, target
from tinymeta.cuda.driver import OUT_OF_MEMORY, DriverError, current
from tinymeta.cuda.memory import memory_pool, rounded_size
from tinymeta.cuda.simulator import SimulatedPointer
from tinymeta.cuda.target import SIMULATED

pytestmark = [pytest.mark.cuda, pytest.mark.ptx_run]


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "float64", "uint8"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_there_and_back(dtype, shape):
    x = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    t = tm.asarray(x).to("cuda")
    assert (t.device, t.dtype, t.shape) == ("cuda", dtype, shape)
    back = t.to("cpu")
    assert back.device == "cpu"
    np.testing.assert_array_equal(back.numpy(), x)
    np.testing.assert_array_equal(t.numpy(), x)


def test_an_upload_is_a_copy():
    x = np.ones(3)
    t = tm.asarray(x).to("cuda")
    x[0] = 5
    assert t.numpy().tolist() == [1, 1, 1]


def test_devices_do_not_mix_but_single_numbers_follow():
    x = tm.ones((2, 3)).to("cuda")
    with pytest.raises(
        ValueError, match=r"add: .* two devices, \(2, 3\) on cuda and \(2, 3\) on cpu"
    ):
        x + np.ones((2, 3), np.float32)
    assert (x + 1.0).device == "cuda" and (np.float32(2) * x).numpy().max() == 2


def test_a_gradient_is_where_its_argument_is():
    x = tm.ones(3).to("cuda")
    g = tm.grad(lambda x: (x * x).sum())(x)
    assert g.device == "cuda" and g.numpy().tolist() == [2, 2, 2]
    assert tm.grad(lambda x: (x[:0] * 1.0).sum())(x).device == "cuda"


def test_saved_from_one_device_loaded_for_another(tmp_path):
    x = tm.ones(3).to("cuda")
    tm.save(tmp_path / "x.npz", {"x": x})
    assert tm.load(tmp_path / "x.npz")["x"].numpy().tolist() == [1, 1, 1]


def test_nans_are_found_there(on_gpu):
    with (
        tm.debug_nans(),
        pytest.raises(FloatingPointError, match=r"log\(float32\(2,\)\) made a NaN"),
    ):
        tm.log(tm.asarray(np.array([1.0, -1.0], np.float32)))


def test_it_says_what_it_is(on_gpu):
    assert "on cuda" in repr(tm.ones((2, 3)))


# ---- memory --------------------------------------------------------------------------------------


def test_memory_comes_back_to_the_pool():
    gc.collect()
    used = memory_pool().used
    x = allocate((1000,), np.float32)
    address, view = x.block.address, x.view((10,), (1,))
    assert memory_pool().used == used + rounded_size(4000)
    del x
    gc.collect()
    assert memory_pool().used == used + rounded_size(4000), "a view keeps it"
    del view
    gc.collect()
    assert memory_pool().used == used
    assert allocate((1000,), np.float32).block.address == address


def test_sizes_waste_at_most_an_eighth():
    for size in (1, 512, 513, 10**4, 10**6 + 1, 2**20, 2**20 + 1, 123456789):
        assert size <= rounded_size(size) <= max(512, size * 1.125 + 512)


def test_no_room_names_the_size_and_the_remedy(monkeypatch):
    def full(size):
        raise DriverError("full", OUT_OF_MEMORY)

    monkeypatch.setattr(current(), "allocate", full)
    with pytest.raises(
        MemoryError, match=r"no room for [\d,]+ bytes: [\d,]+ are in use here.*use fewer"
    ):
        allocate((1 << 28,), np.float64)


@pytest.mark.skipif(not SIMULATED, reason="a GPU's pointers do not know where their memory ends")
def test_the_simulator_sees_a_read_outside():
    buffer = np.zeros(512, np.uint8)
    with pytest.raises(IndexError, match="element -1 lies outside"):
        SimulatedPointer(buffer, 0, np.float32)[-1]
    with pytest.raises(IndexError, match="element 128"):
        SimulatedPointer(buffer, 0, np.float32)[128]


@pytest.mark.skipif(not SIMULATED, reason="a GPU's memory is there before its threads")
def test_the_simulators_threads_share_one_array(monkeypatch):
    """Of each dtype, and if all ask for it at the same time."""
    kernel = SimpleNamespace(shared=SimpleNamespace(_allocations={}))
    simulator = importlib.import_module("numba.cuda.simulator.kernel")
    monkeypatch.setattr(simulator, "_get_kernel_context", lambda: kernel)
    empty = np.empty

    def slow_empty(*args):
        time.sleep(0.001)
        return empty(*args)

    monkeypatch.setattr(np, "empty", slow_empty)
    dtypes = [np.float32, np.float64] * 8
    with ThreadPoolExecutor(len(dtypes)) as pool:
        found = list(pool.map(lambda dtype: target.shared_array(4, dtype), dtypes))
    assert len({id(array) for array in found}) == 2
    assert [array.dtype for array in found] == dtypes


# ---- other libraries -----------------------------------------------------------------------------


def test_the_cuda_array_interface():
    x = move(np.arange(6.0).reshape(2, 3), "cuda")
    facts = x.view((3, 2), (1, 3)).__cuda_array_interface__
    assert facts["shape"] == (3, 2) and facts["strides"] == (8, 24) and facts["typestr"] == "<f8"
    assert facts["data"] == (x.address, False) and facts["version"] == 3

    class Theirs:
        __cuda_array_interface__ = facts

    theirs = Theirs()
    t = tm.asarray(theirs)
    assert t.value.address == x.address, "shared, not copied"
    np.testing.assert_array_equal(t.numpy(), np.arange(6.0).reshape(2, 3).T)


@pytest.mark.skipif(not SIMULATED, reason="NumPy reads the CPU's memory alone")
def test_dlpack_out_and_in():
    x = move(np.arange(6.0).reshape(2, 3), "cuda")
    theirs = np.from_dlpack(tm.Tensor(x))
    np.testing.assert_array_equal(theirs, np.arange(6.0).reshape(2, 3))
    assert len(dlpack.exported) == 1
    del theirs
    gc.collect()
    assert not dlpack.exported, "its consumer let go"
    x.__dlpack__()
    gc.collect()
    assert not dlpack.exported, "nobody consumed it"
    source = np.arange(4.0)
    imported = dlpack.ImportedTensor(source)
    assert (imported.shape, imported.dtype, imported.address) == (
        (4,),
        np.float64,
        source.ctypes.data,
    )


def test_an_array_of_strings_is_refused():
    class Theirs:
        __cuda_array_interface__ = {
            "shape": (1,),
            "typestr": "<U1",
            "data": (0, False),
            "version": 3,
        }

    with pytest.raises(TypeError, match="tensors hold bools, integers and floats"):
        move(Theirs(), "cuda")


def test_an_array_is_what_move_returns_for_itself():
    x = move(np.ones(2), "cuda")
    assert isinstance(x, Array) and move(x, "cuda") is x


def test_what_kernels_have_no_type_for_or_could_not_count_is_refused():
    with pytest.raises(
        TypeError, match=r"CUDA: an array \(3,\) of float16 has no kernels: cast it"
    ):
        Array(None, 0, (3,), (1,), np.float16)
    with pytest.raises(ValueError, match=r"\(65536, 32768\) has 2,147,483,648 elements"):
        Array(None, 0, (2**16, 2**15), (0, 0), np.float32)
