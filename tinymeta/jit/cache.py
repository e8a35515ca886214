"""Kernels on disk: a file of source for each structure, and Numba's machine code beside it.

A kernel's name is the hash of its source and of all that its meaning depends on, so a file is never
changed, and never wrong. What cannot be written is compiled in a folder of this process alone.
"""

import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import llvmlite
import numba
import numpy as np

from ..core.disk import folder, write
from ..cpu import conv, gemm, libm, scalar, trig
from . import machine

HEADER = '''"""A fused loop, written by tinymeta.jit; see tinymeta/jit/codegen.py."""

from numba import cfunc, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64
from tinymeta.cpu.gemm import at
from tinymeta.cpu.scalar import FUNCTIONS
from tinymeta.jit.machine import OPTIONS, POINTERS, SIGNATURE, added

inf = float("inf")
globals().update(FUNCTIONS, **POINTERS)


@cfunc(SIGNATURE, cache=True, **OPTIONS)
'''


WORTH_A_PROCESS = 8                         # kernels; Python and Numba take a second to start
PACKAGE = str(Path(__file__).parents[2])    # where that process finds tinymeta
handed_over: set[str] = set()               # sources that it compiled
made = {"compiled": 0, "loaded": 0}         # kernels, new and from the disk


@functools.cache
def version() -> str:
    """A hash of what a kernel's source relies on."""
    parts = [numba.__version__, llvmlite.__version__, np.__version__, HEADER]
    parts += [Path(module.__file__).read_text() for module in (scalar, trig, libm, gemm, conv, machine)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def named(source: str) -> str:
    """The name of its file: a hash of it and of what it relies on."""
    return "kernel_" + hashlib.sha256((version() + source).encode()).hexdigest()[:24]


@functools.cache
def compiled(source: str):
    """The kernel of this source, as a Numba cfunc: from the disk, or compiled and kept there."""
    name, text = named(source), HEADER + source
    try:
        kernel = loaded(name, folder(), text)
    except Exception:               # a damaged file, a full disk, a folder that is gone: once more
        for stale in folder().glob(f"**/{name}*"):
            stale.unlink(missing_ok=True)
        kernel = loaded(name, Path(tempfile.mkdtemp(prefix="tinymeta-kernels-")), text)
    made["loaded" if kernel.cache_hits and source not in handed_over else "compiled"] += 1
    return kernel


def loaded(name: str, where: Path, text: str):
    """The kernel in a file of this text, which is written if it is not there."""
    path = where / f"{name}.py"
    if not path.exists() or path.read_text() != text:
        write(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)      # where Numba looks for it
    spec.loader.exec_module(module)
    return module.kernel


# ---- many at once --------------------------------------------------------------------------------

def compile_missing(sources: list[str]) -> None:
    """Compile those that are not on disk, every other one in a second process, if there are many.

    Nothing depends on that process: what it leaves undone is compiled when it is asked for.
    """
    missing = [s for s in dict.fromkeys(sources) if not (folder() / f"{named(s)}.py").exists()]
    if len(missing) < WORTH_A_PROCESS or len(os.sched_getaffinity(0)) < 2:
        return
    theirs = missing[1::2]
    paths = os.pathsep.join(filter(None, (PACKAGE, os.environ.get("PYTHONPATH"))))
    try:
        with tempfile.TemporaryFile("w+") as letter:        # a pipe would fill up before it is read
            json.dump(theirs, letter)
            letter.seek(0)
            other = subprocess.Popen(
                [sys.executable, "-c", "from tinymeta.jit.cache import helped; helped()"],
                stdin=letter, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "TINYMETA_CACHE": str(folder()), "PYTHONPATH": paths})
    except OSError:                                         # no room, no second process
        return
    try:
        for source in missing[::2]:
            compiled(source)
        if other.wait() == 0:
            handed_over.update(theirs)
    finally:
        other.kill()                                        # Ctrl-C is for both
        other.wait()


def helped() -> None:
    """What the second process does: compile the sources on its standard input."""
    for source in json.load(sys.stdin):
        compiled(source)
