"""Numba as a compiler: a Python function and the types of its arguments in, PTX out.

PTX is the assembly language of NVIDIA's GPUs, which the driver translates for the one it has. The
one file that knows `numba.cuda`. Numba is asked for text alone, and told for which GPU, so nothing
here needs a driver: kernels are compiled and tested on machines without a GPU.

Kernels take typed pointers, 32-bit integers and tuples of these. With NUMBA_ENABLE_CUDASIM=1 the
same functions run in Numba's simulator instead, a Python thread for each thread of the GPU.
"""

import functools
import hashlib
import importlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numba.extending
import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.errors import RequireLiteralValue
from numba.np.numpy_support import as_dtype

from ..system.kernel_folder import load_kernel, save_kernel


@contextmanager
def _numpy_as_numba_expects() -> Iterator[None]:
    """For numba-cuda 0.30, which reads a name that NumPy 2.5 took away, and one it warns of."""
    namespace = vars(np)
    lacks_it = "row_stack" not in namespace
    if lacks_it:
        namespace["row_stack"] = np.vstack
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        if lacks_it:
            del namespace["row_stack"]


cuda: Any = None
SIMULATED = False
intrinsic: Any = numba.extending.intrinsic
import_error = ""  # why there is no numba.cuda, or ""
try:
    with _numpy_as_numba_expects():
        cuda = importlib.import_module("numba.cuda")
        with suppress(ImportError):  # numba-cuda has it; the target that Numba itself had has not
            intrinsic = importlib.import_module("numba.cuda.extending").intrinsic
    SIMULATED = bool(vars(config)["ENABLE_CUDASIM"])
except Exception as error:  # numba-cuda without its libraries: it raises many kinds
    cuda = None
    import_error = f"numba.cuda cannot be imported: {error}"

_SHARED = 3  # NVVM's number for the address space that the threads of a block share
kernel_counts = {"compiled": 0, "loaded": 0}  # kernels, new and from the disk


def pointer_type(name: str) -> types.Type:
    """The Numba type of a pointer to this NumPy dtype; a bool is a byte."""
    return types.CPointer(getattr(types, "uint8" if name == "bool" else name))


# ---- compiling -----------------------------------------------------------------------------------


def ptx(
    function: Callable, arguments: tuple, capability: tuple[int, int], identity: str = ""
) -> str:
    """The PTX of a kernel, from the disk if this version of the package has compiled it before.

    function: what each thread runs. arguments: their Numba types. capability: of the GPU, (9, 0) is
    sm_90. identity: tells the kernel from others of its name (what its closure holds, its source).
    Raises RuntimeError where there is no compiler.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    text = repr((_version(), name, identity, arguments, capability))
    file = f"cuda_{hashlib.sha256(text.encode()).hexdigest()[:24]}.ptx"
    content = load_kernel(file)
    kernel_counts["compiled" if content is None else "loaded"] += 1
    if content is None:
        content = compile_ptx(function, arguments, capability).encode()
        save_kernel(file, content)
    return content.decode()


# What the two context managers here put into other packages is there for one thread at a time.
_patching = threading.RLock()


def compile_ptx(function: Callable, arguments: tuple, capability: tuple[int, int]) -> str:
    """The PTX of a kernel, compiled now. Raises RuntimeError where there is no numba.cuda."""
    if import_error:
        raise RuntimeError(import_error)
    with _patching, _numba_told_of(capability), _numpy_as_numba_expects():
        text, _ = cuda.compile_ptx(function, types.void(*arguments), cc=capability)
    return text


@functools.cache
def has_compiler() -> bool | str:
    """True if Numba can make PTX here, else one sentence: it needs libnvvm, of CUDA or of pip."""

    def nothing(n):
        pass

    try:
        compile_ptx(nothing, (types.int32,), (9, 0))
        return True
    except Exception as error:
        return (
            f"Numba cannot compile for a GPU ({type(error).__name__}: {error}); for libnvvm, "
            "pip install 'tinymeta[cuda]' (CUDA 13) or 'tinymeta[cuda12]'"
        )


@contextmanager
def _numba_told_of(capability: tuple[int, int]) -> Iterator[None]:
    """Numba asks the driver for the GPU when a kernel calls a function: answer in its place."""
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    original = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = original


@functools.cache
def _version() -> str:
    """A hash of what a kernel's meaning depends on besides itself: this folder, and Numba."""
    files = [p.read_text("utf-8") for p in sorted(Path(__file__).parent.glob("*.py"))]
    numba_version = getattr(cuda, "__version__", numba.__version__)
    return hashlib.sha256("\n".join([*files, numba_version]).encode()).hexdigest()


# ---- what kernels are written with, besides Python ----------------------------------------------

if SIMULATED:
    _sharing = threading.Lock()

    def shared_array(count, dtype):
        """`count` elements that the threads of a block share; at most one on a line of a kernel.

        The simulator's own function makes two where two threads ask at the same time.
        """
        simulator = importlib.import_module("numba.cuda.simulator.kernel")
        known = simulator._get_kernel_context().shared._allocations
        asking = sys._getframe(1)
        kind = as_dtype(dtype) if isinstance(dtype, types.Type) else np.dtype(dtype)
        with _sharing:
            place = (asking.f_code.co_filename, asking.f_lineno, kind)
            return known.setdefault(place, np.empty(count, kind))

    def device_function(function: Callable) -> Any:
        return function

    def libdevice(name: str) -> Any:
        return getattr(np, name)

    def constant_like(x, value):
        return type(x)(value)
else:

    @intrinsic
    def shared_array(typing, count, dtype):
        """shared_array(count: literal, dtype) -> dtype*: elements that a block's threads share.

        On a boundary of 16 bytes. Numba's own shared arrays lie on a boundary of one element, and
        then no four of them can be loaded at once.
        """
        if not isinstance(count, types.IntegerLiteral):
            raise RequireLiteralValue("shared_array: count must be known at compile time")

        def code(context, b, signature, args):
            kind = ir.ArrayType(context.get_data_type(dtype.dtype), count.literal_value)
            memory = cgutils.add_global_variable(b.module, kind, "shared", addrspace=_SHARED)
            memory.align, memory.linkage = 16, "internal"
            memory.initializer = ir.Constant(kind, ir.Undefined)
            # A generic pointer, as all of Numba's are; LLVM finds the address space again.
            generic = b.addrspacecast(memory, kind.as_pointer(), "generic")
            return b.bitcast(generic, kind.element.as_pointer())

        return types.CPointer(dtype.dtype)(count, dtype), code

    def device_function(function: Callable) -> Any:
        """A function that kernels call; the compiler puts its code in the call's place."""
        return cuda.jit(device=True)(function) if cuda else function

    def libdevice(name: str) -> Any:
        """A function of NVIDIA's library that Numba's `math` lacks, for float32 and float64."""

        @intrinsic
        def call(typing, x):
            def code(context, b, signature, args):
                kind = context.get_value_type(x)
                symbol = f"__nv_{name}{'f' if x == types.float32 else ''}"
                function_type = ir.FunctionType(kind, [kind])
                callee = cgutils.get_or_insert_function(b.module, function_type, symbol)
                return b.call(callee, args)

            return x(x), code

        return call

    @intrinsic
    def constant_like(typing, x, value):
        """constant_like(x, value: literal) -> the integer `value` in the dtype of x."""
        if not isinstance(value, types.IntegerLiteral):
            raise RequireLiteralValue("constant_like: value must be known at compile time")

        def code(context, b, signature, args):
            return context.get_constant(x, value.literal_value)

        return x(x, value), code


int32, uint32, uint64 = types.int32, types.uint32, types.uint64


@device_function
def quotient(i, n):
    """i // n of int32 that are not negative.

    In 32 bits without a sign: Numba would take 64 with one, which a GPU divides several times
    slower.
    """
    return int32(uint32(i) // uint32(n))


@device_function
def remainder(i, n):
    """i % n of int32 that are not negative, in 32 bits as `quotient`."""
    return int32(uint32(i) % uint32(n))
