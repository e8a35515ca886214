"""How many threads NumPy's BLAS uses, read and set through the OpenBLAS library NumPy has loaded.

Two Python threads that each call a many-threaded BLAS get in each other's way: limit it while they
run. Another BLAS (Accelerate on macOS, MKL of conda) is left alone.
"""

import ctypes
import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PREFIXES = [(a, b) for a in ("scipy_openblas", "openblas") for b in ("64_", "")]


@functools.cache
def library():
    """(get, set) of the loaded OpenBLAS, or None for another BLAS: then nothing is limited."""
    root = Path(np.__file__).parent
    for path in [*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]:
        try:
            lib = ctypes.CDLL(str(path))
        except OSError:  # not a library, or of another system
            continue
        for prefix, suffix in PREFIXES:
            get = getattr(lib, f"{prefix}_get_num_threads{suffix}", None)
            if get is not None:
                return get, getattr(lib, f"{prefix}_set_num_threads{suffix}")
    return None


class Limits:
    """Those of all `with` blocks that are being run: the latest holds, after the last none.

    BLAS has one number for all threads, so whoever saved and restored it alone would restore what
    another thread had set.
    """

    def __init__(self):
        self.lock, self.before = threading.Lock(), 0
        self.held: dict[object, int] = {}  # in the order in which they began

    def begin(self, block: object, count: int) -> None:
        get, set_ = library()
        with self.lock:
            if not self.held:
                self.before = get()
            self.held[block] = count
            set_(count)

    def end(self, block: object) -> None:
        _, set_ = library()
        with self.lock:
            del self.held[block]
            set_([self.before, *self.held.values()][-1])


limits = Limits()


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Limit BLAS to `count` threads for a `with` block, in the whole process."""
    if library() is None:
        yield
        return
    block = object()
    limits.begin(block, count)
    try:
        yield
    finally:
        limits.end(block)
