"""How many threads NumPy's BLAS uses, read and set through the OpenBLAS library NumPy has loaded.

A BLAS starts a thread for each core. Two Python threads that each call it have twice as many
threads as cores, which wait for each other: so its number is limited while they run. Another BLAS
(Accelerate on macOS, MKL of conda) is left alone.

NumPy has no function for this. The wheels of NumPy carry their own OpenBLAS in `numpy.libs` (Linux,
Windows) or `numpy/.dylibs` (macOS), with prefixed names; to open the same file again by ctypes
gives the library that is loaded already, and so its counter.
"""

import ctypes
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# (prefix, suffix) of the functions' names: "64_" where indices have 64 bits.
_NAME_PARTS = [(a, b) for a in ("scipy_openblas", "openblas") for b in ("64_", "")]


@functools.cache
def thread_functions() -> tuple[Callable, Callable] | None:
    """(get, set) of the loaded OpenBLAS, or None for another BLAS: then nothing is limited."""
    root = Path(np.__file__).parent
    files = [*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]
    for path in files:
        try:
            library = ctypes.CDLL(str(path))
        except OSError:  # not a library, or of another system
            continue
        for prefix, suffix in _NAME_PARTS:
            get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            if get is not None:
                return get, getattr(library, f"{prefix}_set_num_threads{suffix}")
    return None


def _get_and_set() -> tuple[Callable, Callable]:
    functions = thread_functions()
    assert functions is not None, "limits are set for OpenBLAS alone"
    return functions


class _ThreadLimits:
    """The limits of all `with` blocks that are running, in all threads of Python.

    The latest one still running is in force; after the last one, BLAS has the number it had before
    the first. BLAS has one number for the whole process, so a block that saved and restored it by
    itself would restore what another thread had set.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.original = 0  # the number of threads before the first block
        self.counts: dict[object, int] = {}  # block -> its limit, in the order of their beginnings

    def begin(self, block: object, count: int) -> None:
        get, set_ = _get_and_set()
        with self.lock:
            if not self.counts:
                self.original = get()
            self.counts[block] = count
            set_(count)

    def end(self, block: object) -> None:
        _, set_ = _get_and_set()
        with self.lock:
            del self.counts[block]
            in_force = [self.original, *self.counts.values()][-1]
            set_(in_force)


_limits = _ThreadLimits()


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Limit BLAS to `count` threads for a `with` block, in the whole process."""
    if thread_functions() is None:
        yield
        return
    block = object()
    _limits.begin(block, count)
    try:
        yield
    finally:
        _limits.end(block)
