"""Python functions as machine code, by Numba, kept on disk: `@native()`, and `callback` for kernels.

Numba's own cache knows a function by the file that it is in, and believes what it finds. But the
code of a function holds that of all that it calls. So here its name on disk is a hash of its own
text and of all of this room: whoever is kept calls nobody outside of it (tests/cpu/test_native.py).
"""

import functools
import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from numba import njit
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from ..core.kernel_folder import load_kernel, save_kernel

ROOM = Path(__file__).parent


@functools.cache
def version(room: Path = ROOM) -> str:
    """A hash of what all machine code depends on: compiler, processor, and this room."""
    made_by = (
        sys.implementation.cache_tag,
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        cpu_target.target_context.codegen().magic_tuple(),
        sorted(cpu_features().items()),
    )
    parts = [repr(made_by).encode(), *(p.read_bytes() for p in sorted(room.glob("*.py")))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


class Kept(NullCache):
    """What Numba asks for machine code, and gives it to; text: all that it is made of, but this room."""

    def __init__(self, name: str, text: str):
        self.name, self.text = name, text

    def file(self, signature) -> str:
        key = "\0".join((version(), self.name, repr(signature), self.text))
        return f"{self.name}_{hashlib.sha256(key.encode()).hexdigest()[:32]}"

    def load_overload(self, sig, target_context):
        target_context.refresh()
        found = load_kernel(self.file(sig))
        if found is None:
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(found))

    def save_overload(self, sig, data):
        if not data.library.has_dynamic_globals:  # addresses, which hold in this process alone
            save_kernel(self.file(sig), dumps(data._reduce()))


def cache_of(function: Callable) -> Kept:
    """Of a function in a file of this package."""
    return Kept(function.__qualname__, Path(inspect.getfile(function)).read_text("utf-8"))


def native(signature: str | None = None) -> Callable:
    """A decorator: the function compiled for what it is called with, or at once for a signature.

    It runs without Python's lock.
    """

    def decorate(function):
        compiled = njit(nogil=True)(function)
        compiled._cache = cache_of(function)
        if signature:
            compiled.compile(signature)
            compiled.disable_compile()
        return compiled

    return decorate


def callback(function: Callable, signature, options: dict, cache: Kept | None = None) -> CFunc:
    """The function compiled at once, to be called by its `address`."""
    compiled = CFunc(function, normalize_signature(signature), locals={}, options=options)
    compiled._cache = cache or cache_of(function)
    compiled.compile()
    return compiled


def cpu_features() -> dict[str, bool]:
    """What instructions this processor has; none where LLVM does not know."""
    try:
        return dict(llvm.get_host_cpu_features())
    except RuntimeError:  # on some ARM and virtual machines
        return {}
