"""DLPack round trips with PyTorch and JAX: the same memory, dtype and values, there and back."""

import warnings

import numpy as np
import pytest

import tinymeta as tm

pytestmark = pytest.mark.peers
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
SHAPES = ((), (3,), (2, 3), (0, 4), (2, 1, 3))


@pytest.fixture(params=["torch", "jax"])
def library(request):
    """(from_dlpack, as NumPy, the address of its memory) of a library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip(request.param)
    if request.param == "torch":
        return module.from_dlpack, lambda x: x.numpy(), lambda x: x.data_ptr()
    module.config.update("jax_enable_x64", True)
    return module.dlpack.from_dlpack, np.asarray, lambda x: x.unsafe_buffer_pointer()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_there_and_back(library, shape, dtype):
    from_dlpack, as_numpy, address = library
    values = (10 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    there = from_dlpack(tm.tensor(values))
    assert as_numpy(there).dtype == values.dtype
    np.testing.assert_array_equal(as_numpy(there), values)
    back = tm.asarray(there)
    assert back.dtype == values.dtype and back.shape == shape
    np.testing.assert_array_equal(back.numpy(), values)


@pytest.mark.filterwarnings("ignore")
def test_what_comes_from_them_shares_their_memory(library):
    from_dlpack, _, address = library
    theirs = from_dlpack(np.arange(64, dtype=np.float32))
    ours = tm.asarray(theirs)
    assert ours.value.ctypes.data == address(theirs)


@pytest.mark.filterwarnings("ignore")
def test_views_keep_their_elements(library):
    """JAX takes transposes; of others it says itself that it does not."""
    from_dlpack, as_numpy, _ = library
    x = tm.tensor(np.arange(12.0).reshape(3, 4))
    strided = (x[1:, ::2], x[:, 1]) if "torch" in from_dlpack.__module__ else ()
    for view in (x.T, x[1:], *strided):
        np.testing.assert_array_equal(as_numpy(from_dlpack(view)), view.numpy())


def test_a_tensor_that_is_being_differentiated_is_not_handed_over(library):
    from_dlpack, *_ = library
    with pytest.raises(TypeError, match="being differentiated would drop the gradient"):
        tm.grad(lambda x: from_dlpack(x) and x.sum())(np.ones(3))


@pytest.mark.filterwarnings("ignore")
def test_gradients_and_programs_take_their_arrays(library):
    from_dlpack, as_numpy, _ = library
    x = from_dlpack(np.arange(3.0))
    for f in (tm.grad(lambda x: (x**2).sum()), tm.jit(tm.grad(lambda x: (x**2).sum()))):
        np.testing.assert_array_equal(as_numpy(from_dlpack(f(x))), [0, 2, 4])
