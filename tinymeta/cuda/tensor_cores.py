"""What a warp computes on tensor cores: sums of products in TF32, by two instructions of PTX.

TF32 has the exponent of a float32 and 10 of its 23 bits behind the point. cvt.rna.tf32.f32 rounds a
float32 to it, halves away from 0: by one part in 2^11 at most. mma.sync.m16n8k8 is one product of a
whole warp, 16 x 8 by 8 x 8 numbers, added to 16 x 8 sums in float32: 1,024 multiplications, so many
as a multiprocessor of an H100 makes in a clock, where FFMA makes 128 (494 and 67 TFLOP/s on the
data sheet of the H100 SXM, without sparsity). GPUs have it from sm_80, Ampere, on.

Each thread holds a few of the numbers, its fragments: of thread 4 g + p of the warp, g = 0 .. 7 and
p = 0 .. 3 (PTX ISA, Matrix Fragments for mma.m16n8k8),

                                B, 8 x 8    column g
                                k = p       b0
                                k = p + 4   b1
    A, 16 x 8   k = p   p + 4   D, 16 x 8   column 2 p   2 p + 1
    row g       a0      a2      row g              d0    d1
    row g + 8   a1      a3      row g + 8          d2    d3

Which row of the whole matrix is called g is for us to say. Here two products and four products make
a square of 32 x 32: the rows g and g + 8 of the two are the rows 4 g .. 4 g + 3 of the square, and
the columns g of the four are the columns 4 g .. 4 g + 3, so that a thread loads four neighbours by
one instruction. What it sums up are then its four rows, at the eight neighbours 8 p .. 8 p + 7.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from .driver import current
from .target import SIMULATED, intrinsic

_SINCE = (8, 0)  # the compute capability of the first GPUs that have it
_FLOAT, _BITS = ir.FloatType(), ir.IntType(32)
_ROUND = "cvt.rna.tf32.f32 $0, $1;"
_MULTIPLY = (
    "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
    "{$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};"
)


def check_tensor_cores() -> None:
    """Raise RuntimeError if this thread's GPU cannot multiply in TF32."""
    driver = current()
    if SIMULATED:
        raise RuntimeError("products='tf32': Numba's simulator has no tensor cores")
    if driver.capability < _SINCE:
        found, wanted = (".".join(map(str, version)) for version in (driver.capability, _SINCE))
        raise RuntimeError(
            f"products='tf32': {driver.name} has compute capability {found}, and TF32 needs "
            f"{wanted} or later (Ampere): leave it out"
        )


if SIMULATED:  # whose threads know of no warp

    def rounded_to_tf32(x):
        raise NotImplementedError("Numba's simulator has no tensor cores")

    warp_product_added = rounded_to_tf32
else:

    def _rounded(b: Any, x: Any) -> Any:
        """A float32 as the nearest TF32 number, again a float32."""
        assembly = ir.InlineAsm(ir.FunctionType(_BITS, [_FLOAT]), _ROUND, "=r,f")
        return b.bitcast(b.call(assembly, [x]), _FLOAT)

    @intrinsic
    def rounded_to_tf32(typing, x):
        """rounded_to_tf32(x) -> x, a float32 or a tuple of them, rounded to TF32."""

        def code(context, b, signature, args):
            (given,) = args
            if x == types.float32:
                return _rounded(b, given)
            for k in range(x.count):
                given = b.insert_value(given, _rounded(b, b.extract_value(given, k)), k)
            return given

        return x(x), code

    def _multiplied(b: Any, c: list, a: list, y: list) -> list:
        """The four sums of a thread after one product of its warp."""
        fragments = [_BITS] * 6 + [_FLOAT] * 4
        result = ir.LiteralStructType([_FLOAT] * 4)
        constraints = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)
        kind = ir.FunctionType(result, fragments)
        assembly = ir.InlineAsm(kind, _MULTIPLY, constraints, side_effect=True)
        bits = [b.bitcast(x, _BITS) for x in (*a, *y)]
        # convergent: the compiler must not move it to where some threads of the warp do not come.
        found = b.call(assembly, [*bits, *c], attrs=("convergent",))
        return [b.extract_value(found, k) for k in range(4)]

    @intrinsic
    def warp_product_added(typing, sums, x, y):
        """warp_product_added(sums, x, y) -> sums + x y, of eight k, by all threads of a warp.

        x, y: of a thread, rounded to TF32: the numbers of its rows, or columns, at k = p, then at
        k = p + 4, fours as in the drawing. sums: its rows, each of twice as many columns as y has.
        """

        def code(context, b, signature, args):
            sums, x, y = ([b.extract_value(v, k) for k in range(v.type.count)] for v in args)
            rows, columns = len(x) // 2, len(y) // 2
            for i in range(0, rows, 2):
                a = [x[i], x[i + 1], x[rows + i], x[rows + i + 1]]
                for j in range(columns):
                    at = j // 4 * 8 + j % 4
                    places = [
                        (i + down) * 2 * columns + at + right for down in (0, 1) for right in (0, 4)
                    ]
                    before = [sums[place] for place in places]
                    after = _multiplied(b, before, a, [y[j], y[columns + j]])
                    for place, value in zip(places, after):
                        sums[place] = value
            return context.make_tuple(b, signature.return_type, sums)

        return sums(sums, x, y), code
