"""A GPU's context, in which every call of libcuda is made, and what its refusals are called.

The driver API works on the context that is current in the calling thread, and other libraries
change it: `torch.cuda.set_device(1)` does. So each call here looks which one is current, for a
fraction of a microsecond, and puts ours in its place for the time of the call alone: what another
library left there, it finds there again. Ours is the GPU's primary context, which it shares with
everything that is built on the CUDA runtime, so that one can read the other's memory.
"""

import ctypes
import functools
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_uint, c_void_p
from typing import Any

INVALID_VALUE, OUT_OF_MEMORY, NO_SUCH_DEVICE = 1, 2, 101
PTX_TOO_NEW, NOT_READY, NOT_SUPPORTED = 222, 600, 801
# After one of these nothing runs in the context any more: an illegal address, a time-out, an
# assertion, and faults of the machine (710, 714 to 719).
_STICKY = {700, 702, 710, *range(714, 720)}
_MAJOR, _MINOR = 75, 76  # attributes of a device: its compute capability
NO_DRIVER = "no NVIDIA driver was found (libcuda): install one, or use --device cpu"


class DriverError(RuntimeError):
    """The CUDA driver refused a call; code: its number of the error."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


@functools.cache
def _open_library() -> Any:
    """libcuda, ready for calls. Raises OSError where there is none, DriverError without a GPU."""
    name = "nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise OSError(NO_DRIVER) from error
    return _initialized(library)


def _initialized(library: Any) -> Any:
    """The library, ready for calls. Raises DriverError."""
    if code := library.cuInit(c_uint(0)):
        raise DriverError(f"CUDA: cuInit failed: {_error_text(library, code)}", code)
    return library


def _error_text(library: Any, code: int) -> str:
    """The driver's own words for an error, and what they mean for this process."""
    text = c_char_p()
    library.cuGetErrorString(c_int(code), byref(text))
    words = f"{text.value.decode() if text.value else 'no text'} ({code})"
    if code not in _STICKY:
        return words
    return (
        f"{words}: this call or a kernel queued before it did that, and nothing runs on the GPU "
        "in this process any more; start it again, with CUDA_LAUNCH_BLOCKING=1 to see which"
    )


def gpu_count() -> int:
    """How many GPUs the driver has. Raises what `_open_library` raises."""
    library, number = _open_library(), 0
    while library.cuDeviceGet(byref(c_int()), c_int(number)) == 0:
        number += 1
    return number


class Context:
    """The primary context of the GPU `number`, its name and its compute capability.

    library: to be called in the place of this machine's libcuda. Raises what `_open_library`
    raises, and DriverError for a GPU that is not there.
    """

    def __init__(self, number: int, library: Any = None):
        self.library = _open_library() if library is None else _initialized(library)
        self.number = number
        self.handle: int | None = None  # none before it is retained: calls need none until then
        device, handle = c_int(), c_void_p()
        self.call("cuDeviceGet", byref(device), c_int(number))
        self.call("cuDevicePrimaryCtxRetain", byref(handle), device)
        self.handle = handle.value
        major, minor = c_int(), c_int()
        self.call("cuDeviceGetAttribute", byref(major), c_int(_MAJOR), device)
        self.call("cuDeviceGetAttribute", byref(minor), c_int(_MINOR), device)
        self.capability = major.value, minor.value
        name = ctypes.create_string_buffer(100)
        self.call("cuDeviceGetName", name, c_int(100), device)
        self.name = name.value.decode()

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of libcuda. Raises DriverError with the driver's own text."""
        self.check(self.run(self.function(name), *arguments), name)

    def function(self, name: str) -> Callable[..., int]:
        """A function of libcuda. Raises DriverError, code NOT_SUPPORTED, if the driver lacks it."""
        found = getattr(self.library, name, None)
        if found is None:
            raise DriverError(f"CUDA: this driver is too old to have {name}", NOT_SUPPORTED)
        return found

    def check(self, code: int, what: str) -> None:
        """Raise DriverError for a code that is not 0; what: failed, for its message."""
        if code:
            raise DriverError(f"CUDA: {what} failed: {_error_text(self.library, code)}", code)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call it with this context current, and leave the thread's own as it was."""
        if self.handle is None:
            return function(*arguments)
        before = c_void_p()
        self.library.cuCtxGetCurrent(byref(before))
        if before.value == self.handle:  # nearly always
            return function(*arguments)
        self.library.cuCtxSetCurrent(c_void_p(self.handle))
        try:
            return function(*arguments)
        finally:
            self.library.cuCtxSetCurrent(before)
