"""What runs without Python: kernels by address, one after another, on one block of memory.

A kernel is a function void(arena, row) compiled to machine code; a stretch of a program is an array
of addresses and one of rows. The loop that calls them takes 20 ns a line and holds no lock.
"""

from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

from ..cpu import conv as conv_kernels
from ..cpu.gemm import at, product

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


POINTERS = {f"{name}_at": pointer_to(getattr(types, name))
            for name in ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "uint16",
                         "uint32", "uint64")}
float32_at = POINTERS["float32_at"]


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


@njit("void(int64[::1], int64[::1], int64, int64, int64)", nogil=True, cache=True)
def drive(kernels, rows, arena, first, last):
    """Run the kernels first..last-1: their addresses, and those of their rows."""
    for k in range(first, last):
        call(kernels[k], as_arena(arena), as_row(rows[k]))


# ---- waiting for another thread ------------------------------------------------------------------

@intrinsic
def seen(typing, p):
    """*p, as other threads left it just now."""
    return p.dtype(p), lambda c, b, s, args: b.load_atomic(args[0], "acquire", align=8)


@njit("boolean(int64, int64, int64)", nogil=True, cache=True)
def await_round(address, number, looks):
    """Look at a counter until it is `number`, at most so often; True if it is.

    To be woken by the system takes far longer than a small chunk of work.
    """
    for _ in range(looks):
        if seen(as_row(address)) >= number:
            return True
    return False


# ---- kernels that are no loops over elements ----------------------------------------------------

@cfunc(SIGNATURE, cache=True, **OPTIONS)
def multiply(arena, row):
    """out (T, M, N) = x (T, M, K) @ y (T, K, N); row: three places, a scratch, T M N K, strides."""
    out, x, y = float32_at(arena, row[0]), float32_at(arena, row[1]), float32_at(arena, row[2])
    scratch = float32_at(arena, row[3])
    tasks, m, n, count = row[4], row[5], row[6], row[7]
    x_t, x_m, x_k, y_t, y_k, y_n = row[8], row[9], row[10], row[11], row[12], row[13]
    for t in range(tasks):
        product(at(out, t * m * n), at(x, t * x_t), at(y, t * y_t), scratch, m, n, count,
                n, x_m, x_k, y_k, y_n)


@cfunc(SIGNATURE, cache=True, **OPTIONS)
def to_cols(arena, row):
    """row: two places, T N H W C, rows and columns of the result, then as `im2col` has it."""
    x = carray(float32_at(arena, row[1]), (row[2], row[3], row[4], row[5], row[6]))
    cols = carray(float32_at(arena, row[0]), (row[2], row[7], row[8]))
    conv_kernels.im2col(cols, x, row[9], row[10], row[11], row[12], row[13], row[14], row[15],
                        row[16])


@cfunc(SIGNATURE, cache=True, **OPTIONS)
def from_cols(arena, row):
    """row: as of `to_cols`, the result first."""
    x = carray(float32_at(arena, row[0]), (row[2], row[3], row[4], row[5], row[6]))
    cols = carray(float32_at(arena, row[1]), (row[2], row[7], row[8]))
    conv_kernels.col2im(x, cols, row[9], row[10], row[11], row[12], row[13], row[14], row[15],
                        row[16])
