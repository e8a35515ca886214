"""The pool's blocks, known to the emulator: to the driver, memory that the pool keeps is in use.

From here on a block is unwritten when it is handed out, ends where its bytes do and not where its
rounded size does, and is nobody's when it has come back. All in the stream's order: kernels that were
queued before a block came back may still use it.
"""

from ctypes import c_uint64
from typing import Any

from tinymeta.cuda import driver, memory

from .emulator import Emulator


def watch_pool(emulator: Emulator, monkeypatch: Any) -> None:
    """Until `monkeypatch` undoes it."""
    allocate, free = memory.MemoryPool.allocate, memory.MemoryPool.free

    def set_state(address: int, size: int, exact: int) -> None:
        numbers = map(c_uint64, (address, size, exact))
        emulator.library.emulator_set_state(*numbers, driver.current().stream)

    def watched_allocate(self, size: int) -> tuple[int, int]:
        address, rounded = allocate(self, size)
        set_state(address, rounded, size)
        return address, rounded

    def watched_free(self, address: int, size: int) -> None:
        set_state(address, size, 0)
        free(self, address, size)

    monkeypatch.setattr(memory.MemoryPool, "allocate", watched_allocate)
    monkeypatch.setattr(memory.MemoryPool, "free", watched_free)
