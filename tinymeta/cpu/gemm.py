"""A matrix product whose result stays in registers: the heart of BLAS, small enough to be read.

    out[m, n] = sum over k of x[m, k] y[k, n]                    float32, on pointers

A tile of `out`, a few rows of a few vectors, is kept in registers while k runs over x and y once.
Each vector of y that is loaded serves all rows of the tile, each number of x all its columns, so
one load feeds several multiplications (Goto & van de Geijn 2008; of their packing only that of y is
left: what is multiplied here lies in the cache already). No compiler finds the tile in three loops
over scalars, so it is spelt out in LLVM's vectors, of as many lanes as a register of this machine
has.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .native import cpu_features, native


def registers() -> tuple[int, int]:
    """How many float32 a vector register of this machine holds, and how many vectors are a tile's."""
    features = cpu_features()
    if features.get("avx512f"):
        return 16, 4  # of 32 registers, 6 x 4 hold sums
    return (8, 2) if features.get("avx2") else (4, 2)


LANES, WIDE = registers()
HALF, QUARTER = LANES // 2, LANES // 4
HEIGHTS = 6, 4, 2, 1  # rows of a tile; the lower ones are for what is left
WORTH_A_COPY = 48  # rows of x: at 20 lining y up gains nothing, at 80 it does
FLOAT, INDEX, LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)
FUSED = ("contract",)  # a product and its sum may be one instruction
ALIGN = 4  # a vector may begin at any float


@native()
def product(out, x, y, scratch, m, n, count, out_m, x_m, x_k, y_k, y_n):
    """out (m, n) = x (m, count) @ y (count, n), on float32 pointers.

    out_m, x_m, x_k, y_k, y_n: strides in elements, so that x or y may be a transpose: one of y's is
    1, `out` is contiguous along n. The scratch has room for `room(n, count)` elements.
    Strips of columns, the widest first.
    """
    j = 0
    while n - j >= WIDE * LANES:
        ys, step = lined_up(scratch, at(y, j * y_n), WIDE * LANES, m, count, y_k, y_n)
        strip(WIDE, LANES, at(out, j), x, ys, m, count, out_m, x_m, x_k, step)
        j += WIDE * LANES
    while n - j >= 2 * LANES:
        ys, step = lined_up(scratch, at(y, j * y_n), 2 * LANES, m, count, y_k, y_n)
        strip(2, LANES, at(out, j), x, ys, m, count, out_m, x_m, x_k, step)
        j += 2 * LANES
    while n - j >= LANES:
        ys, step = lined_up(scratch, at(y, j * y_n), LANES, m, count, y_k, y_n)
        strip(1, LANES, at(out, j), x, ys, m, count, out_m, x_m, x_k, step)
        j += LANES
    while n - j >= HALF:
        ys, step = lined_up(scratch, at(y, j * y_n), HALF, m, count, y_k, y_n)
        strip(1, HALF, at(out, j), x, ys, m, count, out_m, x_m, x_k, step)
        j += HALF
    while n - j >= QUARTER:
        ys, step = lined_up(scratch, at(y, j * y_n), QUARTER, m, count, y_k, y_n)
        strip(1, QUARTER, at(out, j), x, ys, m, count, out_m, x_m, x_k, step)
        j += QUARTER
    while n - j >= 1:
        ys, step = lined_up(scratch, at(y, j * y_n), 1, m, count, y_k, y_n)
        strip(1, 1, at(out, j), x, ys, m, count, out_m, x_m, x_k, step)
        j += 1


def room(n: int, count: int) -> int:
    """How many elements of scratch a product needs."""
    return min(n, WIDE * LANES) * count


@native()
def lined_up(scratch, y, width, m, count, y_k, y_n):
    """Columns of y (count, width), and the step from row to row: as they lie, or lined up in scratch.

    Rows that lie far apart fall into few lines of the cache and drive each other out, so where
    many tiles read them they are copied first. Columns of a transpose have to be.
    """
    if y_n != 1:
        transposed(scratch, y, width, count, y_n)
        return scratch, width
    if m < WORTH_A_COPY or y_k == width:
        return y, y_k
    for k in range(count):
        for j in range(width):
            scratch[k * width + j] = y[k * y_k + j]
    return scratch, width


@native()
def transposed(out, y, n, count, y_n):
    """out (count, n) = y (n, count) with its axes exchanged, contiguous; y_n: its row's stride.

    Squares of 8 x 8 in registers, the rest number by number.
    """
    for j in range(0, n - n % 8, 8):
        for k in range(0, count - count % 8, 8):
            square(at(out, k * n + j), at(y, j * y_n + k), n, y_n)
        for k in range(count - count % 8, count):
            for i in range(8):
                out[k * n + j + i] = y[(j + i) * y_n + k]
    for j in range(n - n % 8, n):
        for k in range(count):
            out[k * n + j] = y[j * y_n + k]


# ---- what they are made of, instruction by instruction ------------------------------------------


@intrinsic
def at(typing, p, offset):
    """The pointer to the element `offset` after p."""
    return p(p, offset), lambda context, b, signature, args: b.gep(args[0], [args[1]])


@intrinsic(prefer_literal=True)
def strip(typing, vectors, lanes, out, x, y, m, count, out_m, x_m, x_k, y_k):
    """`product` for columns that are one tile wide, `vectors` (a literal) of `lanes` (one, too)."""

    def code(context, b, signature, args):
        out, x, y, m, count, out_m, x_m, x_k, y_k = (
            as_index(b, a) if isinstance(a.type, ir.IntType) else a for a in args[2:]
        )
        done = number(0)
        for rows in HEIGHTS:
            tiles = b.udiv(b.sub(m, done), number(rows))
            with cgutils.for_range(b, tiles) as loop:
                row = b.add(done, b.mul(loop.index, number(rows)))
                tile(
                    b,
                    rows,
                    vectors.literal_value,
                    lanes.literal_value,
                    b.gep(out, [b.mul(row, out_m)]),
                    b.gep(x, [b.mul(row, x_m)]),
                    y,
                    count,
                    out_m,
                    x_m,
                    x_k,
                    y_k,
                )
            done = b.add(done, b.mul(tiles, number(rows)))
        return context.get_dummy_value()

    return types.void(vectors, lanes, out, x, y, m, count, out_m, x_m, x_k, y_k), code


def tile(b, rows, vectors, lanes, out, x, y, count, out_m, x_m, x_k, y_k):
    """The instructions of one tile; `rows`, `vectors` and `lanes` are numbers, all else is theirs."""
    kind = ir.VectorType(FLOAT, lanes)
    places = [(i, j) for i in range(rows) for j in range(vectors)]
    sums = {place: cgutils.alloca_once(b, kind) for place in places}  # LLVM makes registers of it

    def result(i, j):
        return vector(b, out, b.add(b.mul(out_m, number(i)), number(j * lanes)), kind)

    for place in places:
        b.store(ir.Constant(kind, None), sums[place])
    with cgutils.for_range(b, count) as loop:
        start, column = b.mul(loop.index, y_k), b.mul(loop.index, x_k)
        ys = [
            b.load(vector(b, y, b.add(start, number(j * lanes)), kind), align=ALIGN)
            for j in range(vectors)
        ]
        for i in range(rows):
            one = b.load(b.gep(x, [b.add(column, b.mul(x_m, number(i)))]))
            everywhere = spread(b, one, kind)
            for j in range(vectors):
                term = b.fmul(everywhere, ys[j], flags=FUSED)
                b.store(b.fadd(term, b.load(sums[i, j]), flags=FUSED), sums[i, j])
    for place in places:
        b.store(b.load(sums[place]), result(*place), align=ALIGN)


@intrinsic
def square(typing, out, y, out_k, y_n):
    """out[k, n] = y[n, k] for 8 x 8 numbers: blocks off the diagonal change places, of 1, 2, 4."""

    def code(context, b, signature, args):
        out, y, out_k, y_n = args
        kind = ir.VectorType(FLOAT, 8)
        rows = [b.load(vector(b, y, b.mul(y_n, number(n)), kind), align=ALIGN) for n in range(8)]
        for half in (1, 2, 4):
            upper = [8 + c - half if c & half else c for c in range(8)]
            lower = [8 + c if c & half else c + half for c in range(8)]
            for r in (r for r in range(8) if not r & half):
                pair = rows[r], rows[r + half]
                rows[r], rows[r + half] = (
                    b.shuffle_vector(*pair, lanes_of(mask)) for mask in (upper, lower)
                )
        for k, row in enumerate(rows):
            b.store(row, vector(b, out, b.mul(out_k, number(k)), kind), align=ALIGN)
        return context.get_dummy_value()

    return types.void(out, y, out_k, y_n), code


def vector(b, p, offset, kind):
    """The pointer to a vector that begins `offset` elements after p."""
    return b.bitcast(b.gep(p, [offset]), kind.as_pointer())


def spread(b, scalar, kind):
    """The vector that has `scalar` in all its lanes."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = b.insert_element(nothing, scalar, ir.Constant(LANE, 0))
    return b.shuffle_vector(first, nothing, lanes_of([0] * kind.count))


def lanes_of(numbers: list[int]):
    return ir.Constant(ir.VectorType(LANE, len(numbers)), numbers)


def number(n: int):
    return ir.Constant(INDEX, n)


def as_index(b, value):
    """An integer or bool argument, 64 bits wide."""
    return value if value.type.width == 64 else b.zext(value, INDEX)
