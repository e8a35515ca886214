"""An array in the GPU's memory: where it begins and how its elements lie, like NumPy's.

It knows no arithmetic: operations are kernels, found by name. Other libraries read it without a
copy, by DLPack and `__cuda_array_interface__`; how theirs become ours is in transfer.py.
"""

from math import prod
from typing import Any

import numpy as np

from ..core.strides import dense, evenly_strided
from . import dlpack
from .driver import INT32_LIMIT, LEGACY_DEFAULT
from .memory import Block

DTYPES = {
    np.dtype(name)
    for name in (
        *("float32", "float64", "bool"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
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
        if self.dtype not in DTYPES:
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
    device = property(lambda self: device_name(self.block.driver.number))

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

    def within(self, block: Block) -> "Array":
        """An array like this one at the beginning of another block; nothing is checked again."""
        other = Array.__new__(Array)
        other.block, other.offset, other.dtype = block, 0, self.dtype
        other.shape, other.strides = self.shape, self.strides
        return other

    def __repr__(self):
        return f"<{self.dtype}{self.shape} on {self.device}>"

    # ---- for other libraries ---------------------------------------------------------------------

    @property
    def __cuda_array_interface__(self) -> dict:
        """For any stream to read at once, as the host waits here for what writes to it."""
        self.block.lent = True
        self.block.driver.synchronize()
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "version": 3,
            "strides": tuple(s * self.dtype.itemsize for s in self.strides),
            "data": (self.address if self.size else 0, False),
            "stream": None,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.dlpack_device(self.block.driver.number)

    def __dlpack__(self, *, stream: int | None = None, **options: Any) -> Any:
        """A capsule; what is queued on the consumer's stream afterwards may read it.

        stream: its handle; None: the default one, -1: nobody has to wait. Raises ValueError for 0,
        which may mean two streams.
        """
        if stream == 0:
            raise ValueError("__dlpack__: stream 0 is ambiguous: pass 1, 2 or a stream's handle")
        if stream != -1:
            self.block.driver.precede(LEGACY_DEFAULT if stream is None else stream)
        self.block.lent = True
        return dlpack.export(self)


def allocate(shape: tuple, dtype: Any) -> Array:
    """A dense array with any content. Raises MemoryError."""
    shape, dtype = tuple(shape), np.dtype(dtype)
    block = Block(prod(shape) * dtype.itemsize)
    return Array(block, 0, shape, dense(shape), dtype)


def device_name(number: int) -> str:
    """ "cuda" for the first GPU, "cuda:1" for the second."""
    return f"cuda:{number}" if number else "cuda"


def device_number(name: str) -> int:
    """The number of the GPU with this name."""
    return int(name.partition(":")[2] or 0)
