"""The emulated GPU of this process: switched on once, told how to be, asked what it saw.

`start()` loads the library under libcuda's name, before anything else has loaded one: whoever opens
libcuda afterwards gets it. `start_beside()` loads it under no name, so that the machine's own stays
what it is, for those who are handed it. Whatever was wrong is in `faults()`, also what a real GPU
does not tell; how often each kernel ran, and what it did, in `statistics()`.
"""

import ctypes
import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int, c_uint32, c_uint64, c_void_p
from typing import Any, NamedTuple

from . import compiler
from .kinds import INSTRUCTIONS, KINDS
from .parse import Unsupported
from .translate import translate, translate_control

FORWARD, BACKWARD, _SHUFFLED = range(3)  # the order of threads and blocks
DEFAULTS = {
    "thread_order": _SHUFFLED,
    "races": 1,  # are they looked for?
    "approximate_off": 1,  # are approximate functions off by units in the last place?
    "late_uploads": 0,  # is an upload read when it runs, not when it is queued?
    "late_refusal": 0,  # is PTX that is too new refused not before its kernel is asked for?
    "ptx_version": 90,  # the newest that the driver knows, 9.0
    "capability": 90,  # of the GPU, sm_90
    "devices": 1,
    "megabytes": 2048,  # of memory
}
# In the order of machine.h's fault_kind.
_SENTENCES = (
    "an access of {size} bytes at an address that they do not divide",
    "an access of {size} bytes outside of all blocks",
    "a load of memory that nobody has written",
    "a race: a thread reads what another one writes",
    "a race: two threads write",
    "a race: a thread writes what another one reads",
    "threads of a block wait at different barriers",
    "a trap",
    "an access outside of the thread's local memory",
    "work of another thread is captured into a graph",
    "a download of memory that nobody has written",
    "an upload from pageable memory while the stream captures",
    "a copy of {size} bytes outside of all blocks",
    "threads of a warp that do not come to its matrix product together",
    "a matrix product of a number that cvt.rna.tf32 has not rounded",
)


class _Settings(Structure):
    _fields_ = [(name, c_int) for name in DEFAULTS]


class _Place(Structure):
    _fields_ = [(axis, c_uint32) for axis in "xyz"]


class _Fault(Structure):
    _fields_ = [
        ("kernel", c_char * 1000),
        ("kind", c_int),
        ("line", c_int),
        ("address", c_uint64),
        ("size", c_uint64),
        ("block", _Place),
        ("thread", c_uint32),
        ("times", c_uint64),
    ]


class _Kernel(Structure):  # machine.h's struct kernel
    _fields_ = [
        ("name", c_char_p),
        ("run", c_void_p),
        *((name, c_uint32) for name in ("register_bytes", "shared_bytes", "parameter_bytes")),
        ("parameters", c_uint32),
        ("parameter_sizes", c_void_p),
        ("parameter_offsets", c_void_p),
        ("pieces", c_uint32),
        ("visits", POINTER(c_uint64)),
        ("counts", POINTER(c_uint32)),
        *((name, c_uint64) for name in ("launches", "blocks", "threads")),
    ]


class KernelCounts(NamedTuple):
    """What a kernel did. name: in its PTX. counts: by kinds.KINDS, of all threads together."""

    name: str
    launches: int
    blocks: int
    threads: int
    counts: dict[str, int]

    @property
    def instructions(self) -> int:
        """Of all threads together."""
        return sum(self.counts[kind] for kind in INSTRUCTIONS)


class Emulator:
    """settings: those of DEFAULTS, as they are now. in_its_place: in that of libcuda?"""

    def __init__(self, in_its_place: bool) -> None:
        path = str(compiler.library_of_driver(in_its_place))
        mode = ctypes.RTLD_GLOBAL if in_its_place else ctypes.RTLD_LOCAL
        self.library = ctypes.CDLL(path, mode=mode)
        self.library.emulator_faults.restype = POINTER(_Fault)
        self.library.emulator_kernels.restype = POINTER(_Kernel)
        kind = ctypes.CFUNCTYPE(c_int, c_char_p, POINTER(c_char), ctypes.c_size_t)
        self._callback = kind(self._translate)  # kept, as C calls it
        self.library.emulator_translator(self._callback)
        self.translator = translate  # of kernels that are loaded from now on
        self.settings = dict(DEFAULTS)
        self.configure()

    def configure(self, **changes: int) -> None:
        """Change settings, those of DEFAULTS."""
        self.settings = {**self.settings, **changes}
        self.library.emulator_configure(byref(_Settings(**self.settings)))

    @contextmanager
    def configured(self, **changes: int) -> Iterator[None]:
        """Other settings in a `with` block. What is queued runs when somebody waits for it."""
        before = self.settings
        self.configure(**changes)
        try:
            yield
        finally:
            self.configure(**before)

    @contextmanager
    def only_counting(self) -> Iterator[None]:
        """Kernels that are loaded in a `with` block go their way, but compute and store nothing.

        One whose way depends on what is in memory is refused.
        """
        before, self.translator = self.translator, translate_control
        try:
            yield
        finally:
            self.translator = before

    def _translate(self, text: bytes, answer: Any, room: int) -> int:
        """Called by the library: (the path of the kernel's library, 1), or (why not, 0)."""
        ptx = text.decode()
        try:
            said, done = str(compiler.library_of_text(ptx, self.translator)), 1
        except (Unsupported, OSError) as error:
            said, done = str(error), 0
        except Exception as error:  # C cannot be told of it otherwise
            said, done = f"{type(error).__name__}: {error}", 0
        raw = said.encode()[: room - 1] + b"\0"
        ctypes.memmove(answer, raw, len(raw))
        return done

    # ---- what it saw -----------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """A sentence for each kind, kernel and line; they are forgotten, and errors with them."""
        count = c_int()
        found = self.library.emulator_faults(byref(count))
        sentences = [_sentence(found[k]) for k in range(count.value)]
        self.library.emulator_forget_faults()
        return sentences

    def _kernels(self) -> Iterator[_Kernel]:
        for module in range(self.library.emulator_modules()):
            count = c_int()
            kernels = self.library.emulator_kernels(module, byref(count))
            yield from (kernels[k] for k in range(count.value))

    def statistics(self) -> list[KernelCounts]:
        """Of each kernel that has run since `forget_statistics`."""
        return [_counted(kernel) for kernel in self._kernels() if kernel.launches]

    def forget_statistics(self) -> None:
        """Count from 0."""
        for kernel in self._kernels():
            kernel.launches = kernel.blocks = kernel.threads = 0
            ctypes.memset(kernel.visits, 0, 8 * kernel.pieces)


def _sentence(fault: _Fault) -> str:
    what = _SENTENCES[fault.kind].format(size=fault.size)
    kernel, b = readable(fault.kernel.decode()), fault.block
    who = f" by thread {fault.thread} of block ({b.x}, {b.y}, {b.z}) of {kernel}" if kernel else ""
    where = f", line {fault.line} of its PTX" if fault.line else ""
    again = f"; {fault.times:,} times" if fault.times > 1 else ""
    return f"{what}{who}{where}, at {fault.address:#x}{again}"


def readable(name: str) -> str:
    """Of a name that Numba has mangled the parts: tinymeta.cuda.loops.kernel v147."""
    rest, parts = name.removeprefix("_ZN"), []
    while rest != name and (found := re.match(r"(\d+)", rest)):
        end = found.end() + int(found[1])
        parts.append(rest[found.end() : end])
        rest = rest[end:]
    version = re.match(r"B\dv(\d+)", rest)
    return ".".join(parts[1:]) + (f" v{version[1]}" if version else "") if parts else name


def _counted(kernel: _Kernel) -> KernelCounts:
    totals = dict.fromkeys(KINDS, 0)
    for piece in range(kernel.pieces):
        for k, kind in enumerate(KINDS):
            totals[kind] += kernel.visits[piece] * kernel.counts[piece * len(KINDS) + k]
    name = kernel.name.decode()
    return KernelCounts(name, kernel.launches, kernel.blocks, kernel.threads, totals)


@functools.cache
def start() -> Emulator:
    """The one emulated GPU of this process, which everybody takes for a real one.

    Raises compiler.Missing where there is no gcc, RuntimeError after `start_beside`: kernels that
    are loaded once cannot be of two.
    """
    if _beside.cache_info().currsize:
        raise RuntimeError("an emulated GPU runs beside libcuda here: start it first, in its place")
    return Emulator(in_its_place=True)


def start_beside() -> Emulator:
    """The one that `start` has begun, or one that only those know who are handed its library.

    Raises compiler.Missing.
    """
    return start() if start.cache_info().currsize else _beside()


@functools.cache
def _beside() -> Emulator:
    return Emulator(in_its_place=False)
