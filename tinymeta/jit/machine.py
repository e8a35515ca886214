"""What runs without Python: kernels by address, one after another, on one block of memory.

A kernel is a function void(arena, row) compiled to machine code; a stretch of a program is an array
of addresses and one of rows. The loop that calls them takes 20 ns a line and holds no lock.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from ..cpu import conv as conv_kernels
from ..cpu.gemm import at, product
from ..cpu.native import callback, native

ARENA, ROW = types.CPointer(types.uint8), types.CPointer(types.int64)
SIGNATURE = types.void(ARENA, ROW)
OPTIONS = dict(nopython=True, fastmath={"contract"}, error_model="numpy")


def pointer_to(element):
    @intrinsic
    def pointer(typing, arena, byte):
        """The pointer to an element that begins at this byte of the arena."""

        def code(context, b, signature, args):
            place = b.gep(args[0], [args[1]])
            return b.bitcast(place, context.get_value_type(signature.return_type))

        return types.CPointer(element)(arena, byte), code

    return pointer


POINTERS = {
    f"{name}_at": pointer_to(getattr(types, name))
    for name in (
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
}
float32_at = POINTERS["float32_at"]
# What a dtype is called in a kernel; bools are bytes.
DTYPES = {np.dtype(name.removesuffix("_at")): name.removesuffix("_at") for name in POINTERS}
DTYPES[np.dtype(bool)] = "bool"


@intrinsic
def added(typing, total, x):
    """total + x, of a sum whose order does not matter: so it may be kept in many lanes."""

    def code(context, b, signature, args):
        return b.fadd(*args, flags=("reassoc", "contract"))

    return total(total, total), code


@intrinsic
def as_arena(typing, address):
    return ARENA(address), lambda c, b, s, args: b.inttoptr(args[0], c.get_value_type(ARENA))


@intrinsic
def as_row(typing, address):
    return ROW(address), lambda c, b, s, args: b.inttoptr(args[0], c.get_value_type(ROW))


@intrinsic
def call(typing, address, arena, row):
    """Call the kernel at an address."""

    def code(context, b, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [args[1].type, args[2].type])
        b.call(b.inttoptr(args[0], kind.as_pointer()), [args[1], args[2]])
        return context.get_dummy_value()

    return types.void(address, arena, row), code


@native("void(int64[::1], int64[::1], int64, int64, int64)")
def drive(kernels, rows, arena, first, last):
    """Run the kernels first..last-1: their addresses, and those of their rows."""
    for k in range(first, last):
        call(kernels[k], as_arena(arena), as_row(rows[k]))


# ---- chunks on threads ---------------------------------------------------------------------------
# A chunk is a row of CHUNK numbers: kernels, rows, how many; the moves in, how many; and out.
# A move is between an array and the arena: which array, where in it, where in the arena, how many
# bytes. A job is what one thread needs to take chunks: their rows, how many, the counters, its
# arena, and the addresses of the arrays.
# Its counters: how many chunks are taken, how many are done.

CHUNK, MOVE = 7, 4
ASKED, DONE, ASLEEP, JOB, LETTERS = 0, 8, 16, 24, 32  # places in a helper's mail, a cache line each


@intrinsic
def seen(typing, p):
    """*p, as other threads left it just now."""
    return p.dtype(p), lambda c, b, s, args: b.load_atomic(args[0], "acquire", align=8)


@intrinsic
def exchanged(typing, p, value):
    """Put a value at p, for all threads to see, and give back what was there."""
    return p.dtype(p, value), lambda c, b, s, args: b.atomic_rmw("xchg", *args, "seq_cst")


@intrinsic
def counted(typing, p):
    """Add 1 at p, whoever else does, and give back what was there."""
    return p.dtype(p), lambda c, b, s, args: b.atomic_rmw(
        "add", args[0], ir.Constant(ir.IntType(64), 1), "seq_cst"
    )


@intrinsic
def copy(typing, to, source, count):
    """Copy so many bytes from one address to another."""

    def code(context, b, signature, args):
        to, source = (b.inttoptr(a, ir.IntType(8).as_pointer()) for a in args[:2])
        cgutils.raw_memcpy(b, to, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(to, source, count), code


@native("void(int64)")
def take_chunks(job_at):
    """Take chunks until none is left, and run each: what it reads in, its kernels, results out."""
    job = as_row(job_at)
    chunks, count, counters, arena = job[0], job[1], as_row(job[2]), job[3]
    arrays = as_row(job[4])
    while True:
        k = counted(counters)
        if k >= count:
            return
        chunk = as_row(chunks + 8 * CHUNK * k)
        kernels, rows = as_row(chunk[0]), as_row(chunk[1])
        for m in range(chunk[4]):
            move = as_row(chunk[3] + 8 * MOVE * m)
            copy(arena + move[2], arrays[move[0]] + move[1], move[3])
        for step in range(chunk[2]):
            call(kernels[step], as_arena(arena), as_row(rows[step]))
        for m in range(chunk[6]):
            move = as_row(chunk[5] + 8 * MOVE * m)
            copy(arrays[move[0]] + move[1], arena + move[2], move[3])
        counted(at(counters, 1))


@native("boolean(int64, int64, int64)")
def reached(address, number, looks):
    """Look at a counter until it is `number`, at most so often; True if it is.

    To be woken by the system takes far longer than a small chunk of work.
    """
    for _ in range(looks):
        if seen(as_row(address)) >= number:
            return True
    return False


@native("int64(int64, int64)")
def exchange(address, value):
    return exchanged(as_row(address), value)


@native("boolean(int64, int64)")
def serve(mail_at, looks):
    """A helper's rounds: wait for each, do it. Back in Python, True for work of its own, False to sleep.

    Not after every round: to go back to Python is to wait for its lock.
    """
    mail = as_row(mail_at)
    while reached(mail_at + 8 * ASKED, mail[DONE] + 1, looks):
        if mail[JOB] == 0:
            return True
        take_chunks(mail[JOB])
        exchanged(at(mail, DONE), mail[DONE] + 1)
    return False


# ---- kernels that are no loops over elements ----------------------------------------------------


class Kernel:
    """A function of (arena, row), compiled when its address is asked for: `import` shall not wait."""

    def __init__(self, function: Callable):
        self.function = function

    @cached_property
    def address(self) -> int:
        self.compiled = callback(self.function, SIGNATURE, OPTIONS)  # kept: the address is its
        return self.compiled.address


@Kernel
def multiply(arena, row):
    """out (T, M, N) = x (T, M, K) @ y (T, K, N); row: three places, a scratch, T M N K, strides."""
    out, x, y = float32_at(arena, row[0]), float32_at(arena, row[1]), float32_at(arena, row[2])
    scratch = float32_at(arena, row[3])
    tasks, m, n, count = row[4], row[5], row[6], row[7]
    x_t, x_m, x_k, y_t, y_k, y_n = row[8], row[9], row[10], row[11], row[12], row[13]
    for t in range(tasks):
        product(
            at(out, t * m * n),
            at(x, t * x_t),
            at(y, t * y_t),
            scratch,
            m,
            n,
            count,
            n,
            x_m,
            x_k,
            y_k,
            y_n,
        )


@Kernel
def to_cols(arena, row):
    """row: two places, T N H W C, rows and columns of the result, then as `im2col` has it."""
    x = carray(float32_at(arena, row[1]), (row[2], row[3], row[4], row[5], row[6]))
    cols = carray(float32_at(arena, row[0]), (row[2], row[7], row[8]))
    conv_kernels.im2col(
        cols, x, row[9], row[10], row[11], row[12], row[13], row[14], row[15], row[16]
    )


@Kernel
def from_cols(arena, row):
    """row: as of `to_cols`, the result first."""
    x = carray(float32_at(arena, row[0]), (row[2], row[3], row[4], row[5], row[6]))
    cols = carray(float32_at(arena, row[1]), (row[2], row[7], row[8]))
    conv_kernels.col2im(
        x, cols, row[9], row[10], row[11], row[12], row[13], row[14], row[15], row[16]
    )
