"""Kernels in the GPU: PTX, which the driver translates for it, and the function that comes out.

Driver and compiler are of different ages. A driver that is older than the compiler refuses PTX for
its version alone, when a module is loaded or, where it translates lazily, when a function is asked
for; the same text under an older version's number it takes.
"""

import ctypes
import functools
import re
from ctypes import byref, c_char_p, c_int, c_void_p

from .context import PTX_TOO_NEW, Context, DriverError
from .stream import Retired

_LOG, _LOG_SIZE = 5, 6  # options of loading: where the translator writes its errors; its bytes
_LOG_BYTES = 4096


class LoadedKernel:
    """A module with one kernel in it; handle: the driver's function.

    The module is unloaded when nobody refers to it any more, and no launch of it is queued. Raises
    DriverError, with what the translator says, if the driver cannot load it.
    """

    def __init__(self, context: Context, retired: Retired, text: str):
        self.context, self.retired = context, retired
        self.module, self.handle = c_void_p(), c_void_p()
        self.unload = functools.partial(context.call, "cuModuleUnload", self.module)
        # Kept as long as the module: a lazy driver may write into it later than it loads.
        self.log = ctypes.create_string_buffer(_LOG_BYTES)
        name = entry_name(text)
        try:
            self._load(text)
            function = c_char_p(name.encode())
            context.call("cuModuleGetFunction", byref(self.handle), self.module, function)
        except DriverError as error:
            said = self.log.value.decode(errors="replace").strip()
            message = f"{error}; kernel {name}" + (f"; the driver says: {said}" if said else "")
            raise DriverError(message, error.code) from error

    def _load(self, text: str) -> None:
        options = (c_int * 2)(_LOG, _LOG_SIZE)
        values = (c_void_p * 2)(ctypes.addressof(self.log), _LOG_BYTES)
        image = c_char_p(text.encode())
        self.context.call(
            "cuModuleLoadDataEx", byref(self.module), image, c_int(2), options, values
        )

    def __del__(self) -> None:
        if self.module.value:
            self.retired.add(self.unload)


def load_kernel(
    context: Context, retired: Retired, text: str, capability: tuple[int, int]
) -> LoadedKernel:
    """The kernel of some PTX, under an older version's number if its own is too new."""
    try:
        return LoadedKernel(context, retired, text)
    except DriverError as error:
        if error.code != PTX_TOO_NEW:
            raise
        return LoadedKernel(context, retired, with_older_version(text, capability))


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
