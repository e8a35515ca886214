"""Generated kernels as machine code: compiled once, and kept on disk.

In: the source of a kernel (codegen.py, array_kernels.py). Out: a Numba cfunc with an `address`,
loaded from disk or compiled and kept there.

Invariant: a kernel's name on disk is a hash of its source and of all that its meaning depends on,
so a file is never changed and never stale (`system/kernel_folder.py`, `cpu/native.py`). Numba's own
cache knows a function by its file and line, and a generated function has neither.

Cost: Numba takes some tenths of a second for each kernel, so many that are missing are compiled by
two processes at once. Threads would not help: Numba holds Python's lock while it compiles.
"""

import functools
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from types import ModuleType
from typing import Any

from ..cpu.native import MachineCodeCache, callback
from ..cpu.pointers import EXACT_OPTIONS, OPTIONS, SIGNATURE
from ..system.kernel_folder import folder
from ..system.resources import cores

HEADER = """
from numba import carray
from numba import float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64
from tinymeta.cpu.conv import col2im, im2col
from tinymeta.cpu.factor import cholesky_contiguous, lu_contiguous, triangular_solve_contiguous
from tinymeta.cpu.gemm import at
from tinymeta.cpu.index import scatter_add_along_contiguous, scatter_add_contiguous
from tinymeta.cpu.along import argsort_contiguous, cumulative_sum_contiguous
from tinymeta.cpu.index import take_along_contiguous, take_contiguous
from tinymeta.cpu.pool import window_argmax_contiguous
from tinymeta.cpu.order import from_ordered, ordered
from tinymeta.cpu.reduce import argmax_contiguous
from tinymeta.cpu.scalar import FUNCTIONS
from tinymeta.cpu.pointers import POINTERS, added

inf = float("inf")
globals().update(FUNCTIONS, **POINTERS)


"""

# What a source begins with whose numbers may not depend on what else is computed with them: the
# machine code of one expression differs from kernel to kernel where products and sums are joined.
EXACT = "# every operation is rounded\n"

counts = {"compiled": 0, "loaded": 0}  # kernels of this process, new and from the disk


def _kept(source: str) -> MachineCodeCache:
    """Where the machine code of a kernel is kept."""
    return MachineCodeCache("kernel", HEADER + source)


@functools.cache
def load_or_compile(source: str) -> Any:
    """The kernel of this source as a Numba cfunc: from the disk, or compiled and kept there."""
    text = HEADER + source
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    module = ModuleType(f"tinymeta_kernel_{digest}")
    sys.modules[module.__name__] = module  # Numba looks for it there, by name
    exec(text, vars(module))  # written by this package
    options = EXACT_OPTIONS if source.startswith(EXACT) else OPTIONS
    kernel = callback(module.kernel, SIGNATURE, options, _kept(source))
    loaded = kernel.cache_hits and source not in _shared
    counts["loaded" if loaded else "compiled"] += 1
    return kernel


# ---- many at once --------------------------------------------------------------------------------

WORTH_A_PROCESS = 8  # missing kernels; Python and Numba take a second to start
_PACKAGE = str(Path(__file__).parents[2])  # where that process finds tinymeta
# What the second process runs: with -I, or it would import whatever is in the current folder.
SECOND_PROCESS = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order['path']; "
    "from tinymeta.jit.cache import load_or_compile; [*map(load_or_compile, order['sources'])]"
)
_shared: set[str] = set()  # sources that were missing when a second process began


@contextmanager
def second_process(sources: list[str]) -> Iterator[None]:
    """A `with` block asks for these kernels, in order; a second process begins with the last ones.

    It is started if many of them are not on disk. Both look there for each kernel before they
    compile it, so they meet somewhere, however long a kernel takes and whatever else the block
    compiles. Nothing depends on that process: what it has not done, the block does.
    """
    process = None
    if len(sources) >= WORTH_A_PROCESS and cores() > 1:
        try:
            missing = _missing(sources)
            if len(missing) >= WORTH_A_PROCESS:
                process = _start_second_process(missing[::-1], folder())
                _shared.update(missing)
        except OSError:  # no folder, or no second process
            pass
    try:
        yield
    finally:
        if process:
            process.kill()  # all kernels are here, or Ctrl-C came
            process.wait()


def _missing(sources: list[str]) -> list[str]:
    """Those that are not on disk, each once."""
    where, unique = folder(), dict.fromkeys(sources)
    return [s for s in unique if not (where / _kept(s).file_name(SIGNATURE)).exists()]


def _start_second_process(sources: list[str], where: Path) -> subprocess.Popen:
    """A process that compiles these kernels into the folder `where`.

    It imports what this process would, but for the current folder.
    """
    path = [entry for entry in map(str, sys.path) if Path(entry).is_absolute()]
    if _PACKAGE not in path:
        path.insert(0, _PACKAGE)
    with tempfile.TemporaryFile("w+") as file:  # a pipe would fill up before it is read
        json.dump({"path": path, "sources": sources}, file)
        file.seek(0)
        return subprocess.Popen(
            [sys.executable or "", "-I", "-B", "-c", SECOND_PROCESS],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**environ, "TINYMETA_CACHE": str(where)},
        )
