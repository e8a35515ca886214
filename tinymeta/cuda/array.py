"""An array in the GPU's memory: where it begins and how its elements lie, like NumPy's.

It knows no arithmetic: operations are kernels, found by name. Other libraries read it, and are
read, without a copy by `__cuda_array_interface__` and DLPack.
"""

from math import prod

import numpy as np

from ..core.strides import dense, evenly_strided
from . import dlpack
from .driver import LIMIT, current
from .memory import Block, Foreign

DTYPES = {
    "float32",
    "float64",
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}


class Array:
    """block: the memory; offset and strides count elements; 0 repeats.

    Raises TypeError for a dtype that the kernels have no type for, ValueError for 2^31 elements and
    more, which they could not count.
    """

    __slots__ = ("block", "offset", "shape", "strides", "dtype", "__weakref__")

    def __init__(self, block, offset: int, shape: tuple, strides: tuple, dtype):
        self.block, self.offset, self.dtype = block, offset, np.dtype(dtype)
        self.shape, self.strides = tuple(shape), tuple(strides)
        if self.dtype.name not in DTYPES:
            raise TypeError(
                f"CUDA: an array {self.shape} of {self.dtype} has no kernels: cast it to "
                "float32, float64, an integer or bool with astype"
            )
        if self.size >= LIMIT:
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
        return not self.size or all(
            s == d for n, s, d in zip(self.shape, self.strides, dense(self.shape)) if n > 1
        )

    @property
    def lead(self) -> int | None:
        """The stride from one index of the leading axes, all but two, to the next; None if uneven."""
        sizes, strides = self.shape[:-2], self.strides[:-2]
        if not evenly_strided(sizes, strides):
            return None
        return next((s for n, s in zip(reversed(sizes), reversed(strides)) if n > 1), 0)

    def view(self, shape: tuple, strides: tuple, offset: int = 0) -> "Array":
        """The same memory seen otherwise, beginning `offset` elements later."""
        return Array(self.block, self.offset + offset, shape, strides, self.dtype)

    def __repr__(self):
        return f"<{self.dtype}{self.shape} on cuda>"

    # ---- other libraries -------------------------------------------------------------------------

    @property
    def __cuda_array_interface__(self) -> dict:
        item = self.dtype.itemsize
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "version": 3,
            "strides": tuple(s * item for s in self.strides),
            "data": (self.address if self.size else 0, False),
            "stream": current().stream.value or None,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.device()

    def __dlpack__(self, *, stream=None, **options):
        current().synchronize()  # simpler than to wait on the asker's stream, and as right
        return dlpack.capsule(self)


def allocate(shape: tuple, dtype) -> Array:
    """A dense array with any content."""
    shape, dtype = tuple(shape), np.dtype(dtype)
    return Array(Block(prod(shape) * dtype.itemsize), 0, shape, dense(shape), dtype)


def move(value, name: str):
    """Between the host and the GPU, and from another library's memory on it.

    Raises TypeError for what neither NumPy nor `__cuda_array_interface__` can describe.
    """
    if name == "cuda":
        if isinstance(value, Array):
            return value
        if hasattr(value, "__cuda_array_interface__"):
            return shared(value)
        return uploaded(value) if dlpack.device() != device_of(value) else taken(value)
    from .movement import contiguous

    value = contiguous(move(value, "cuda"))
    array = np.empty(value.shape, value.dtype)
    if value.size:
        current().download(array, value.address)
    return array


def uploaded(value) -> Array:
    host = np.ascontiguousarray(value).reshape(np.shape(value))
    array = allocate(host.shape, host.dtype)
    if host.size:
        current().upload(array.address, host)
    return array


def device_of(value) -> tuple[int, int] | None:
    """DLPack's name of where a value lies, if it has one; NumPy's arrays are the host's."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return None
    return tuple(map(int, value.__dlpack_device__()))


def taken(value) -> Array:
    """Another library's array, by DLPack."""
    theirs = dlpack.Taken(value)
    strides = dense(theirs.shape) if theirs.strides is None else theirs.strides
    return Array(Foreign(theirs.address, theirs), 0, theirs.shape, strides, theirs.dtype)


def shared(value) -> Array:
    """Another library's array, without a copy, when its stream is done with it."""
    facts = value.__cuda_array_interface__
    dtype, shape = np.dtype(facts["typestr"]), tuple(facts["shape"])
    if dtype.kind not in "biuf":
        raise TypeError(
            f"cannot make a tensor of {dtype} on cuda: tensors hold bools, integers and floats"
        )
    strides = facts.get("strides")
    strides = dense(shape) if strides is None else tuple(s // dtype.itemsize for s in strides)
    if facts.get("stream") is not None:
        current().synchronize(facts["stream"])
    return Array(Foreign(facts["data"][0], value), 0, shape, strides, dtype)
