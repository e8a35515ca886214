"""The CUDA driver, called through its C interface: memory, copies, launches, graphs.

Numba could launch, at 30 to 60 microseconds a time, as it looks at every argument again. Here an
argument is packed once and a launch is one call of libcuda; a whole recorded list of launches is
captured into a CUDA graph, which one call replays. All work is queued on one stream, in order.

`current()` is the driver of this machine or, with NUMBA_ENABLE_CUDASIM=1, its stand-in on the CPU.
"""

import ctypes
import functools
import re
import threading
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p

import numpy as np

from . import target

OUT_OF_MEMORY, NEWER_THAN_DRIVER = 2, 222  # the driver's codes
NON_BLOCKING = 1  # a stream that does not wait for the default one
THREAD_LOCAL = 1  # capture: other threads may go on as they like
MAJOR, MINOR = 75, 76  # attributes of a device: its compute capability
LIMIT = 2**31  # kernels count elements in 32 bits
Address = ctypes.c_uint64


class DriverError(RuntimeError):
    """The CUDA driver refused a call."""

    def __init__(self, what: str, code: int):
        super().__init__(what)
        self.code = code


class Driver:
    """libcuda, the first device's context, and one stream."""

    def __init__(self):
        self.library, self.threads = ctypes.CDLL(library_name()), threading.local()
        self.context = None
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

    def call(self, name: str, *arguments):
        """One function of libcuda. Raises DriverError with the driver's own words."""
        self.ready()
        code = getattr(self.library, name)(*arguments)
        if code:
            text = c_char_p()
            self.library.cuGetErrorString(c_int(code), byref(text))
            words = text.value.decode() if text.value else "no text"
            raise DriverError(f"CUDA: {name} failed: {words} ({code})", code)

    def ready(self):
        """Make the context this thread's."""
        if self.context is not None and not getattr(self.threads, "ready", False):
            self.threads.ready = True
            self.call("cuCtxSetCurrent", self.context)

    # ---- memory ----------------------------------------------------------------------------------

    def allocate(self, size: int) -> int:
        """The address of so many bytes. Raises DriverError, code OUT_OF_MEMORY."""
        address = Address()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(size))
        return address.value

    def free(self, address: int):
        self.call("cuMemFree_v2", Address(address))

    def upload(self, address: int, array: np.ndarray):
        """From a dense array of the host, which may be changed as soon as this returns."""
        self.call(
            "cuMemcpyHtoDAsync_v2",
            Address(address),
            c_void_p(array.ctypes.data),
            c_size_t(array.nbytes),
            self.stream,
        )

    def download(self, array: np.ndarray, address: int):
        """Into a dense array of the host, when all that was queued before is done."""
        self.call(
            "cuMemcpyDtoHAsync_v2",
            c_void_p(array.ctypes.data),
            Address(address),
            c_size_t(array.nbytes),
            self.stream,
        )
        self.synchronize()

    def copy(self, to: int, address: int, size: int):
        self.call(
            "cuMemcpyDtoDAsync_v2", Address(to), Address(address), c_size_t(size), self.stream
        )

    def synchronize(self, stream: int | None = None):
        """Wait for what is queued, here or on somebody else's stream."""
        self.call("cuStreamSynchronize", self.stream if stream is None else c_void_p(stream))

    def free_memory(self) -> tuple[int, int]:
        """Bytes that are free on the device, and all it has."""
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    # ---- kernels ---------------------------------------------------------------------------------

    def load(self, kernel, kinds: tuple):
        """A launch.Kernel for arguments of some kinds: the driver translates its PTX and keeps it."""
        text = kernel.ptx(kinds, self.capability)
        try:
            module = self.module(text)
        except DriverError as error:
            if error.code != NEWER_THAN_DRIVER:
                raise
            module = self.module(older(text, self.capability))
        loaded = c_void_p()
        self.call("cuModuleGetFunction", byref(loaded), module, c_char_p(entry(text).encode()))
        return loaded

    def module(self, text: str) -> c_void_p:
        module = c_void_p()
        self.call("cuModuleLoadData", byref(module), c_char_p(text.encode()))
        return module

    def bound(self, kernel, grid: tuple, block: tuple, args: tuple):
        """A launch with its arguments packed; call it as often as you like."""
        values = packed(args)
        places = (c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        launch, stream = self.library.cuLaunchKernel, self.stream
        sizes = [c_uint(n) for n in (*grid, *block, 0)]

        def run(keep=values):
            self.ready()
            if code := launch(kernel, *sizes, stream, places, None):
                raise DriverError(
                    f"CUDA: a launch of {grid} blocks of {block} threads failed ({code})", code
                )

        return run

    def captured(self, launches: list):
        """The launches as a graph: a function that replays them with one call."""
        self.synchronize()
        graph, ready = c_void_p(), c_void_p()
        self.call("cuStreamBeginCapture_v2", self.stream, c_int(THREAD_LOCAL))
        try:
            for launch in launches:
                launch()
        finally:
            self.call("cuStreamEndCapture", self.stream, byref(graph))
        self.call("cuGraphInstantiateWithFlags", byref(ready), graph, ctypes.c_ulonglong(0))
        self.call("cuGraphDestroy", graph)

        def replay():
            self.call("cuGraphLaunch", ready, self.stream)

        return replay


def packed(args: tuple) -> list:
    """Arrays as the addresses where they begin, ints as 32 bits, tuples of ints one by one."""
    return [
        Address(a.address) if hasattr(a, "address") else c_int(checked(a))
        for arg in args
        for a in (arg if isinstance(arg, tuple) else (arg,))
    ]


def checked(n: int) -> int:
    if not -LIMIT <= n < LIMIT:
        raise ValueError(f"CUDA: {n} does not fit 32 bits: use smaller batches")
    return n


def entry(text: str) -> str:
    """The name of the kernel in some PTX."""
    return re.search(r"\.visible \.entry (\w+)", text).group(1)


def older(text: str, capability: tuple[int, int]) -> str:
    """PTX of a compiler that is newer than the driver, as an older one: it has nothing new but its
    version."""
    known = "8.8" if capability > (9, 0) else "7.8"  # the first that have these GPUs
    return re.sub(r"(?m)^\.version .*$", f".version {known}", text, count=1)


def library_name() -> str:
    return "nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1"


opened: list = []  # the driver, when it has been asked for


def current():
    """The driver, opened at first need. Raises OSError or DriverError where there is none."""
    if not opened:
        from .simulator import Simulated

        opened.append(Simulated() if target.SIMULATED else Driver())
    return opened[0]


def usable() -> bool | str:
    """True, or one sentence: why the GPU cannot be used here, and what to do about it."""
    if target.missing:
        return f"{target.missing}; pip install 'tinymeta[cuda]'"
    if target.SIMULATED:
        return True
    try:
        current()
    except OSError:
        return "no NVIDIA driver was found (libcuda): install one, or use --device cpu"
    except DriverError as error:
        return f"the NVIDIA driver finds no device it can use: {error}"
    return has_compiler()


@functools.cache
def has_compiler() -> bool | str:
    """Can Numba make PTX here? It needs libnvvm, of the toolkit or of pip's packages."""

    def nothing(n):
        pass

    try:
        target.compiled(nothing, (target.types.int32,), (9, 0))
        return True
    except Exception as error:
        return (
            f"Numba cannot compile for a GPU ({type(error).__name__}: {error}); for libnvvm, "
            "pip install 'tinymeta[cuda]' (CUDA 13) or 'tinymeta[cuda12]'"
        )
