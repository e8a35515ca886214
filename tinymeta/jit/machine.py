"""What runs without Python: kernels called by address, one after another, on one block of memory.

A kernel is a function `void(arena, args)` compiled to machine code. `arena` is the address of the
block in which all values of a program lie; `args` is an array of int64, the kernel's arguments:
where its operands and results begin in the arena (in bytes), sizes and strides (in elements).

Invariant: nothing here allocates, raises, or touches a Python object, so all of it runs without
Python's lock. A call by address costs about 20 ns; a call from Python takes longer than many steps
run.

All of it is in one file because the machine code of a `@native` function holds the code of all that
it calls, and is kept on disk under a hash of this file and of cpu/ (cpu/native.py).
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..cpu.gemm import at, product
from ..cpu.native import callback, native

ARENA, ARGS = types.CPointer(types.uint8), types.CPointer(types.int64)
SIGNATURE = types.void(ARENA, ARGS)
OPTIONS = dict(nopython=True, fastmath={"contract"}, error_model="numpy")


# ---- addresses as pointers ----------------------------------------------------------------------


def _pointer_to(element: Any) -> Callable:
    """The intrinsic `pointer(arena, byte)` for elements of this Numba type."""

    @intrinsic
    def pointer(typing, arena, byte):
        """The pointer to an element that begins at this byte of the arena."""

        def code(context, b, signature, args):
            place = b.gep(args[0], [args[1]])
            return b.bitcast(place, context.get_value_type(signature.return_type))

        return types.CPointer(element)(arena, byte), code

    return pointer


_NAMES = (
    "float32",
    "float64",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
)
POINTERS = {f"{name}_at": _pointer_to(getattr(types, name)) for name in _NAMES}
float32_at, uint8_at = POINTERS["float32_at"], POINTERS["uint8_at"]
# The name of a dtype in a kernel's source; bools are bytes in memory.
DTYPES = {np.dtype(name): name for name in _NAMES}
DTYPES[np.dtype(bool)] = "bool"


@intrinsic
def added(typing, total, x):
    """total + x in a sum whose order is free: LLVM may keep it in several SIMD lanes."""

    def code(context, b, signature, args):
        return b.fadd(*args, flags=("reassoc", "contract"))

    return total(total, total), code


@intrinsic
def _as_arena(typing, address):
    """An integer address as a pointer to bytes."""
    return ARENA(address), lambda c, b, s, args: b.inttoptr(args[0], c.get_value_type(ARENA))


@intrinsic
def _as_args(typing, address):
    """An integer address as a pointer to int64: kernel arguments, flags, or a table of numbers."""
    return ARGS(address), lambda c, b, s, args: b.inttoptr(args[0], c.get_value_type(ARGS))


@intrinsic
def _address(typing, pointer):
    """A pointer as an integer address."""
    return types.int64(pointer), lambda c, b, s, args: b.ptrtoint(args[0], ir.IntType(64))


@intrinsic
def _call_kernel(typing, address, arena, args):
    """Call the kernel at an address."""

    def code(context, b, signature, llvm_args):
        kernel_type = ir.FunctionType(ir.VoidType(), [llvm_args[1].type, llvm_args[2].type])
        b.call(b.inttoptr(llvm_args[0], kernel_type.as_pointer()), [llvm_args[1], llvm_args[2]])
        return context.get_dummy_value()

    return types.void(address, arena, args), code


@native
def run_kernels(kernels, args_addresses, arena, first, last):
    """Run the kernels first..last-1, given their addresses and those of their arguments."""
    for k in range(first, last):
        _call_kernel(kernels[k], _as_arena(arena), _as_args(args_addresses[k]))


# ---- chunks on threads ---------------------------------------------------------------------------
# Tables of int64 describe the work (job_tables.py fills them in):
#
#   copy    COPY_FIELDS:  array, byte in the array, byte in the arena, count of bytes
#   chunk   CHUNK_FIELDS: kernels, their arguments, count of kernels,
#                         copies in, count of copies in, copies out, count of copies out
#   group   GROUP_FIELDS: its first chunk, and the one after its last
#   job     what one thread needs to take groups: chunks, groups, count of groups, counters,
#           its arena, addresses of the arrays
#   counters  groups taken, groups completed
#
# FLAGS is the length of the flags that a worker thread shares with the thread that calls it
# (threads.py). Each of the four flags has a cache line of its own: 8 int64 apart.

CHUNK_FIELDS, COPY_FIELDS, GROUP_FIELDS = 7, 4, 2
REQUESTED, COMPLETED, PARKED, JOB, FLAGS = 0, 8, 16, 24, 32


@intrinsic
def _atomic_load(typing, p):
    """The value at p, no older than what other threads have stored."""
    return p.dtype(p), lambda c, b, s, args: b.load_atomic(args[0], "acquire", align=8)


@intrinsic
def _atomic_exchange(typing, p, value):
    """Store a value at p for all threads to see; returns the value before."""
    return p.dtype(p, value), lambda c, b, s, args: b.atomic_rmw("xchg", *args, "seq_cst")


@intrinsic
def _fetch_add(typing, p):
    """Add 1 to the value at p, atomically; returns the value before."""
    return p.dtype(p), lambda c, b, s, args: b.atomic_rmw(
        "add", args[0], ir.Constant(ir.IntType(64), 1), "seq_cst"
    )


@intrinsic
def _copy(typing, to, source, count):
    """Copy `count` bytes from one address to another."""

    def code(context, b, signature, args):
        to, source = (b.inttoptr(a, ir.IntType(8).as_pointer()) for a in args[:2])
        cgutils.raw_memcpy(b, to, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(to, source, count), code


@native
def take_chunks(job_address):
    """Take groups of chunks until none is left; of each chunk: copy in, run its kernels, copy out.

    Each group is taken by exactly one thread: the first counter is read and raised in one step.
    """
    job = _as_args(job_address)
    chunks, groups, count, counters = job[0], job[1], job[2], _as_args(job[3])
    arena, arrays = job[4], _as_args(job[5])
    while True:
        taken = _fetch_add(counters)
        if taken >= count:
            return
        group = _as_args(groups + 8 * GROUP_FIELDS * taken)
        for k in range(group[0], group[1]):
            chunk = _as_args(chunks + 8 * CHUNK_FIELDS * k)
            kernels, args_addresses = _as_args(chunk[0]), _as_args(chunk[1])
            for m in range(chunk[4]):
                move = _as_args(chunk[3] + 8 * COPY_FIELDS * m)
                _copy(arena + move[2], arrays[move[0]] + move[1], move[3])
            for step in range(chunk[2]):
                _call_kernel(kernels[step], _as_arena(arena), _as_args(args_addresses[step]))
            for m in range(chunk[6]):
                move = _as_args(chunk[5] + 8 * COPY_FIELDS * m)
                _copy(arrays[move[0]] + move[1], arena + move[2], move[3])
        _fetch_add(at(counters, 1))


@native
def spin_until(address, number, spin_limit):
    """Read the counter at an address until it is at least `number`; False after spin_limit reads.

    Spinning is worth it because the system takes far longer to wake a thread than a small chunk
    takes to run.
    """
    for _ in range(spin_limit):
        if _atomic_load(_as_args(address)) >= number:
            return True
    return False


@native
def exchange_flag(address, value):
    """`_atomic_exchange` for Python: store a value at an address; returns the value before."""
    return _atomic_exchange(_as_args(address), value)


@native
def serve(flags_address, spin_limit):
    """A worker's loop: wait for a request, take the chunks of its job, and wait again.

    Returns to Python with True if the request is a Python function, with False if none came within
    the spin limit and the worker should park. It does not return after every job: to enter Python
    is to wait for its lock.
    """
    flags = _as_args(flags_address)
    while spin_until(flags_address + 8 * REQUESTED, flags[COMPLETED] + 1, spin_limit):
        if flags[JOB] == 0:
            return True
        take_chunks(flags[JOB])
        _atomic_exchange(at(flags, COMPLETED), flags[COMPLETED] + 1)
    return False


# ---- kernels that are no loops over elements ----------------------------------------------------


class LazyKernel:
    """A function of (arena, args), compiled when its address is first asked for, not at import."""

    def __init__(self, function: Callable):
        self.function = function
        self._callback: Any = None

    @cached_property
    def address(self) -> int:
        """Of its machine code, which lives as long as this object."""
        self._callback = callback(self.function, SIGNATURE, OPTIONS)
        return self._callback.address


@LazyKernel
def multiply(arena, args):
    """out (T, M, N) = x (T, M, K) @ y (T, K, N), float32; `step_kernels.product_args` has the args.

    args: bytes of out, x, y and the workspace; T M N K; strides of x (T M K) and of y (T K N).
    """
    out, x, y = (float32_at(arena, args[0]), float32_at(arena, args[1]), float32_at(arena, args[2]))
    workspace = float32_at(arena, args[3])
    tasks, m, n, count = args[4], args[5], args[6], args[7]
    x_t, x_m, x_k, y_t, y_k, y_n = args[8], args[9], args[10], args[11], args[12], args[13]
    for t in range(tasks):
        product(
            at(out, t * m * n),
            at(x, t * x_t),
            at(y, t * y_t),
            workspace,
            m,
            n,
            count,
            n,
            x_m,
            x_k,
            y_k,
            y_n,
        )


@LazyKernel
def assemble(arena, args):
    """out (A, w) = 0;  for each part x (A, n, r), a, i, c:  out[a, first + i step + c] = x[a, i, c]

    All is in bytes, so one kernel serves every dtype. args: as `step_kernels.assemble_args` has
    them: byte of out, A, w, is it to be cleared, how many parts; of each: byte, first, n, r, step.
    """
    rows, width = args[1], args[2]
    out = uint8_at(arena, args[0])
    if args[3]:
        for c in range(rows * width):
            out[c] = 0
    for k in range(args[4]):
        part = at(args, 5 + 5 * k)
        first, count, run, step = part[1], part[2], part[3], part[4]
        source = uint8_at(arena, part[0])
        for a in range(rows):
            for i in range(count):
                target = at(out, a * width + first + i * step)
                _copy(_address(target), _address(at(source, (a * count + i) * run)), run)
