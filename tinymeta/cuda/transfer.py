"""Between devices and libraries: how arrays come into the GPU's memory and out of it.

What another library has on this GPU is not copied. Its work is queued on streams of its own, so
each hand-over says who waits for whom. DLPack does: its consumer names a stream, and the producer
makes that wait. `__cuda_array_interface__` may name none, and PyTorch neither names nor reads one:
then the host waits.
"""

from typing import Any

import numpy as np

from ..core.strides import dense
from . import dlpack
from .array import Array, allocate, device_number
from .driver import current, using
from .memory import ForeignBlock
from .movement import contiguous


def move(value: Any, name: str) -> Any:
    """An array on the device `name`: an Array on "cuda" or "cuda:1", NumPy's on "cpu".

    Another library's array in that GPU's memory is not copied; between two GPUs it goes by way of
    the host. Raises TypeError for what neither NumPy nor `__cuda_array_interface__` can describe.
    """
    if isinstance(value, Array):
        if value.device == name:
            return value
        with using(value.block.driver.number):
            value = _download(value)
        return value if name == "cpu" else move(value, name)
    if name == "cpu":
        return move(share(value), "cpu")
    with using(device_number(name)):
        return _share(value) if _lies_here(value) else _upload(value)


def share(value: Any) -> Array:
    """Another library's array in a GPU's memory, where it is, without a copy."""
    with using(_gpu_by_dlpack(value) or 0):
        return _share(value)


def _lies_here(value: Any) -> bool:
    """Is it another library's array in the memory of this thread's GPU?"""
    number = _gpu_by_dlpack(value)
    if number is None:  # the interface does not say on which GPU: on this one, then
        return hasattr(value, "__cuda_array_interface__")
    return number == current().number


def _share(value: Any) -> Array:
    """DLPack first: its two sides order their streams, where the interface may name none."""
    if _gpu_by_dlpack(value) is None:
        return _from_cuda_array_interface(value)
    return _from_dlpack(value)


def _upload(value: Any) -> Array:
    host = np.ascontiguousarray(value).reshape(np.shape(value))  # which makes 0-d arrays 1-d
    array = allocate(host.shape, host.dtype)
    if host.size:
        current().upload(array.address, host)
    return array


def _download(value: Array) -> np.ndarray:
    value = contiguous(value)
    array = np.empty(value.shape, value.dtype)
    if value.size:
        current().download(array, value.address)
    return array


def _gpu_by_dlpack(value: Any) -> int | None:
    """The number of the GPU where a value is, if DLPack can hand it over from there."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return None
    kind, number = value.__dlpack_device__()
    return int(number) if kind == dlpack.CUDA else None


def _from_dlpack(value: Any) -> Array:
    """Another library's array, without a copy, by DLPack."""
    theirs = dlpack.ImportedTensor(value)
    strides = dense(theirs.shape) if theirs.strides is None else theirs.strides
    block = ForeignBlock(theirs.address, theirs)
    return Array(block, 0, theirs.shape, strides, theirs.dtype)


def _from_cuda_array_interface(value: Any) -> Array:
    """Another library's array, without a copy; our work follows what its stream holds now.

    If it names no stream, the host waits for all of them.
    """
    interface = value.__cuda_array_interface__
    dtype, shape = np.dtype(interface["typestr"]), tuple(interface["shape"])
    if dtype.kind not in "biuf":
        raise TypeError(
            f"cannot make a tensor of {dtype} on cuda: tensors hold bools, integers and floats"
        )
    byte_strides = interface.get("strides")
    if byte_strides is None:
        strides = dense(shape)
    else:
        strides = tuple(s // dtype.itemsize for s in byte_strides)
    if interface.get("stream") is None:
        current().synchronize_all()
    else:
        current().follow(interface["stream"])
    block = ForeignBlock(interface["data"][0], value)
    return Array(block, 0, shape, strides, dtype)
