"""The CUDA driver, called through its C interface: memory, copies, launches, graphs.

Numba could launch, at 30 to 60 microseconds a time, as it looks at every argument again. Here an
argument is packed once and a launch is one call of libcuda; a whole recorded list of launches is
captured into a CUDA graph, which one call replays. All work is queued on one stream, in order.

`current()` is the driver of this machine or, with NUMBA_ENABLE_CUDASIM=1, its stand-in on the CPU.
"""

import ctypes
import functools
import threading
import warnings
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p

import numpy as np

from . import target

OUT_OF_MEMORY, NEWER_THAN_DRIVER = 2, 222       # the driver's codes
NON_BLOCKING = 1                # a stream that does not wait for the default one
THREAD_LOCAL = 1                # capture: other threads may go on as they like
MAJOR, MINOR = 75, 76           # attributes of a device: its compute capability
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
        self.call("cuInit", c_uint(0))
        device, self.context = c_int(), c_void_p()
        self.call("cuDeviceGet", byref(device), c_int(0))
        self.call("cuDevicePrimaryCtxRetain", byref(self.context), device)
        self.ready()
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
        code = getattr(self.library, name)(*arguments)
        if code:
            text = c_char_p()
            self.library.cuGetErrorString(c_int(code), byref(text))
            words = text.value.decode() if text.value else "no text"
            raise DriverError(f"CUDA: {name} failed: {words} ({code})", code)

    def ready(self):
        """Make the context this thread's."""
        if not getattr(self.threads, "ready", False):
            self.call("cuCtxSetCurrent", self.context)
            self.threads.ready = True

    # ---- memory ----------------------------------------------------------------------------------

    def allocate(self, size: int) -> int:
        """The address of so many bytes. Raises DriverError, code OUT_OF_MEMORY."""
        self.ready()
        address = Address()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(size))
        return address.value

    def free(self, address: int):
        self.ready()
        self.call("cuMemFree_v2", Address(address))

    def upload(self, address: int, array: np.ndarray):
        """From a dense array of the host, which may be changed as soon as this returns."""
        self.ready()
        self.call("cuMemcpyHtoDAsync_v2", Address(address), c_void_p(array.ctypes.data),
                  c_size_t(array.nbytes), self.stream)

    def download(self, array: np.ndarray, address: int):
        """Into a dense array of the host, when all that was queued before is done."""
        self.ready()
        self.call("cuMemcpyDtoHAsync_v2", c_void_p(array.ctypes.data), Address(address),
                  c_size_t(array.nbytes), self.stream)
        self.synchronize()

    def copy(self, to: int, address: int, size: int):
        self.ready()
        self.call("cuMemcpyDtoDAsync_v2", Address(to), Address(address), c_size_t(size), self.stream)

    def synchronize(self, stream: int | None = None):
        """Wait for what is queued, here or on somebody else's stream."""
        self.ready()
        self.call("cuStreamSynchronize", self.stream if stream is None else c_void_p(stream))

    def free_memory(self) -> tuple[int, int]:
        """Bytes that are free on the device, and all it has."""
        self.ready()
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    # ---- kernels ---------------------------------------------------------------------------------

    def load(self, function, text: str, entry: str):
        """The kernel in some PTX, which the driver translates for its device and keeps."""
        self.ready()
        module, kernel = c_void_p(), c_void_p()
        try:
            self.call("cuModuleLoadData", byref(module), c_char_p(text.encode()))
        except DriverError as error:
            if error.code != NEWER_THAN_DRIVER:
                raise
            raise DriverError(f"{error}: the compiler is newer than the driver: update the driver, or "
                              "pip install 'tinymeta[cuda12]'", error.code) from None
        self.call("cuModuleGetFunction", byref(kernel), module, c_char_p(entry.encode()))
        return kernel

    def bound(self, kernel, grid: tuple, block: tuple, arguments: list):
        """A launch with its arguments packed; call it as often as you like."""
        values = [Address(a) if kind == "pointer" else c_int(a) for kind, a in arguments]
        places = (c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        launch, stream = self.library.cuLaunchKernel, self.stream
        sizes = [c_uint(n) for n in (*grid, *block, 0)]

        def run(keep=values):
            self.ready()
            if code := launch(kernel, *sizes, stream, places, None):
                raise DriverError(f"CUDA: a launch of {grid} blocks of {block} threads failed "
                                  f"({code})", code)
        return run

    def captured(self, launches: list):
        """The launches as a graph: a function that replays them with one call."""
        self.ready()
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
            self.ready()
            self.call("cuGraphLaunch", ready, self.stream)
        return replay


class Simulated:
    """The same on the CPU: an address is a place in a list of buffers, a launch a simulated one."""
    name, capability, stream = "Numba's simulator", (9, 0), c_void_p(0)

    def __init__(self):
        self.buffers, self.last = {}, 0

    def allocate(self, size: int) -> int:
        address = self.last = self.last + (1 << 40)
        self.buffers[address] = np.zeros(size, np.uint8)
        return address

    def free(self, address: int):
        del self.buffers[address]

    def at(self, address: int) -> tuple[np.ndarray, int]:
        """The buffer that has an address, and where in it."""
        begin = address >> 40 << 40
        return self.buffers[begin], address - begin

    def upload(self, address: int, array: np.ndarray):
        buffer, place = self.at(address)
        buffer[place:place + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)

    def download(self, array: np.ndarray, address: int):
        buffer, place = self.at(address)
        flat = buffer[place:place + array.nbytes]
        array.reshape(-1)[...] = np.frombuffer(flat.tobytes(), array.dtype)

    def copy(self, to: int, address: int, size: int):
        (target_buffer, to), (buffer, place) = self.at(to), self.at(address)
        target_buffer[to:to + size] = buffer[place:place + size]

    def synchronize(self, stream: int | None = None):
        pass

    def free_memory(self) -> tuple[int, int]:
        return 1 << 34, 1 << 34

    def load(self, function, text: str, entry: str):
        return target.cuda.jit(function)

    def bound(self, kernel, grid: tuple, block: tuple, arguments: list):
        def run():
            with warnings.catch_warnings():             # a GPU says nothing of log(-1), NumPy does
                warnings.simplefilter("ignore", RuntimeWarning)
                kernel[grid, block](*arguments)
        return run

    def captured(self, launches: list):
        def replay():
            for launch in launches:
                launch()
        return replay


def library_name() -> str:
    return "nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1"


opened: list = []               # the driver, when it has been asked for


def current() -> Driver | Simulated:
    """The driver, opened at first need. Raises OSError or DriverError where there is none."""
    if not opened:
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
        return (f"Numba finds no libnvvm to compile with ({type(error).__name__}): "
                "pip install 'tinymeta[cuda]' (CUDA 13) or 'tinymeta[cuda12]'")
