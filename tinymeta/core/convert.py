"""Data of others as NumPy arrays: Python numbers and lists, NumPy, DLPack, CUDA array interface.

`tensor` and `asarray` (tensor.py) wrap what comes out of here. What others get of a Tensor is the
other direction, in interop.py. There are three kinds of data:

    an array           has a dtype of its own: NumPy's, another library's, on the host or on a GPU
    a weak scalar      a Python or NumPy number, which takes the dtype of the tensors it meets
    a traced scalar    a number that is not known yet, as `jit` hands it to the function it traces
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .checks import shown
from .device import device_of, move, share
from .interop import Readable

_DLPACK_CUDA = 2  # that standard's number for such a device


class TracedScalar:
    """A number whose value is not known yet, as a compiler hands it to the function it traces.

    It is weak, as is the Python or NumPy number that it stands for. kind: the type of that number.
    """

    kind: type

    def astype(self, dtype: Any = None) -> Any:
        """The number as a 0-d tensor; None: of the dtype that it has where it meets no array."""
        raise NotImplementedError


WEAK_SCALARS = (bool, int, float, np.bool_, np.integer, np.floating, TracedScalar)
_HOST_DATA = (np.ndarray, np.generic, *WEAK_SCALARS, list, tuple)


def contains(data: Any, kinds: tuple) -> bool:
    """Is it a list or tuple with one of these kinds in it, or in a list in it?"""
    return isinstance(data, (list, tuple)) and any(
        isinstance(x, kinds) or contains(x, kinds) for x in data
    )


def scalar_dtypes(data: list | tuple) -> Iterator[np.dtype]:
    """The dtypes of NumPy's numbers in a list or tuple, and in the lists in it."""
    for x in data:
        if isinstance(x, (list, tuple)):
            yield from scalar_dtypes(x)
        elif isinstance(x, np.generic):
            yield x.dtype
        elif isinstance(x, TracedScalar) and issubclass(x.kind, np.generic):
            yield np.dtype(x.kind)


def on_gpu(data: Any) -> bool:
    """Is it in a GPU's memory: a Tensor or another library's array?"""
    if isinstance(data, Readable):
        return device_of(data.value) != "cpu"
    if isinstance(data, _HOST_DATA):
        return False
    if hasattr(data, "__cuda_array_interface__"):
        return True
    return hasattr(data, "__dlpack_device__") and data.__dlpack_device__()[0] == _DLPACK_CUDA


def share_on_gpu(data: Any, dtype: np.dtype | None) -> Any:
    """The array of a GPU's memory that `data` is, not copied unless it is cast."""
    value = data.value if isinstance(data, Readable) else share(data)
    if dtype not in (None, value.dtype):
        value = move(move(value, "cpu").astype(dtype), value.device)
    return value


def as_host_array(data: Any, dtype: np.dtype | None) -> np.ndarray:
    """Data as a NumPy array on the host, not copied where that can be avoided.

    An array keeps its dtype. Lists and Python numbers get `dtype`; without one integers int64,
    floats float32, or the dtype of NumPy's floats in the list.
    Raises TypeError for what is not numeric, OverflowError for numbers beyond `dtype`.
    """
    if type(data) is np.ndarray and data.dtype.kind in "biuf":  # nearly always
        return data
    if isinstance(data, Readable):
        return data.numpy()
    if on_gpu(data):
        return move(share(data), "cpu")
    if not isinstance(data, (np.ndarray, np.generic)) and hasattr(data, "__dlpack__"):
        return np.from_dlpack(data)
    array = _numeric_array(data)
    if not isinstance(data, (int, float, list, tuple)):
        if isinstance(data, np.ma.MaskedArray):
            raise TypeError(
                "cannot make a tensor of a masked array, whose mask would be lost: fill "
                "it first, with its filled(value), and pass the mask another way"
            )
        return array
    if dtype is not None:  # `array` is of int64 or float64: convert the exact numbers
        return _numbers_as(data, dtype)
    if array.dtype.kind != "f":
        return array
    float_dtypes = [d for d in scalar_dtypes([data]) if d.kind == "f"]
    wanted = np.result_type(*float_dtypes) if float_dtypes else np.dtype(np.float32)
    return array.astype(wanted, copy=False)


def _numeric_array(data: Any) -> np.ndarray:
    """np.asarray; TypeError for ragged lists, strings, objects and complex numbers."""
    try:
        array = np.asarray(data)
    except ValueError:
        raise TypeError(
            f"cannot make a tensor of {type(data).__name__}: what stands in it differs "
            f"in shape, as in {shown(data)}"
        ) from None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"cannot make a tensor of {type(data).__name__} "
            f"(NumPy dtype {array.dtype}): tensors hold bools, integers and floats"
        )
    return array


def _numbers_as(numbers: Any, dtype: np.dtype) -> np.ndarray:
    """Python's numbers in a dtype. Raises OverflowError, or ValueError for a NaN in integers."""
    try:
        return np.asarray(numbers, dtype)
    except (OverflowError, ValueError) as error:
        raise type(error)(
            f"cannot make a tensor of {shown(numbers)}, which is out of bounds for {dtype}"
        ) from None


def in_native_byte_order(array: np.ndarray) -> np.ndarray:
    """The array in the machine's own byte order (files of other machines have the other one)."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
