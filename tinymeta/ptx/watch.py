"""The pool's blocks, known to the emulator: to the driver, memory that the pool keeps is in use.

From here on a block is unwritten when it is handed out, ends where its bytes do and not where its
rounded size does, and is nobody's when it has come back. All in the stream's order: kernels that
were queued before a block came back may still use it.
"""

from collections.abc import Sequence
from ctypes import c_uint64
from typing import Any

from ..cuda import driver, memory
from .emulator import Emulator


def watch_pool(emulator: Emulator, monkeypatch: Any) -> None:
    """Until `monkeypatch` undoes it."""
    begin, end = memory.Block.__init__, memory.Block.__del__
    several = memory.Block.several

    def set_state(block: memory.Block, exact: int) -> None:
        if not isinstance(block.driver, driver.Driver):  # a dry run
            return
        numbers = map(c_uint64, (block.address, block.size, exact))
        emulator.library.emulator_set_state(*numbers, block.driver.stream)

    def watched_begin(self: memory.Block, size: int) -> None:
        begin(self, size)
        set_state(self, size)

    def watched_several(sizes: Sequence[int]) -> list[memory.Block]:
        blocks = several(sizes)
        for block, size in zip(blocks, sizes):
            set_state(block, size)
        return blocks

    def watched_end(self: memory.Block) -> None:
        lent = getattr(self, "lent", False)  # another library may use it yet
        if hasattr(self, "size") and not lent:
            set_state(self, 0)
        end(self)

    monkeypatch.setattr(memory.Block, "__init__", watched_begin)
    monkeypatch.setattr(memory.Block, "several", watched_several)
    monkeypatch.setattr(memory.Block, "__del__", watched_end)
