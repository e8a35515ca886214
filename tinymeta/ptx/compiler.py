"""gcc: C in, a shared library on the disk out, once for each text.

Libraries are kept beside the kernels of the CPU, in a folder that is the user's alone, by a hash of
all that they were made of. Raises Missing where there is no compiler.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from ..system import kernel_folder
from .parse import Unsupported

HERE = Path(__file__).parent
# Rounding as written: no fused multiplication that PTX has not, no constant folded in another mode.
_EXACT = ["-ffp-contract=off", "-frounding-math", "-fwrapv", "-fno-strict-aliasing"]
_SHARED = ["-std=gnu11", "-shared", "-fPIC", f"-I{HERE}"]
_STRICT = ["-Werror=implicit-function-declaration"]  # an instruction that no header has
KERNEL = ["-O1", "-march=native", *_EXACT, *_SHARED, *_STRICT]  # with fma of the machine's own
_LIBRARY = ["-O2", *_SHARED]
_IN_ITS_PLACE = ["-Wl,-soname,libcuda.so.1"]  # who opens a library of this name gets it
# Who translates: what they write changes with their texts.
_TRANSLATOR = (
    *("parse", "instruction", "operands", "computing", "control", "function", "kinds"),
    "translate",
)


class Missing(Exception):
    """There is no compiler here, or no Linux, whose loader finds a library by its name."""


@functools.cache
def compiler() -> str:
    """The path of a C compiler."""
    found = shutil.which("gcc") or shutil.which("cc")
    if not found or not sys.platform.startswith("linux"):
        raise Missing("a C compiler on Linux is needed: gcc")
    return found


@functools.cache
def _headers() -> str:
    """A hash of what the translated kernels include, and of who translates them."""
    files = [*sorted(HERE.glob("*.h")), *(HERE / f"{name}.py" for name in _TRANSLATOR)]
    return hashlib.sha256(b"\n".join(file.read_bytes() for file in files)).hexdigest()


def library_of_text(text: str, write_c: Callable[[str], str]) -> Path:
    """The library of a kernel whose PTX is `text`; write_c(text): its C."""
    path = _path("kernel", text, write_c.__name__, _headers(), *KERNEL)
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "kernel.c")
            source.write_text(write_c(text))
            _compile([source], KERNEL, path)
    return path


def library_of_driver(in_its_place: bool) -> Path:
    """The library of libcuda's functions; does it take the place of the machine's own?"""
    sources = sorted(HERE.glob("*.c"))
    flags = [*_LIBRARY, *(_IN_ITS_PLACE if in_its_place else ())]
    path = _path("driver", _headers(), *(file.read_text() for file in sources), *flags)
    if not path.exists():
        _compile(sources, flags, path)
    return path


def _path(what: str, *parts: str) -> Path:
    digest = hashlib.sha256("\n".join([*parts, compiler()]).encode()).hexdigest()[:24]
    return kernel_folder.folder() / f"ptx_{what}_{digest}.so"


def _compile(sources: list[Path], flags: list[str], path: Path) -> None:
    """To a file of this process first: another one may compile the same."""
    part = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
    command = [compiler(), *flags, *map(str, sources), "-o", str(part), "-ldl", "-lpthread", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unsupported(f"gcc: {done.stderr[:2000]}")
    part.replace(path)
