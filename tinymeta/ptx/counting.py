"""Kernels counted while they run, on an emulated GPU that nobody else in this process sees."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..cuda import driver, memory
from . import emulator


@contextmanager
def emulated_gpu() -> Iterator[emulator.Emulator]:
    """In a `with` block this thread's GPU is the emulated one, which counts and watches nothing.

    Raises compiler.Missing where there is no gcc.
    """
    gpu = emulator.start_beside()
    theirs = driver.Driver(library=gpu.library)
    with gpu.configured(races=0, thread_order=emulator.FORWARD), driver.replaced_by(theirs):
        try:
            yield gpu
        finally:
            memory.memory_pool().release()


def count_from_here(gpu: emulator.Emulator) -> None:
    """What was queued before is not counted."""
    driver.current().synchronize()
    gpu.forget_statistics()


def counted(gpu: emulator.Emulator) -> list[emulator.KernelCounts]:
    """Of each kernel that has run since `count_from_here`."""
    driver.current().synchronize()
    return gpu.statistics()
