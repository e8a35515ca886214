"""A pool: memory that is not needed any more is kept for the next one who needs as much.

Asking the driver takes far longer than most kernels and may wait for all of them. As everything is
queued on one stream, a block can be given away while a kernel that reads it is still to run: the
next owner's kernels come after it.
"""

import threading
from collections import defaultdict

from .driver import OUT_OF_MEMORY, DriverError, current

SMALLEST = 512  # bytes; the driver hands out no less


class Pool:
    def __init__(self):
        self.free, self.used = defaultdict(list), 0  # free: size -> addresses
        self.lock = threading.RLock()  # a block may be dropped while another is taken

    def take(self, size: int) -> tuple[int, int]:
        """(address, size) of at least so many bytes. Raises MemoryError."""
        size = rounded(size)
        with self.lock:
            if self.free[size]:
                address = self.free[size].pop()
            else:
                address = self.fresh(size)
            self.used += size
        return address, size

    def fresh(self, size: int) -> int:
        for last_try in (False, True):
            try:
                return current().allocate(size)
            except DriverError as error:
                if error.code != OUT_OF_MEMORY:
                    raise
                if last_try:
                    raise MemoryError(self.complaint(size)) from None
                self.release()

    def complaint(self, size: int) -> str:
        free, total = current().free_memory()
        return (
            f"CUDA: no room for {size:,} bytes: {self.used:,} are in use here, {free:,} of "
            f"{total:,} are free on {current().name}: use fewer tasks at a time, tm.checkpoint "
            "on the inner steps, or let go of results that are not needed"
        )

    def give(self, address: int, size: int):
        with self.lock:
            self.used -= size
            self.free[size].append(address)

    def release(self):
        """Give everything unused back to the driver."""
        with self.lock:
            current().synchronize()
            for addresses in self.free.values():
                for address in addresses:
                    current().free(address)
            self.free.clear()


def rounded(size: int) -> int:
    """Up to the next of eight steps between powers of two: few sizes, little waste."""
    size = max(size, SMALLEST)
    step = max(1 << (size - 1).bit_length() - 4, SMALLEST)
    return -(-size // step) * step


class Block:
    """Memory from the pool, given back when nobody refers to it."""

    __slots__ = ("address", "size", "__weakref__")

    def __init__(self, size: int):
        self.address, self.size = pool.take(size)

    def __del__(self):
        if hasattr(self, "size"):
            pool.give(self.address, self.size)


class Foreign:
    """Memory of another library, which is kept alive."""

    def __init__(self, address: int, owner):
        self.address, self.owner = address, owner


pool = Pool()
