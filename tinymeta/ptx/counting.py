"""Kernels counted while they run, on an emulated GPU that nobody else in this process sees."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..cuda import driver, memory
from . import emulator


@contextmanager
def emulated_gpu(computes: bool = True) -> Iterator[emulator.Emulator]:
    """In a `with` block this thread's GPU is the emulated one, which counts and watches nothing.

    computes: else its kernels store nothing, and count the same much sooner; those that go where
    numbers in memory say are refused (control.needs_no_numbers). Raises compiler.Missing where
    there is no gcc.
    """
    gpu = emulator.start_beside()
    theirs = driver.Driver(library=gpu.library)
    with ExitStack() as stack:
        stack.enter_context(gpu.configured(races=0, thread_order=emulator.FORWARD))
        if not computes:
            theirs.key = theirs.key, "only counting"  # its kernels are of no use to others
            stack.enter_context(gpu.only_counting())
        stack.enter_context(driver.replaced_by(theirs))
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
