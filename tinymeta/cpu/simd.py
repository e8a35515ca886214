"""Vector instructions that no compiler finds in loops over scalars, spelt out in LLVM.

`at`               a pointer, some elements on
`multiply_strip`   a strip of columns of a matrix product, tile by tile: the heart of gemm.py
`transpose_8x8`    8 x 8 numbers turned in registers

They are Numba intrinsics: functions that, while a caller is compiled, write their instructions into
it. `b` is LLVM's builder, its values are registers of the code to come, and a loop in Python is
unrolled there.
"""

from itertools import product
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
TILE_ROWS = 6  # of a tile, at most
_FLOAT, _INDEX, _LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_CONTRACT = ("contract",)  # a product and its sum may be one instruction, rounded once
ALIGNMENT = 4  # bytes: a vector may begin at any float32
_CACHE_LINE = 16  # float32 numbers that come into the cache together
_SECOND_CACHE, _FIRST_CACHE = 2, 3  # how near a number is wanted, in LLVM's words


@intrinsic
def at(typing, p, offset):
    """at(p: T*, offset: int64) -> T*: the pointer to the element `offset` after p."""
    return p(p, offset), lambda context, b, signature, args: b.gep(args[0], [args[1]])


# ---- a strip of a matrix product ----------------------------------------------------------------


@intrinsic(prefer_literal=True)
def multiply_strip(typing, vectors, lanes, copies, places, copy, sizes, strides):
    """for i < m, j < vectors * lanes:  out[i, j] = sum_{k < count} x[i, k] y[k, j]

    vectors, lanes, copies: literals: vectors in a row of a tile, numbers in a vector, and whether
    the rows of y are written to `copy` as they are read, one after another; then m has to be 6.
    places: float32*, of out, x, y and what is asked for meanwhile, for each row and k a strip wide.
    sizes: int64: m, count, and whether the sums are added to what `out` holds.
    strides: int64, in elements, of out (m), x (m, k), y (k) and of what is asked for (m, k). Rows
    of out and y are contiguous.

    The rows are shared out evenly among tiles of at most 6: 25 are 5 x 5, not 4 x 6 and one. As a
    multiplication takes four cycles and two begin in each, a tile of few sums waits for them.
    """

    def code(context, b, signature, args):
        out, x, y, ahead = cgutils.unpack_tuple(b, args[3])
        m, count, adds = (_widened(b, size) for size in cgutils.unpack_tuple(b, args[5]))
        steps = [_widened(b, stride) for stride in cgutils.unpack_tuple(b, args[6])]
        out_m, x_m, ahead_m = steps[0], steps[1], steps[4]
        done = _index(0)
        heights = _tiles_of_each_height(b, m)
        if copies.literal_value:
            heights = [(TILE_ROWS, _index(1))]
        for rows, tiles in heights:
            shape = rows, vectors.literal_value, lanes.literal_value
            with cgutils.for_range(b, tiles) as loop:
                row = b.add(done, b.mul(loop.index, _index(rows)))
                tile_places = [
                    b.gep(out, [b.mul(row, out_m)]),
                    b.gep(x, [b.mul(row, x_m)]),
                    y,
                    b.gep(ahead, [b.mul(row, ahead_m)]),
                ]
                target = args[4] if copies.literal_value else None
                _multiply_tile(b, shape, tile_places, target, count, adds, steps)
            done = b.add(done, b.mul(tiles, _index(rows)))
        return context.get_dummy_value()

    return types.void(vectors, lanes, copies, places, copy, sizes, strides), code


def _tiles_of_each_height(b, m):
    """[(rows, how many tiles have so many)], the highest first; together they have m rows."""
    most = _index(TILE_ROWS)
    tiles = b.udiv(b.add(m, _index(TILE_ROWS - 1)), most)
    divisor = b.select(b.icmp_signed("==", tiles, _index(0)), _index(1), tiles)
    low = b.udiv(m, divisor)
    higher = b.sub(m, b.mul(low, divisor))  # tiles that have a row more
    found = []
    for rows in range(TILE_ROWS, 0, -1):
        is_low = b.icmp_signed("==", low, _index(rows))
        is_higher = b.icmp_signed("==", low, _index(rows - 1))
        number = b.select(is_low, b.sub(tiles, higher), _index(0))
        found.append((rows, b.select(is_higher, higher, number)))
    return found


def _multiply_tile(b, shape, places, copy, count, adds, strides):
    """The instructions of one tile: its sums stay in registers while k runs over x and y once.

    shape: rows, vectors in a row, lanes of a vector, known now; all else is known when it runs.
    copy: a pointer, or None; the rest as `multiply_strip` has it.
    The next tile's numbers of x are asked for, which is what a transposed x needs, whose columns
    lie far apart; and what is `ahead`, into the second cache, as there may be more than the first
    has room for. That costs next to nothing: the multiplications are what the loop waits for.
    """
    rows, vectors, lanes = shape
    out, x, y, ahead = places
    out_m, x_m, x_k, y_k, _, ahead_k = strides
    kind = ir.VectorType(_FLOAT, lanes)
    pointers, sums = {}, {}
    for i, j in product(range(rows), range(vectors)):
        sums[i, j] = cgutils.alloca_once(b, kind)  # LLVM makes a register of it
        offset = b.add(b.mul(out_m, _index(i)), _index(j * lanes))
        pointers[i, j] = _vector_pointer(b, out, offset, kind)
    with b.if_else(b.icmp_signed("!=", adds, _index(0))) as (then, otherwise):
        with then:
            for place, pointer in pointers.items():
                b.store(b.load(pointer, align=ALIGNMENT), sums[place])
        with otherwise:
            for total in sums.values():
                b.store(ir.Constant(kind, None), total)
    x_ahead = b.gep(x, [b.mul(x_m, _index(2 * rows - 1))])
    with cgutils.for_range(b, count) as loop:
        y_row, x_column = b.mul(loop.index, y_k), b.mul(loop.index, x_k)
        _prefetch(b, b.gep(x_ahead, [x_column]), _FIRST_CACHE)
        for j in range(0, vectors * lanes, _CACHE_LINE):
            last = min(j + _CACHE_LINE, vectors * lanes) - 1
            offset = b.add(b.mul(loop.index, ahead_k), _index(last))
            _prefetch(b, b.gep(ahead, [offset]), _SECOND_CACHE)
        ys = []
        for j in range(vectors):
            pointer = _vector_pointer(b, y, b.add(y_row, _index(j * lanes)), kind)
            ys.append(b.load(pointer, align=ALIGNMENT))
        if copy is not None:
            for j in range(vectors):
                offset = b.add(b.mul(loop.index, _index(vectors * lanes)), _index(j * lanes))
                b.store(ys[j], _vector_pointer(b, copy, offset, kind), align=ALIGNMENT)
        for i in range(rows):
            number = b.load(b.gep(x, [b.add(x_column, b.mul(x_m, _index(i)))]))
            x_vector = _splat(b, number, kind)
            for j in range(vectors):
                term = b.fmul(x_vector, ys[j], flags=_CONTRACT)
                total = b.fadd(term, b.load(sums[i, j]), flags=_CONTRACT)
                b.store(total, sums[i, j])
    for place, pointer in pointers.items():
        b.store(b.load(sums[place]), pointer, align=ALIGNMENT)


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


def _prefetch(b: Any, p: Any, cache: int) -> None:
    """Ask for the cache line of a pointer: for reading, into this cache, of data."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _LANE, _LANE, _LANE])
    instruction = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0i8")
    reading, locality, data = (ir.Constant(_LANE, number) for number in (0, cache, 1))
    b.call(instruction, [b.bitcast(p, byte), reading, locality, data])


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
