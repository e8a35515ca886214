"""What a kernel does with several numbers by one statement: loads, stores, products.

Four numbers that lie side by side are one instruction of memory instead of four. Numba says of a
pointer only that one element lies on its boundary, which is too little for it: so the loads and
stores here are LLVM's own, of vectors.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

from .target import SIMULATED, intrinsic

if SIMULATED:

    def load_four(p, i):
        return tuple(p[i + k] for k in range(4))

    def store_four(p, i, values):
        for k in range(4):
            p[i + k] = values[k]

    def outer_added(sums, a, b):
        products = tuple(x * y for x in a for y in b)
        return tuple(s + p for s, p in zip(sums, products))

else:

    def _four_at(b: Any, p: Any, i: Any) -> Any:
        """The address of p[i] as that of four numbers that are loaded together."""
        place = b.gep(p, [i])
        return b.bitcast(place, ir.VectorType(p.type.pointee, 4).as_pointer())

    @intrinsic
    def load_four(typing, p, i):
        """load_four(p, i) -> p[i], .., p[i + 3], at once, from an address that 16 divides."""
        result = types.UniTuple(p.dtype, 4)

        def code(context, b, signature, args):
            loaded = b.load(_four_at(b, *args))
            loaded.align = 16
            lanes = [ir.Constant(ir.IntType(32), k) for k in range(4)]
            values = [b.extract_element(loaded, lane) for lane in lanes]
            return context.make_tuple(b, result, values)

        return result(p, i), code

    @intrinsic
    def store_four(typing, p, i, values):
        """p[i], .., p[i + 3] = values, at once, at an address that 16 divides."""

        def code(context, b, signature, args):
            pointer, index, given = args
            place = _four_at(b, pointer, index)
            four = ir.Constant(place.type.pointee, ir.Undefined)
            for k in range(4):
                lane = ir.Constant(ir.IntType(32), k)
                four = b.insert_element(four, b.extract_value(given, k), lane)
            b.store(four, place).align = 16
            return context.get_dummy_value()

        return types.void(p, i, values), code

    @intrinsic
    def outer_added(typing, sums, a, b):
        """outer_added(sums, a, b) -> sums[i * len(b) + j] + a[i] * b[j], each rounded once.

        Written in Python it would be as many statements as products, which Numba looks at one by
        one, several times: most of the time that a kernel takes to compile.
        """

        def code(context, builder, signature, args):
            sums, a, b = args
            for i in range(signature.args[1].count):
                x = builder.extract_value(a, i)
                for j in range(signature.args[2].count):
                    y, place = builder.extract_value(b, j), i * signature.args[2].count + j
                    total = builder.fma(x, y, builder.extract_value(sums, place))
                    sums = builder.insert_value(sums, total, place)
            return sums

        return sums(sums, a, b), code
