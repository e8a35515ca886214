"""A pool: memory that is not needed any more is kept for the next allocation of its size.

Asking the driver takes far longer than most kernels and may wait for all of them. As everything is
queued on one stream, a block can be given away while a kernel that reads it is still to run: the
next owner's kernels come after it.

Sizes are rounded up to few different ones, so that a freed block often fits; at most an eighth of
it is wasted. Free blocks are kept by size: taking one and giving one back are O(1).
"""

import threading
from collections import defaultdict
from typing import Any

from .driver import OUT_OF_MEMORY, DriverError, current

SMALLEST = 512  # bytes; the driver hands out no less


class MemoryPool:
    """The blocks of this process: those in use, in bytes, and the free ones, by size."""

    def __init__(self) -> None:
        self.free_blocks: defaultdict[int, list[int]] = defaultdict(list)  # size -> addresses
        self.used = 0  # bytes
        self.lock = threading.RLock()  # a block may be dropped while another is taken

    def allocate(self, size: int) -> tuple[int, int]:
        """(address, size) of at least so many bytes. Raises MemoryError."""
        size = rounded_size(size)
        with self.lock:
            if self.free_blocks[size]:
                address = self.free_blocks[size].pop()
            else:
                address = self._allocate_new(size)
            self.used += size
        return address, size

    def _allocate_new(self, size: int) -> int:
        """From the driver; if it has none left, once more after the free blocks are given back."""
        address = _ask_driver(size)
        if address is None:
            self.release()
            address = _ask_driver(size)
        if address is None:
            raise MemoryError(self._out_of_memory(size))
        return address

    def _out_of_memory(self, size: int) -> str:
        free, total = current().free_memory()
        return (
            f"CUDA: no room for {size:,} bytes: {self.used:,} are in use here, {free:,} of "
            f"{total:,} are free on {current().name}: use fewer tasks at a time, tm.checkpoint "
            "on the inner steps, or let go of results that are not needed"
        )

    def free(self, address: int, size: int) -> None:
        """Keep a block for the next allocation of its size."""
        with self.lock:
            self.used -= size
            self.free_blocks[size].append(address)

    def release(self) -> None:
        """Give every free block back to the driver."""
        with self.lock:
            current().synchronize()
            for addresses in self.free_blocks.values():
                for address in addresses:
                    current().free(address)
            self.free_blocks.clear()


def rounded_size(size: int) -> int:
    """Up to the next of eight steps between powers of two: few sizes, little waste."""
    size = max(size, SMALLEST)
    power = (size - 1).bit_length()  # 2^(power - 1) < size <= 2^power
    step = max(1 << power - 4, SMALLEST)
    return -(-size // step) * step


def _ask_driver(size: int) -> int | None:
    """The address of so many bytes, or None if the device is full."""
    try:
        return current().allocate(size)
    except DriverError as error:
        if error.code != OUT_OF_MEMORY:
            raise
        return None


class Block:
    """Memory from the pool, given back when nothing refers to it. size: in bytes."""

    __slots__ = ("address", "size", "__weakref__")

    def __init__(self, size: int):
        self.address, self.size = memory_pool.allocate(size)

    def __del__(self):
        if hasattr(self, "size"):  # not if there was no memory
            memory_pool.free(self.address, self.size)


class ForeignBlock:
    """Memory of another library; owner: the object that keeps it allocated."""

    def __init__(self, address: int, owner: Any):
        self.address, self.owner = address, owner


memory_pool = MemoryPool()
