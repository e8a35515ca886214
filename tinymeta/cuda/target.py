"""Numba as a compiler: a Python function and the types of its arguments in, PTX out.

The one file that knows `numba.cuda`. It is asked for text alone, and told for which GPU, so nothing
here needs a driver. Kernels take typed pointers, 32-bit integers and tuples of these. With
NUMBA_ENABLE_CUDASIM=1 the same functions run in Numba's simulator instead, a Python thread for each
thread of the GPU.
"""

import functools
import hashlib
import threading
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from ..core.kernel_folder import load_kernel, save_kernel


@contextmanager
def a_numpy_it_knows():
    """For numba-cuda 0.30, which reads a name that NumPy 2.5 took away, and one it warns of."""
    lent = "row_stack" not in vars(np)
    if lent:
        np.row_stack = np.vstack
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        if lent:
            del np.row_stack


try:
    from numba.core.config import ENABLE_CUDASIM as SIMULATED

    with a_numpy_it_knows():
        from numba import cuda

        with suppress(ImportError):  # the target that Numba itself had
            from numba.cuda.extending import intrinsic
    missing = ""
except Exception as error:  # numba-cuda without its libraries: it raises many kinds
    cuda, SIMULATED, missing = None, False, f"numba.cuda cannot be imported: {error}"

SHARED = 3  # NVVM's number for the address space of a block
made = {"compiled": 0, "loaded": 0}


def type_of(name: str):
    """The Numba type of a pointer to this NumPy dtype; a bool is a byte."""
    return types.CPointer(getattr(types, "uint8" if name == "bool" else name))


def ptx(function, arguments: tuple, capability: tuple[int, int], identity: str) -> str:
    """The PTX of a kernel, from the disk if this version of the room has compiled it before.

    identity: tells it from kernels of the same name (what its closure holds, or its source).
    Raises RuntimeError where there is no compiler.
    """
    text = repr(
        (version(), function.__module__, function.__qualname__, identity, arguments, capability)
    )
    name = f"cuda_{hashlib.sha256(text.encode()).hexdigest()[:24]}.ptx"
    found = load_kernel(name)
    made["compiled" if found is None else "loaded"] += 1
    if found is None:
        found = compiled(function, arguments, capability).encode()
        save_kernel(name, found)
    return found.decode()


lending = threading.RLock()  # what the two below put in other packages, one thread at a time


def compiled(function, arguments: tuple, capability: tuple[int, int]) -> str:
    if missing:
        raise RuntimeError(missing)
    with lending, as_if_on(capability), a_numpy_it_knows():
        text, _ = cuda.compile_ptx(function, types.void(*arguments), cc=capability)
    return text


@contextmanager
def as_if_on(capability: tuple[int, int]):
    """Numba asks the driver for the GPU when a kernel calls a function: answer in its place."""
    from numba.cuda import dispatcher

    before = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = before


@functools.cache
def version() -> str:
    """What the meaning of a kernel depends on besides itself: this room, and Numba."""
    parts = [p.read_text("utf-8") for p in sorted(Path(__file__).parent.glob("*.py"))]
    package = getattr(cuda, "__version__", numba.__version__)
    return hashlib.sha256("\n".join([*parts, package]).encode()).hexdigest()


# ---- what kernels are written with, besides Python ----------------------------------------------

if SIMULATED:

    def shared(count, dtype):
        """`count` elements that the threads of a block share; once in a kernel."""
        from numba.cuda.simulator.kernel import _get_kernel_context

        return _get_kernel_context().shared.array(count, dtype)

    def device(function):
        return function

    def libdevice(name):
        return getattr(np, name)

    def like(x, value):
        return type(x)(value)
else:

    @intrinsic
    def shared(typing, count, dtype):
        """`count` elements that the threads of a block share, on a 16-byte boundary.

        Numba's own shared arrays lie on a boundary of one element, and then no four of them can be
        loaded at once.
        """
        if not isinstance(count, types.IntegerLiteral):
            raise RequireLiteralValue("shared: how many must be known when the kernel is compiled")

        def code(context, b, signature, args):
            kind = ir.ArrayType(context.get_data_type(dtype.dtype), count.literal_value)
            memory = cgutils.add_global_variable(b.module, kind, "shared", addrspace=SHARED)
            memory.align, memory.linkage = 16, "internal"
            memory.initializer = ir.Constant(kind, ir.Undefined)
            everywhere = b.addrspacecast(memory, kind.as_pointer(), "generic")
            return b.bitcast(everywhere, kind.element.as_pointer())

        return types.CPointer(dtype.dtype)(count, dtype), code

    def libdevice(name: str):
        """A function of NVIDIA's library that Numba's `math` lacks, for float32 and float64."""

        @intrinsic
        def call(typing, x):
            def code(context, b, signature, args):
                kind = context.get_value_type(x)
                own = f"__nv_{name}{'f' * (x == types.float32)}"
                callee = cgutils.get_or_insert_function(
                    b.module, ir.FunctionType(kind, [kind]), own
                )
                return b.call(callee, args)

            return x(x), code

        return call

    @intrinsic
    def like(typing, x, value):
        """A whole number in the dtype of x."""
        if not isinstance(value, types.IntegerLiteral):
            raise RequireLiteralValue("like: the number must be known when the kernel is compiled")
        return x(x, value), lambda context, b, signature, args: context.get_constant(
            x, value.literal_value
        )

    def device(function):
        """A function that kernels call; the compiler puts it in their place."""
        return cuda.jit(device=True)(function) if cuda else function


int32, uint32 = types.int32, types.uint32


@device
def whole(i, n):
    """i // n of numbers that are not negative, in 32 bits; Numba would take 64, and mind signs."""
    return int32(uint32(i) // uint32(n))


@device
def rest(i, n):
    """i % n, as `whole`."""
    return int32(uint32(i) % uint32(n))
