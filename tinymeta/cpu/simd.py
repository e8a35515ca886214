"""Vector instructions that no compiler finds in loops over scalars, spelt out in LLVM.

`at`               a pointer, some elements on
`prefetch`         asks for a number that is needed soon
`multiply_strip`   a strip of columns of a matrix product, tile by tile: the heart of gemm.py
`transpose_8x8`    8 x 8 numbers turned in registers

They are Numba intrinsics: functions that, while a caller is compiled, write their instructions into
it. `b` is LLVM's builder, its values are registers of the code to come, and a loop in Python is
unrolled there.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .native import cpu_features


def vector_registers() -> tuple[int, int]:
    """(float32 numbers in a vector register of this machine, vectors in a row of a tile).

    A tile of 6 rows keeps its sums in registers, beside a row of y and one number of x:
    AVX-512 has 32 of 16 numbers, 6 x 4 + 4 + 1 are used; AVX2 has 16 of 8, 6 x 2 + 2 + 1 are used.
    SSE and NEON have at least 16 of 4.
    """
    features = cpu_features()
    if features.get("avx512f"):
        return 16, 4
    return (8, 2) if features.get("avx2") else (4, 2)


LANES, TILE_VECTORS = vector_registers()
_MOST_ROWS = 6  # of a tile
_ROWS_OF_A_PART = 3  # of x, which are reached from one pointer: at 0, 1 and 2 strides
_FLOAT, _INDEX, _LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_CONTRACT = ("contract",)  # a product and its sum may be one instruction, rounded once
ALIGNMENT = 4  # bytes: a vector may begin at any float32
CACHE_LINE = 16  # float32 numbers that come into the cache together
# How early a row is asked for: some 100 cycles, what the second cache takes, or more.
ROWS_AHEAD = 8


@intrinsic
def at(typing, p, offset):
    """at(p: T*, offset: int64) -> T*: the pointer to the element `offset` after p."""
    return p(p, offset), lambda context, b, signature, args: b.gep(args[0], [args[1]])


@intrinsic
def prefetch(typing, p):
    """prefetch(p: float32*): brings the number into the first cache; p may point anywhere."""

    def code(context, b, signature, args):
        _prefetch(b, args[0])
        return context.get_dummy_value()

    return types.void(p), code


# ---- a strip of a matrix product ----------------------------------------------------------------


@intrinsic(prefer_literal=True)
def multiply_strip(
    typing, vectors, lanes, copies, out, x, y, copy, ahead, m, count, out_m, x_m, x_k, y_k, ahead_k, adds
):
    """for i < m, j < vectors * lanes:  out[i, j] = sum_{k < count} x[i, k] y[k, j]

    vectors, lanes, copies: literals, vectors in a row of a tile, numbers in a vector, and whether
    the rows of y that are read are written to `copy`, one after another. out, x, y, copy, ahead:
    float32*; the rest int64: sizes, then strides in elements. Rows of out and y are contiguous.
    ahead: what is asked for while it runs, a row for each k. adds: whether the sum begins with
    what `out` holds.

    The m rows are shared out evenly among tiles of at most 6: 25 are 5 x 5, not 4 x 6 and one, as
    a multiplication takes four cycles and two begin in each, so that a tile of fewer than four rows
    waits for itself.
    """

    def code(context, b, signature, args):
        out, x, y, copy, ahead, m, count, out_m, x_m, x_k, y_k, ahead_k, adds = (
            _widened(b, value) for value in args[3:]
        )
        tiles = b.udiv(b.add(m, _index(_MOST_ROWS - 1)), _index(_MOST_ROWS))
        some = b.select(b.icmp_signed("==", tiles, _index(0)), _index(1), tiles)
        low = b.udiv(m, some)
        higher = b.sub(m, b.mul(low, some))  # tiles that have one row more
        done = _index(0)
        for rows in range(_MOST_ROWS, 0, -1):
            is_low = b.icmp_signed("==", low, _index(rows))
            is_higher = b.icmp_signed("==", low, _index(rows - 1))
            number = b.select(is_low, b.sub(tiles, higher), _index(0))
            number = b.select(is_higher, higher, number)
            with cgutils.for_range(b, number) as loop:
                row = b.add(done, b.mul(loop.index, _index(rows)))
                out_tile = b.gep(out, [b.mul(row, out_m)])
                x_rows = b.gep(x, [b.mul(row, x_m)])
                shape = rows, vectors.literal_value, lanes.literal_value
                target = copy if copies.literal_value else None
                strides = out_m, x_m, x_k, y_k, ahead_k
                _multiply_tile(b, shape, out_tile, x_rows, y, target, ahead, count, strides, adds)
            done = b.add(done, b.mul(number, _index(rows)))
        return context.get_dummy_value()

    return types.void(
        vectors, lanes, copies, out, x, y, copy, ahead, m, count, out_m, x_m, x_k, y_k, ahead_k, adds
    ), code


def _multiply_tile(b, shape, out, x, y, copy, ahead, count, strides, adds):
    """The instructions of one tile: its sums stay in registers while k runs over x and y once.

    shape: rows, vectors in a row, lanes of a vector, known now; all else is known when it runs.
    copy: a pointer, or None. strides: of out, x (two), y and `ahead`.
    """
    rows, vectors, lanes = shape
    out_m, x_m, x_k, y_k, ahead_k = strides
    kind = ir.VectorType(_FLOAT, lanes)
    places = [(i, j) for i in range(rows) for j in range(vectors)]
    sums = {place: cgutils.alloca_once(b, kind) for place in places}  # LLVM makes registers of it
    pointers = {}
    for i, j in places:
        offset = b.add(b.mul(out_m, _index(i)), _index(j * lanes))
        pointers[i, j] = _vector_pointer(b, out, offset, kind)
    with b.if_else(b.icmp_signed("!=", adds, _index(0))) as (then, otherwise):
        with then:
            for place in places:
                b.store(b.load(pointers[place], align=ALIGNMENT), sums[place])
        with otherwise:
            for place in places:
                b.store(ir.Constant(kind, None), sums[place])
    x_parts = [_opaque(b, b.gep(x, [b.mul(x_m, _index(i))])) for i in range(0, rows, _ROWS_OF_A_PART)]
    x_ahead = b.gep(x, [b.mul(x_k, _index(ROWS_AHEAD))])
    with cgutils.for_range(b, count) as loop:
        y_row, x_column = b.mul(loop.index, y_k), b.mul(loop.index, x_k)
        _prefetch(b, b.gep(x_ahead, [x_column]))
        for j in range(0, vectors * lanes, CACHE_LINE):
            last = min(j + CACHE_LINE, vectors * lanes) - 1
            _prefetch(b, b.gep(ahead, [b.add(b.mul(loop.index, ahead_k), _index(last))]))
        ys = []
        for j in range(vectors):
            pointer = _vector_pointer(b, y, b.add(y_row, _index(j * lanes)), kind)
            ys.append(b.load(pointer, align=ALIGNMENT))
        if copy is not None:
            for j in range(vectors):
                offset = b.add(b.mul(loop.index, _index(vectors * lanes)), _index(j * lanes))
                b.store(ys[j], _vector_pointer(b, copy, offset, kind), align=ALIGNMENT)
        for i in range(rows):
            part, place = divmod(i, _ROWS_OF_A_PART)
            offset = b.add(x_column, b.mul(x_m, _index(place)))
            x_vector = _splat(b, b.load(b.gep(x_parts[part], [offset])), kind)
            for j in range(vectors):
                term = b.fmul(x_vector, ys[j], flags=_CONTRACT)
                total = b.fadd(term, b.load(sums[i, j]), flags=_CONTRACT)
                b.store(total, sums[i, j])
    for place in places:
        b.store(b.load(sums[place]), pointers[place], align=ALIGNMENT)


# ---- a transpose ---------------------------------------------------------------------------------


@intrinsic
def transpose_8x8(typing, out, y, out_k, y_n):
    """for k, n < 8:  out[k, n] = y[n, k]

    out, y: float32*; out_k, y_n: int64, the strides of their rows, which are contiguous.

    In three steps, of 4, 2 and 1 lanes: two rows that lie `half` apart exchange the blocks of
    `half` numbers that are off the diagonal. 24 shuffles; number by number, 64 loads and stores.
    """

    def code(context, b, signature, args):
        out, y, out_k, y_n = args
        kind = ir.VectorType(_FLOAT, 8)
        rows = []
        for n in range(8):
            pointer = _vector_pointer(b, y, b.mul(y_n, _index(n)), kind)
            rows.append(b.load(pointer, align=ALIGNMENT))
        for half in (1, 2, 4):
            # Lanes of a pair of rows: 0 to 7 are the upper one's, 8 to 15 the lower one's.
            upper = [8 + c - half if c & half else c for c in range(8)]
            lower = [8 + c if c & half else c + half for c in range(8)]
            for r in range(8):
                if r & half:
                    continue
                first, second = rows[r], rows[r + half]
                rows[r] = b.shuffle_vector(first, second, _lane_numbers(upper))
                rows[r + half] = b.shuffle_vector(first, second, _lane_numbers(lower))
        for k, row in enumerate(rows):
            pointer = _vector_pointer(b, out, b.mul(out_k, _index(k)), kind)
            b.store(row, pointer, align=ALIGNMENT)
        return context.get_dummy_value()

    return types.void(out, y, out_k, y_n), code


# ---- LLVM values ---------------------------------------------------------------------------------


def _vector_pointer(b: Any, p: Any, offset: Any, kind: ir.Type) -> Any:
    """The pointer to a vector that begins `offset` elements after p."""
    return b.bitcast(b.gep(p, [offset]), kind.as_pointer())


def _opaque(b: Any, p: Any) -> Any:
    """The pointer p, of which LLVM does not know how it was computed.

    It would add the stride to one pointer again and again to reach the rows of x, and each addition
    waits for the one before: seven cycles, where six are needed to multiply.
    """
    kind = ir.FunctionType(p.type, [p.type])
    return b.asm(kind, "", "=r,0", [p], side_effect=False)


def _prefetch(b: Any, p: Any) -> None:
    """Ask for the cache line of a pointer: for reading, into the first cache, of data."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _LANE, _LANE, _LANE])
    instruction = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0i8")
    reading, first_cache, data = (ir.Constant(_LANE, number) for number in (0, 3, 1))
    b.call(instruction, [b.bitcast(p, byte), reading, first_cache, data])


def _splat(b: Any, scalar: Any, kind: Any) -> Any:
    """The vector that has `scalar` in all its lanes: one instruction, as x86 and ARM have it."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = b.insert_element(undefined, scalar, ir.Constant(_LANE, 0))
    return b.shuffle_vector(first, undefined, _lane_numbers([0] * kind.count))


def _lane_numbers(numbers: list[int]) -> ir.Constant:
    """Which lane of two vectors each lane of a shuffle takes."""
    return ir.Constant(ir.VectorType(_LANE, len(numbers)), numbers)


def _index(n: int) -> ir.Constant:
    """A constant of 64 bits."""
    return ir.Constant(_INDEX, n)


def _widened(b: Any, value: Any) -> Any:
    """An integer or bool argument as 64 bits; a pointer as it is."""
    if not isinstance(value.type, ir.IntType) or value.type.width == 64:
        return value
    return b.zext(value, _INDEX)
