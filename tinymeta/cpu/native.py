"""Python functions as machine code, by Numba, kept on disk: `@native` and `callback`.

Why not Numba's own cache: it knows a function by the file that it is in, and believes what it
finds. But the code of a function holds that of all that it calls, so a change in another file would
go unnoticed. Here its name on disk is a hash of its own text and of every file of this folder, and
a function that is kept calls nothing outside of it (tests/cpu/test_native.py).
"""

import functools
import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from numba import njit
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from ..system.kernel_folder import load_kernel, save_kernel
from .passes import kernel_passes

CPU_FOLDER = Path(__file__).parent
_PASS_OPTIONS = hasattr(llvm, "create_pipeline_tuning_options")  # an older Numba orders the passes


@functools.cache
def version(folder: Path = CPU_FOLDER) -> str:
    """A hash of what all machine code depends on: compiler, processor, the files of `folder`."""
    compiler_and_processor = (
        sys.implementation.cache_tag,
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        cpu_target.target_context.codegen().magic_tuple(),
        sorted(cpu_features().items()),
    )
    files = [path.read_bytes() for path in sorted(folder.glob("*.py"))]
    parts = [repr(compiler_and_processor).encode(), *files]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


class MachineCodeCache(NullCache):
    """Where Numba looks for a function's machine code, and leaves it: our folder of kernels.

    name: of the function. text: all that its meaning depends on, besides what `version` hashes.
    """

    def __init__(self, name: str, text: str):
        self.name, self.text = name, text

    def file_name(self, signature: Any) -> str:
        key = "\0".join((version(), self.name, repr(signature), self.text))
        return f"{self.name}_{hashlib.sha256(key.encode()).hexdigest()[:32]}"

    def load_overload(self, sig, target_context):
        """Numba's result for a signature, or None: then it compiles.

        Numba's runtime is all that machine code needs. `target_context.refresh()`, as in Numba's
        own cache, would load all that it can compile, too, which takes half a second.
        """
        rtsys.initialize(target_context)
        content = load_kernel(self.file_name(sig))
        if content is None:
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(content))

    def save_overload(self, sig, data):
        if not data.library.has_dynamic_globals:  # addresses, which hold in this process alone
            save_kernel(self.file_name(sig), dumps(data._reduce()))


def _cache_of(function: Callable) -> MachineCodeCache:
    """The cache of a function that is written in a file of this package."""
    text = Path(inspect.getfile(function)).read_text("utf-8")
    return MachineCodeCache(function.__qualname__, text)


def native(function: Callable) -> Any:
    """A decorator: the function compiled when it is first called, for the types of its arguments.

    It runs without Python's lock.
    """
    compiled: Any = njit(nogil=True)(function)
    compiled._cache = _cache_of(function)
    return compiled


def as_bits(x: np.ndarray) -> np.ndarray:
    """The elements as unsigned integers of their size, a view.

    A function that only moves them is then compiled for four sizes, not for a dozen dtypes.
    """
    return x.view(f"u{x.itemsize}") if x.itemsize <= 8 else x


class _KernelLibrary(JITCodeLibrary):
    """What Numba translates a kernel to: optimised once, its loops not unrolled.

    Numba optimises each function by itself, then the whole cheaply, to see where references are
    counted, then the whole again. A kernel is one function and counts none. And LLVM unrolls, eight
    times, what a vectorised loop leaves over, of which three rounds are run: a third of the time
    that a kernel takes to compile.
    """

    def _optimize_functions(self, module: Any) -> None:
        if not _PASS_OPTIONS:
            return super()._optimize_functions(module)
        module.data_layout = self.codegen._data_layout

    def _optimize_final_module(self) -> None:
        if not _PASS_OPTIONS:
            return super()._optimize_final_module()
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = True
        options.loop_unrolling = False
        builder = llvm.create_pass_builder(self.codegen._tm, options)
        builder.getModulePassManager().run(self._final_module, builder)


class _KernelCompiler(Compiler):
    """Numba's compiler, into a library of ours, by few passes."""

    def __init__(self, typing: Any, target: Any, library: Any, *rest: Any):
        library = _KernelLibrary(target.codegen(), "kernel")
        library.enable_object_caching()  # so that it can be saved
        super().__init__(typing, target, library, *rest)

    def define_pipelines(self) -> list[Any]:
        return kernel_passes()


def callback(
    function: Callable, signature: Any, options: dict, cache: MachineCodeCache | None = None
) -> CFunc:
    """The function compiled at once, to be called by its `address`."""
    types = normalize_signature(signature)
    compiled: Any = CFunc(function, types, {}, options, pipeline_class=_KernelCompiler)
    compiled._cache = cache or _cache_of(function)
    compiled.compile()
    return compiled


def cpu_features() -> dict[str, bool]:
    """Which instruction sets this processor has, by LLVM's names; {} where LLVM does not know."""
    try:
        return dict(llvm.get_host_cpu_features())
    except RuntimeError:  # on some ARM and virtual machines
        return {}
