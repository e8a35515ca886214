"""The CUDA driver, called through its C interface: memory, copies, launches, graphs.

Why not Numba's launcher: it takes 30 to 60 microseconds a time, as it looks at every argument
again. Here an argument is packed once and a launch is one call of libcuda; a whole recorded list of
launches is captured into a CUDA graph, which one call replays. All work is queued on one stream, so
it runs in the order in which it was queued.

`current()` is the driver of this machine or, with NUMBA_ENABLE_CUDASIM=1, its stand-in on the CPU,
simulator.SimulatedDriver, with the same methods.
"""

import ctypes
import functools
import re
import threading
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p
from typing import Any

import numpy as np

from . import target

OUT_OF_MEMORY, PTX_TOO_NEW = 2, 222  # the driver's codes
NON_BLOCKING = 1  # a stream that does not wait for the default one
THREAD_LOCAL = 1  # capture: other threads may go on as they like
MAJOR, MINOR = 75, 76  # attributes of a device: its compute capability
INT32_LIMIT = 2**31  # kernels count elements in 32 bits
NO_DRIVER = "no NVIDIA driver was found (libcuda): install one, or use --device cpu"
Address = ctypes.c_uint64


class DriverError(RuntimeError):
    """The CUDA driver refused a call; code: its number of the error."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


class Driver:
    """libcuda, the first device's context, and one stream.

    Addresses are ints, sizes are in bytes. Every method raises DriverError where libcuda does.
    """

    def __init__(self) -> None:
        try:
            self.library = ctypes.CDLL(_library_name())
        except OSError as error:
            raise OSError(NO_DRIVER) from error
        self.threads = threading.local()  # has_context: whether this thread uses our context
        self.context: c_void_p | None = None
        self.call("cuInit", c_uint(0))
        device, context = c_int(), c_void_p()
        self.call("cuDeviceGet", byref(device), c_int(0))
        self.call("cuDevicePrimaryCtxRetain", byref(context), device)
        self.context = context
        major, minor = c_int(), c_int()
        self.call("cuDeviceGetAttribute", byref(major), c_int(MAJOR), device)
        self.call("cuDeviceGetAttribute", byref(minor), c_int(MINOR), device)
        self.capability = major.value, minor.value
        name = ctypes.create_string_buffer(100)
        self.call("cuDeviceGetName", name, c_int(100), device)
        self.name = name.value.decode()
        self.stream = c_void_p()
        self.call("cuStreamCreate", byref(self.stream), c_uint(NON_BLOCKING))

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of libcuda. Raises DriverError with the driver's own text."""
        self.use_context()
        code = getattr(self.library, name)(*arguments)
        if code:
            text = c_char_p()
            self.library.cuGetErrorString(c_int(code), byref(text))
            reason = text.value.decode() if text.value else "no text"
            raise DriverError(f"CUDA: {name} failed: {reason} ({code})", code)

    def use_context(self) -> None:
        """Make the context this thread's, once for each thread."""
        if self.context is None or getattr(self.threads, "has_context", False):
            return
        self.threads.has_context = True  # before the call, which comes back here
        self.call("cuCtxSetCurrent", self.context)

    # ---- memory ----------------------------------------------------------------------------------

    def allocate(self, size: int) -> int:
        """The address of so many bytes. Raises DriverError, code OUT_OF_MEMORY."""
        address = Address()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(size))
        return address.value

    def free(self, address: int) -> None:
        self.call("cuMemFree_v2", Address(address))

    def upload(self, address: int, array: np.ndarray) -> None:
        """From a contiguous array of the host, which may be changed as soon as this returns."""
        source, size = c_void_p(array.ctypes.data), c_size_t(array.nbytes)
        self.call("cuMemcpyHtoDAsync_v2", Address(address), source, size, self.stream)

    def download(self, array: np.ndarray, address: int) -> None:
        """Into a contiguous array of the host, when all that was queued before is done."""
        target, size = c_void_p(array.ctypes.data), c_size_t(array.nbytes)
        self.call("cuMemcpyDtoHAsync_v2", target, Address(address), size, self.stream)
        self.synchronize()

    def copy(self, to: int, address: int, size: int) -> None:
        """Queue a copy of `size` bytes from `address` to `to`, both on the device."""
        target, source = Address(to), Address(address)
        self.call("cuMemcpyDtoDAsync_v2", target, source, c_size_t(size), self.stream)

    def synchronize(self, stream: int | None = None) -> None:
        """Wait for what is queued, here or on another library's stream."""
        self.call("cuStreamSynchronize", self.stream if stream is None else c_void_p(stream))

    def free_memory(self) -> tuple[int, int]:
        """Bytes that are free on the device, and all it has."""
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    # ---- kernels ---------------------------------------------------------------------------------

    def load(self, kernel: Any, kinds: tuple) -> c_void_p:
        """A launch.GpuKernel for arguments of some kinds: the driver translates its PTX."""
        text = kernel.ptx(kinds, self.capability)
        try:
            module = self._load_module(text)
        except DriverError as error:
            if error.code != PTX_TOO_NEW:
                raise
            module = self._load_module(with_older_version(text, self.capability))
        function = c_void_p()
        name = c_char_p(entry_name(text).encode())
        self.call("cuModuleGetFunction", byref(function), module, name)
        return function

    def _load_module(self, text: str) -> c_void_p:
        module = c_void_p()
        self.call("cuModuleLoadData", byref(module), c_char_p(text.encode()))
        return module

    def prepare_launch(
        self, function: c_void_p, grid: tuple, block: tuple, args: tuple
    ) -> Callable[[], None]:
        """A launch with its arguments packed; it may be called any number of times."""
        values = pack_arguments(args)
        pointers = (c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        launch, stream = self.library.cuLaunchKernel, self.stream
        sizes = [c_uint(n) for n in (*grid, *block, 0)]  # 0: bytes of dynamic shared memory

        def run(keep_alive=values):  # libcuda reads them at each launch, through `pointers`
            self.use_context()
            code = launch(function, *sizes, stream, pointers, None)
            if code:
                raise DriverError(
                    f"CUDA: a launch of {grid} blocks of {block} threads failed ({code})", code
                )

        return run

    def capture_graph(self, launches: list[Callable[[], None]]) -> Callable[[], None]:
        """The launches as a CUDA graph: a function that replays them with one call."""
        self.synchronize()
        graph, executable = c_void_p(), c_void_p()
        self.call("cuStreamBeginCapture_v2", self.stream, c_int(THREAD_LOCAL))
        try:
            for launch in launches:  # the stream notes them down, and runs none
                launch()
        finally:
            self.call("cuStreamEndCapture", self.stream, byref(graph))
        no_flags = ctypes.c_ulonglong(0)
        self.call("cuGraphInstantiateWithFlags", byref(executable), graph, no_flags)
        self.call("cuGraphDestroy", graph)

        def replay():
            self.call("cuGraphLaunch", executable, self.stream)

        return replay


def pack_arguments(args: tuple) -> list:
    """Arrays as the addresses where they begin, ints as 32 bits, tuples of ints one by one.

    Raises ValueError for an int that 32 bits do not hold.
    """
    packed: list = []
    for arg in args:
        for value in arg if isinstance(arg, tuple) else (arg,):
            if hasattr(value, "address"):
                packed.append(Address(value.address))
            else:
                packed.append(_as_int32(value))
    return packed


def _as_int32(n: int) -> c_int:
    if not -INT32_LIMIT <= n < INT32_LIMIT:
        raise ValueError(f"CUDA: {n} does not fit 32 bits: use smaller batches")
    return c_int(n)


def entry_name(text: str) -> str:
    """The name of the kernel in some PTX."""
    found = re.search(r"\.visible \.entry (\w+)", text)
    assert found, "PTX without a kernel"
    return found.group(1)


def with_older_version(text: str, capability: tuple[int, int]) -> str:
    """PTX that says it is of an older version, which a driver older than the compiler accepts.

    Our kernels use nothing of the newer ones.
    """
    known = "8.8" if capability > (9, 0) else "7.8"  # the first that have these GPUs
    return re.sub(r"(?m)^\.version .*$", f".version {known}", text, count=1)


def _library_name() -> str:
    return "nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1"


# ---- which driver --------------------------------------------------------------------------------

open_drivers: list = []  # the one driver, once it has been asked for


def current() -> Any:
    """The driver, opened at first need. Raises OSError or DriverError where there is none."""
    if not open_drivers:
        from .simulator import SimulatedDriver

        open_drivers.append(SimulatedDriver() if target.SIMULATED else Driver())
    return open_drivers[0]


def usable() -> bool | str:
    """True, or one sentence: why the GPU cannot be used here, and what to do about it."""
    if target.import_error:
        return f"{target.import_error}; pip install 'tinymeta[cuda]'"
    if target.SIMULATED:
        return True
    try:
        current()
    except OSError as error:
        return str(error)
    except DriverError as error:
        return f"the NVIDIA driver finds no device it can use: {error}"
    return has_compiler()


@functools.cache
def has_compiler() -> bool | str:
    """True if Numba can make PTX here, else one sentence: it needs libnvvm, of CUDA or of pip."""

    def nothing(n):
        pass

    try:
        target.compile_ptx(nothing, (target.types.int32,), (9, 0))
        return True
    except Exception as error:
        return (
            f"Numba cannot compile for a GPU ({type(error).__name__}: {error}); for libnvvm, "
            "pip install 'tinymeta[cuda]' (CUDA 13) or 'tinymeta[cuda12]'"
        )
