"""A pool: memory that is not needed any more is kept for the next allocation of its size.

Asking the driver takes far longer than most kernels and may wait for all of them. As everything is
queued on one stream, a block can be given away while a kernel that reads it is still to run: the
next owner's kernels come after it. Not so a block that another library has seen, whose kernels are
queued elsewhere, nor another library's memory, which that library may give away: these wait until
the GPU is past their use (stream.Retired).

Sizes are rounded up to few different ones, so that a freed block often fits; at most an eighth of
it is wasted. Free blocks are kept by size: taking one and giving one back are O(1).
"""

import functools
import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from .driver import OUT_OF_MEMORY, DriverError, current

SMALLEST = 512  # bytes; the driver hands out no less


class MemoryPool:
    """A GPU's blocks: those in use, in bytes, and the free ones, by size."""

    def __init__(self) -> None:
        self.free_blocks: defaultdict[int, list[int]] = defaultdict(list)  # size -> addresses
        self.in_use = 0  # bytes, those in `returned` included
        self.lock = threading.RLock()
        # (address, size) of what destructors gave back: they may run anywhere, so take no lock.
        self.returned: deque[tuple[int, int]] = deque()

    @property
    def used(self) -> int:
        """Bytes that are in use."""
        with self.lock:
            self._take_back()
            return self.in_use

    def allocate(self, size: int) -> tuple[int, int]:
        """(address, size) of at least so many bytes. Raises MemoryError."""
        with self.lock:
            self._take_back()
            size = rounded_size(size)
            free = self.free_blocks[size]
            address = free.pop() if free else self._allocate_new(size)
            self.in_use += size
        return address, size

    def allocate_all(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        """The same for each of some sizes. Raises MemoryError."""
        found: list[tuple[int, int]] = []
        with self.lock:
            self._take_back()
            try:
                for size in map(rounded_size, sizes):
                    free = self.free_blocks[size]
                    found.append((free.pop() if free else self._allocate_new(size), size))
                    self.in_use += size
            except MemoryError:
                self.returned.extend(found)
                raise
        return found

    def _take_back(self) -> None:
        """Put what was given back among the free blocks."""
        current().let_go()
        while self.returned:
            address, size = self.returned.popleft()
            self.in_use -= size
            self.free_blocks[size].append(address)

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
            f"CUDA: no room for {size:,} bytes: {self.in_use:,} are in use here, {free:,} of "
            f"{total:,} are free on {current().name}: use fewer tasks at a time, tm.checkpoint "
            "on the inner steps, or let go of results that are not needed"
        )

    def release(self) -> None:
        """Give every free block back to the driver."""
        with self.lock:
            self._take_back()
            current().synchronize()  # those that come back meanwhile may still be read
            blocks, self.free_blocks = self.free_blocks, defaultdict(list)
            for addresses in blocks.values():
                for address in addresses:
                    current().free(address)


@functools.lru_cache(4096)
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


_pools: dict[Any, MemoryPool] = {}  # by the driver's key: of a GPU, its number


def memory_pool() -> MemoryPool:
    """The pool of the GPU that this thread works on."""
    key = current().key
    return _pools[key] if key in _pools else _pools.setdefault(key, MemoryPool())


class Block:
    """Memory of this thread's GPU, given back when nothing refers to it. size: in bytes.

    lent: whether another library has seen its address.
    """

    __slots__ = ("driver", "pool", "address", "size", "lent", "__weakref__")

    def __init__(self, size: int):
        self.driver, self.pool, self.lent = current(), memory_pool(), False
        self.address, self.size = self.pool.allocate(size)

    @classmethod
    def several(cls, sizes: Sequence[int]) -> "list[Block]":
        """Blocks of some sizes, all at once, in a third of the time. Raises MemoryError."""
        driver, pool, new = current(), memory_pool(), cls.__new__
        blocks = []
        for address, size in pool.allocate_all(sizes):
            block = new(cls)
            block.driver, block.pool, block.lent = driver, pool, False
            block.address, block.size = address, size
            blocks.append(block)
        return blocks

    def __del__(self) -> None:
        if not hasattr(self, "size"):  # there was no memory
            return
        if self.lent:
            self.driver.retire(self._give_back, lent=True)  # which revives it until then
        else:
            self.pool.returned.append((self.address, self.size))

    def _give_back(self) -> None:
        self.pool.returned.append((self.address, self.size))


class ForeignBlock:
    """Memory of another library; owner: the object that keeps it allocated."""

    def __init__(self, address: int, owner: Any):
        self.driver, self.lent, self.address = current(), False, address
        self.release = functools.partial(_let_go_of, owner)

    def __del__(self) -> None:
        self.driver.retire(self.release, self.lent)


def _let_go_of(owner: Any) -> None:
    """Nothing; but whoever is to call it keeps the owner until then."""
