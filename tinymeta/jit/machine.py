"""What runs without Python: kernels called by address, one after another, on one block of memory.

A kernel (cpu/pointers.py) is called with an arena, the block in which all values of a program lie.

Invariant: nothing here allocates, raises, or touches a Python object, so all of it runs without
Python's lock. A call by address costs about 20 ns; a call from Python takes longer than many steps
run.

The machine code of a `@native` function holds the code of all that it calls, and is kept on disk
under a hash of this file and of cpu/ (cpu/native.py): so nothing here calls another file of jit/.
"""

import sys

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..cpu.gemm import at
from ..cpu.native import native
from ..cpu.pointers import ARENA, ARGS, copy_bytes


@intrinsic
def _as_arena(typing, address):
    """An integer address as a pointer to bytes."""
    return ARENA(address), lambda c, b, s, args: b.inttoptr(args[0], c.get_value_type(ARENA))


@intrinsic
def _as_args(typing, address):
    """An integer address as a pointer to int64: kernel arguments, flags, or a table of numbers."""
    return ARGS(address), lambda c, b, s, args: b.inttoptr(args[0], c.get_value_type(ARGS))


@intrinsic
def _call_kernel(typing, address, arena, args):
    """Call the kernel at an address."""

    def code(context, b, signature, llvm_args):
        kernel_type = ir.FunctionType(ir.VoidType(), [llvm_args[1].type, llvm_args[2].type])
        b.call(b.inttoptr(llvm_args[0], kernel_type.as_pointer()), [llvm_args[1], llvm_args[2]])
        return context.get_dummy_value()

    return types.void(address, arena, args), code


# Lets the system run another thread on this core, if one is waiting.
_yield_core = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.intc()
)


@native
def run_kernels(kernels, args_addresses, arena, first, last):
    """Run the kernels first..last-1, given their addresses and those of their arguments."""
    for k in range(first, last):
        _call_kernel(kernels[k], _as_arena(arena), _as_args(args_addresses[k]))


# ---- chunks on threads ---------------------------------------------------------------------------
# Tables of int64 describe the work (job_tables.py fills them in):
#
#   copy    _COPY_FIELDS:  array, byte in the array, byte in the arena, count of bytes
#   address _ADDRESS_FIELDS: array, byte in the array, address of the kernel argument to point there
#   chunk   _CHUNK_FIELDS: kernels, their arguments, count of kernels, copies in, count of them,
#                         copies out, count of them, addresses, count of them
#   group   _GROUP_FIELDS: its first chunk, the one after its last, and how many groups have to be
#           completed before it begins: some of those before it, or none
#   job     what one thread needs to take groups: chunks, groups, count of groups, counters,
#           its arena, addresses of the arrays
#   counters  groups taken, groups completed
#
# FLAGS is the length of the flags that a worker thread shares with the thread that calls it
# (threads.py). Each of the four flags has a cache line of its own: 8 int64 apart.

_CHUNK_FIELDS, _COPY_FIELDS, _ADDRESS_FIELDS, _GROUP_FIELDS = 9, 4, 3, 3
_SPINS = 2000  # reads of a counter, some microseconds, before others may have this thread's core
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
def take_chunks(job_address):
    """Take groups of chunks until none is left; of each chunk: copy in, run its kernels, copy out.

    What is not copied is read and written where it lies: kernel arguments are made its address,
    relative to the arena.
    Each group is taken by exactly one thread: the first counter is read and raised in one step.
    """
    job = _as_args(job_address)
    chunks, groups, count, counters = job[0], job[1], job[2], _as_args(job[3])
    arena, arrays = job[4], _as_args(job[5])
    while True:
        taken = _fetch_add(counters)
        if taken >= count:
            return
        group = _as_args(groups + 8 * _GROUP_FIELDS * taken)
        while not spin_until(job[3] + 8, group[2], _SPINS):
            _yield_core()  # to the thread that is waited for, it may be
        for k in range(group[0], group[1]):
            chunk = _as_args(chunks + 8 * _CHUNK_FIELDS * k)
            kernels, args_addresses = _as_args(chunk[0]), _as_args(chunk[1])
            for m in range(chunk[4]):
                move = _as_args(chunk[3] + 8 * _COPY_FIELDS * m)
                copy_bytes(arena + move[2], arrays[move[0]] + move[1], move[3])
            for m in range(chunk[8]):
                place = _as_args(chunk[7] + 8 * _ADDRESS_FIELDS * m)
                _as_args(place[2])[0] = arrays[place[0]] + place[1] - arena
            for step in range(chunk[2]):
                _call_kernel(kernels[step], _as_arena(arena), _as_args(args_addresses[step]))
            for m in range(chunk[6]):
                move = _as_args(chunk[5] + 8 * _COPY_FIELDS * m)
                copy_bytes(arrays[move[0]] + move[1], arena + move[2], move[3])
        _fetch_add(at(counters, 1))


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
