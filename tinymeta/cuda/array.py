"""An array in the GPU's memory: where it begins and how its elements lie, like NumPy's.

It knows no arithmetic: operations are kernels, found by name. Other libraries read it, and are
read, without a copy by `__cuda_array_interface__` and DLPack.
"""

from math import prod
from typing import Any

import numpy as np

from ..core.strides import dense, evenly_strided
from . import dlpack
from .driver import INT32_LIMIT, current
from .memory import Block, ForeignBlock

DTYPES = {
    "float32",
    "float64",
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}


class Array:
    """block: the memory. offset, strides: in elements; a stride of 0 repeats.

    Raises TypeError for a dtype that the kernels have no type for, ValueError for 2^31 elements and
    more, which they could not count.
    """

    __slots__ = ("block", "offset", "shape", "strides", "dtype", "__weakref__")

    def __init__(self, block: Any, offset: int, shape: tuple, strides: tuple, dtype: Any):
        self.block, self.offset, self.dtype = block, offset, np.dtype(dtype)
        self.shape, self.strides = tuple(shape), tuple(strides)
        if self.dtype.name not in DTYPES:
            raise TypeError(
                f"CUDA: an array {self.shape} of {self.dtype} has no kernels: cast it to "
                "float32, float64, an integer or bool with astype"
            )
        if self.size >= INT32_LIMIT:
            raise ValueError(
                f"CUDA: an array {self.shape} has {self.size:,} elements, and kernels "
                "count to 2^31: use smaller batches"
            )

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: prod(self.shape))
    nbytes = property(lambda self: self.size * self.dtype.itemsize)
    address = property(lambda self: self.block.address + self.offset * self.dtype.itemsize)

    @property
    def is_dense(self) -> bool:
        """Whether its elements lie one after another, in the order of their indices."""
        if not self.size:
            return True
        axes = zip(self.shape, self.strides, dense(self.shape))
        return all(stride == wanted for n, stride, wanted in axes if n > 1)

    @property
    def task_stride(self) -> int | None:
        """The stride from a matrix to the next, all axes but two taken as one; None if uneven."""
        sizes, strides = self.shape[:-2], self.strides[:-2]
        if not evenly_strided(sizes, strides):
            return None
        innermost_first = zip(reversed(sizes), reversed(strides))
        return next((stride for n, stride in innermost_first if n > 1), 0)

    def view(self, shape: tuple, strides: tuple, offset: int = 0) -> "Array":
        """The same memory with other strides, beginning `offset` elements later."""
        return Array(self.block, self.offset + offset, shape, strides, self.dtype)

    def __repr__(self):
        return f"<{self.dtype}{self.shape} on cuda>"

    # ---- for other libraries ---------------------------------------------------------------------

    @property
    def __cuda_array_interface__(self) -> dict:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "version": 3,
            "strides": tuple(s * self.dtype.itemsize for s in self.strides),
            "data": (self.address if self.size else 0, False),
            "stream": current().stream.value or None,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.dlpack_device()

    def __dlpack__(self, *, stream: Any = None, **options: Any) -> Any:
        current().synchronize()  # simpler than to wait on the consumer's stream, and as right
        return dlpack.export(self)


def allocate(shape: tuple, dtype: Any) -> Array:
    """A dense array with any content. Raises MemoryError."""
    shape, dtype = tuple(shape), np.dtype(dtype)
    block = Block(prod(shape) * dtype.itemsize)
    return Array(block, 0, shape, dense(shape), dtype)


# ---- between devices and libraries ---------------------------------------------------------------


def move(value: Any, name: str) -> Any:
    """An array on the device `name`: an Array on "cuda", NumPy's on "cpu".

    Another library's array in the GPU's memory is not copied. Raises TypeError for what neither
    NumPy nor `__cuda_array_interface__` can describe.
    """
    return _to_gpu(value) if name == "cuda" else _download(_to_gpu(value))


def _to_gpu(value: Any) -> Array:
    if isinstance(value, Array):
        return value
    if hasattr(value, "__cuda_array_interface__"):
        return _from_cuda_array_interface(value)
    if _dlpack_device_of(value) == dlpack.dlpack_device():
        return _from_dlpack(value)
    return _upload(value)


def _upload(value: Any) -> Array:
    host = np.ascontiguousarray(value).reshape(np.shape(value))  # which makes 0-d arrays 1-d
    array = allocate(host.shape, host.dtype)
    if host.size:
        current().upload(array.address, host)
    return array


def _download(value: Array) -> np.ndarray:
    from .movement import contiguous

    value = contiguous(value)
    array = np.empty(value.shape, value.dtype)
    if value.size:
        current().download(array, value.address)
    return array


def _dlpack_device_of(value: Any) -> tuple[int, int] | None:
    """DLPack's (type, number) of where a value lies, if it has one; NumPy's are the host's."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return None
    kind, number = value.__dlpack_device__()
    return int(kind), int(number)


def _from_dlpack(value: Any) -> Array:
    """Another library's array, without a copy, by DLPack."""
    theirs = dlpack.ImportedTensor(value)
    strides = dense(theirs.shape) if theirs.strides is None else theirs.strides
    block = ForeignBlock(theirs.address, theirs)
    return Array(block, 0, theirs.shape, strides, theirs.dtype)


def _from_cuda_array_interface(value: Any) -> Array:
    """Another library's array, without a copy, when its stream is done with it."""
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
    if interface.get("stream") is not None:
        current().synchronize(interface["stream"])
    block = ForeignBlock(interface["data"][0], value)
    return Array(block, 0, shape, strides, dtype)
