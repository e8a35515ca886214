"""Generated kernels: compiled once, as their machine code is kept on disk.

A kernel's name is the hash of its source and of all that its meaning depends on, so a file is never
changed, and never wrong (`core/kernel_folder.py`, `cpu/native.py`).
"""

import functools
import hashlib
import json
import subprocess
import sys
import tempfile
from os import environ
from pathlib import Path
from types import ModuleType

from ..core.kernel_folder import folder
from ..core.system import cores
from ..cpu.native import MachineCodeCache, callback
from . import machine
from .machine import OPTIONS, SIGNATURE

HEADER = """
from numba import float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64
from tinymeta.cpu.gemm import at
from tinymeta.cpu.scalar import FUNCTIONS
from tinymeta.jit.machine import POINTERS, added

inf = float("inf")
globals().update(FUNCTIONS, **POINTERS)


"""


WORTH_A_PROCESS = 8  # kernels; Python and Numba take a second to start
PACKAGE = str(Path(__file__).parents[2])  # where that process finds tinymeta
# What it runs: with -I, as else it would import whatever lies in the current folder.
HELPER = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order['path']; "
    "from tinymeta.jit.cache import compiled; [*map(compiled, order['sources'])]"
)
handed_over: set[str] = set()  # sources that it compiled
made = {"compiled": 0, "loaded": 0}  # kernels, new and from the disk


@functools.cache
def surroundings() -> str:
    """What a kernel's source relies on besides the room cpu/."""
    return HEADER + Path(machine.__file__).read_text("utf-8")


def place(source: str) -> MachineCodeCache:
    """Where its machine code is kept."""
    return MachineCodeCache("kernel", surroundings() + source)


@functools.cache
def compiled(source: str):
    """The kernel of this source, as a Numba cfunc: from the disk, or compiled and kept there."""
    text = HEADER + source
    module = ModuleType(f"tinymeta_kernel_{hashlib.sha256(text.encode()).hexdigest()[:24]}")
    sys.modules[module.__name__] = module  # where Numba looks for it, by this name
    exec(text, vars(module))  # what codegen.py has written
    kernel = callback(module.kernel, SIGNATURE, OPTIONS, place(source))
    made["loaded" if kernel.cache_hits and source not in handed_over else "compiled"] += 1
    return kernel


# ---- many at once --------------------------------------------------------------------------------


def compile_missing(sources: list[str]) -> None:
    """Compile those that are not on disk, every other one in a second process, if there are many.

    Nothing depends on that process: what it leaves undone is compiled when it is asked for.
    """
    if len(sources) < WORTH_A_PROCESS or cores() < 2:
        return
    try:
        where = folder()
        missing = [
            s
            for s in dict.fromkeys(sources)
            if not (where / place(s).file_name(SIGNATURE)).exists()
        ]
        if len(missing) < WORTH_A_PROCESS:
            return
        theirs = missing[1::2]
        other = second_process(theirs, where)
    except OSError:  # no room, no second process
        return
    try:
        for source in missing[::2]:
            compiled(source)
        if other.wait() == 0:
            handed_over.update(theirs)
    finally:
        other.kill()  # Ctrl-C is for both
        other.wait()


def second_process(sources: list[str], where: Path) -> subprocess.Popen:
    """One that compiles these, and imports what this one would, but for the current folder."""
    path = [entry for entry in map(str, sys.path) if Path(entry).is_absolute()]
    order = {"path": path if PACKAGE in path else [PACKAGE, *path], "sources": sources}
    with tempfile.TemporaryFile("w+") as file:  # a pipe would fill up before it is read
        json.dump(order, file)
        file.seek(0)
        return subprocess.Popen(
            [sys.executable or "", "-I", "-B", "-c", HELPER],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**environ, "TINYMETA_CACHE": str(where)},
        )
