"""The CUDA driver, called through its C interface: memory, copies, launches, graphs.

Why not Numba's launcher: it takes 30 to 60 microseconds a time, as it looks at every argument
again. Here an argument is packed once and a launch is one call of libcuda; a whole recorded list of
launches is captured into a CUDA graph, which one call replays. All work of a GPU is queued on one
stream, so it runs in the order in which it was queued.

`current()` is the driver of the GPU that this thread works on or, with NUMBA_ENABLE_CUDASIM=1, its
stand-in on the CPU, simulator.SimulatedDriver, with the same methods.
"""

import ctypes
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from ctypes import byref, c_size_t, c_uint, c_void_p
from typing import Any

import numpy as np

from . import target
from .arguments import INT32_LIMIT, Address, pack_arguments
from .context import NO_DRIVER, NOT_SUPPORTED, OUT_OF_MEMORY, Context, DriverError, gpu_count
from .graph import Graph, Launch
from .module import LoadedKernel, entry_name, load_kernel, with_older_version
from .staging import PinnedPages
from .stream import LEGACY_DEFAULT, Retired, create_stream, order
from .target import has_compiler

__all__ = [
    "LEGACY_DEFAULT",
    "NOT_SUPPORTED",
    "NO_DRIVER",
    "OUT_OF_MEMORY",
    "Driver",
    "INT32_LIMIT",
    "Address",
    "DriverError",
    "current",
    "entry_name",
    "has_compiler",
    "pack_arguments",
    "replaced_by",
    "usable",
    "using",
    "with_older_version",
]


class Driver:
    """A GPU: its context, the stream of all its work, and one that is only captured.

    library: as of context.Context. key: drivers of one key share memory and loaded kernels.
    Addresses are ints, sizes are in bytes. Every method raises DriverError where libcuda does.
    """

    def __init__(self, number: int = 0, library: Any = None) -> None:
        self.number = number
        self.key: Hashable = number if library is None else (number, id(library))
        self.context = Context(number, library)
        self.library, self.call = self.context.library, self.context.call
        self.name, self.capability = self.context.name, self.context.capability
        self.stream = create_stream(self.context)
        self.capture_stream = create_stream(self.context)
        # Held while it captures: a context with a stream that captures cannot be waited for.
        self.capturing = threading.Lock()
        self.retired = Retired(self.context, self.stream, self.synchronize_all)
        self.pinned = PinnedPages(self.context, self.stream)
        self.retire, self.let_go = self.retired.add, self.retired.let_go

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
        self.pinned.upload(address, array)

    def download(self, array: np.ndarray, address: int) -> None:
        """Into a contiguous array of the host, when all that was queued before is done."""
        target, size = c_void_p(array.ctypes.data), c_size_t(array.nbytes)
        self.call("cuMemcpyDtoHAsync_v2", target, Address(address), size, self.stream)
        self.synchronize()

    def copy(self, to: int, address: int, size: int) -> None:
        """Queue a copy of `size` bytes from `address` to `to`, both on the device."""
        target, source = Address(to), Address(address)
        self.call("cuMemcpyDtoDAsync_v2", target, source, c_size_t(size), self.stream)

    def copy_all(self, copies: Sequence[tuple[int, int, int]]) -> None:
        """Queue copies, each (to, address, size) as of `copy`, with little Python for each."""
        if not copies:
            return
        copy, stream = self.context.function("cuMemcpyDtoDAsync_v2"), self.stream

        def queue_all() -> int:
            for to, address, size in copies:
                if code := copy(Address(to), Address(address), c_size_t(size), stream):
                    return code
            return 0

        self.context.check(self.context.run(queue_all), "cuMemcpyDtoDAsync_v2")

    def free_memory(self) -> tuple[int, int]:
        """Bytes that are free on the device, and all it has."""
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    # ---- order -----------------------------------------------------------------------------------

    def synchronize(self) -> None:
        """Wait for what is queued here."""
        self.let_go()  # puts an event behind what was dropped ..
        self.call("cuStreamSynchronize", self.stream)
        self.let_go()  # .. and finds it done

    def synchronize_all(self) -> None:
        """Wait for what is queued on this GPU by anybody in this process."""
        with self.capturing:
            self.call("cuCtxSynchronize")

    def follow(self, stream: int) -> None:
        """What is queued here from now on comes after what is queued on another stream now."""
        order(self.context, c_void_p(stream), self.stream)

    def precede(self, stream: int) -> None:
        """What is queued on another stream from now on comes after what is queued here now."""
        order(self.context, self.stream, c_void_p(stream))

    def keeping_its_context(self, work: Callable[[], Any]) -> Any:
        """What `work` returns; the calls in it find this GPU's context current and change none."""
        return self.context.run(work)

    # ---- kernels ---------------------------------------------------------------------------------

    def load(self, kernel: Any, kinds: tuple) -> LoadedKernel:
        """A launch.GpuKernel for arguments of some kinds: the driver translates its PTX."""
        text = kernel.ptx(kinds, self.capability)
        return load_kernel(self.context, self.retired, text, self.capability)

    def prepare_launch(
        self, kernel: LoadedKernel, grid: tuple, block: tuple, args: tuple
    ) -> Launch:
        """A launch with its arguments packed; it may be called any number of times.

        It takes the stream to be queued on; None: the one of all work.
        """
        values = pack_arguments(args)
        pointers = (c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        launch, context = self.context.function("cuLaunchKernel"), self.context
        sizes = [c_uint(n) for n in (*grid, *block, 0)]  # 0: bytes of dynamic shared memory

        def run(stream: c_void_p | None = None, keep_alive: Any = values) -> None:
            # libcuda reads `values` at each launch, through `pointers`
            stream = self.stream if stream is None else stream
            code = context.run(launch, kernel.handle, *sizes, stream, pointers, None)
            if code:
                context.check(code, f"a launch of {grid} blocks of {block} threads")

        return run

    def capture_graph(
        self, launches: Sequence[Launch], needs: Sequence[Sequence[int]] | None = None
    ) -> Callable[[], None]:
        """The launches as a CUDA graph, a function that replays them; needs: as of graph.Graph.

        A driver too old to be told what each of them needs runs them in their order.
        """
        parts = self.context, self.capture_stream, self.stream, self.retired, launches
        with self.capturing:
            try:
                return Graph(*parts, needs)
            except DriverError as error:
                if needs is None or error.code != NOT_SUPPORTED:
                    raise
                return Graph(*parts)


# ---- which driver --------------------------------------------------------------------------------

_open_drivers: list = []  # by the GPU's number: its driver, or None before it is asked for
_opening = threading.Lock()
# number: of the GPU that this thread works on, if it is not the first. driver: see `replaced_by`.
_thread = threading.local()


def current() -> Any:
    """The driver of this thread's GPU. Raises OSError or DriverError where there is none."""
    if replacement := getattr(_thread, "driver", None):
        return replacement
    number = getattr(_thread, "number", None) or 0
    if number < len(_open_drivers) and _open_drivers[number]:
        return _open_drivers[number]
    from .simulator import SimulatedDriver

    with _opening:
        _open_drivers.extend([None] * (number + 1 - len(_open_drivers)))
        if _open_drivers[number] is None:
            _open_drivers[number] = (SimulatedDriver if target.SIMULATED else Driver)(number)
    return _open_drivers[number]


def using(number: int) -> AbstractContextManager[None]:
    """This thread works on the GPU `number` in a `with` block."""
    return _set_for_thread("number", number)


def replaced_by(driver: Any) -> AbstractContextManager[None]:
    """This thread works with another driver than its GPU's in a `with` block."""
    return _set_for_thread("driver", driver)


@contextmanager
def _set_for_thread(name: str, value: Any) -> Iterator[None]:
    before = getattr(_thread, name, None)
    setattr(_thread, name, value)
    try:
        yield
    finally:
        setattr(_thread, name, before)


def count() -> int:
    """How many GPUs there are. Raises OSError or DriverError where there is no driver."""
    from .simulator import SimulatedDriver

    return SimulatedDriver.count if target.SIMULATED else gpu_count()


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
