"""How many threads NumPy's BLAS uses, read and set through the OpenBLAS library NumPy has loaded.

Two Python threads that each call a many-threaded BLAS get in each other's way: limit it while they
run.
"""

import ctypes
import functools
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PREFIXES = [(a, b) for a in ("scipy_openblas", "openblas") for b in ("64_", "")]


@functools.cache
def library():
    """(get, set) of the loaded OpenBLAS, or None for another BLAS: then nothing is limited."""
    root = Path(np.__file__).parent
    for path in [*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]:
        lib = ctypes.CDLL(str(path))
        for prefix, suffix in PREFIXES:
            get = getattr(lib, f"{prefix}_get_num_threads{suffix}", None)
            if get is not None:
                return get, getattr(lib, f"{prefix}_set_num_threads{suffix}")
    return None


@contextmanager
def blas_threads(count: int):
    """Limit BLAS to `count` threads for a `with` block, in the whole process."""
    if library() is None:
        yield
        return
    get, set_ = library()
    before = get()
    set_(count)
    try:
        yield
    finally:
        set_(before)
