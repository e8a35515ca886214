"""Division towards zero, of floats and of integers, from which `//` and `%` are made (scalar.py).

One name for both kinds: `truncated_remainder(x, y)` and `truncated_quotient(x, y, remainder)`, in
the dtype of x. Of floats the remainder is libdevice's fmod, which is exact; the instruction for it
would be x - y trunc(x / y), which is off where x / y is large, and NaN where y is infinite.
Integers by 0 are divided by 1 instead, as what a GPU makes of 0 is nowhere said.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from .target import intrinsic


def _libdevice_call(b: Any, name: str, kind: Any, is_single: bool, args: list) -> Any:
    """A call of `__nv_name`, of float32 `__nv_namef`."""
    function_type = ir.FunctionType(kind, [kind] * len(args))
    symbol = f"__nv_{name}{'f' if is_single else ''}"
    return b.call(cgutils.get_or_insert_function(b.module, function_type, symbol), args)


def _not_zero(b: Any, y: Any) -> Any:
    """An integer y, or 1 in place of 0."""
    is_zero = b.icmp_unsigned("==", y, ir.Constant(y.type, 0))
    return b.select(is_zero, ir.Constant(y.type, 1), y)


@intrinsic
def truncated_remainder(typing, x, y):
    """x - y trunc(x / y), exactly, in the dtype of x; of integers by 0 it is 0."""

    def code(context, b, signature, args):
        if isinstance(x, types.Float):
            kind = context.get_value_type(x)
            return _libdevice_call(b, "fmod", kind, x == types.float32, [*args])
        divide = b.srem if x.signed else b.urem
        return divide(args[0], _not_zero(b, args[1]))

    return x(x, x), code


@intrinsic
def truncated_quotient(typing, x, y, left):
    """trunc(x / y) in the dtype of x, given the remainder; of integers by 0 it is 0."""

    def code(context, b, signature, args):
        a, y_value, rest = args
        zero = ir.Constant(a.type, 0)
        if not isinstance(x, types.Float):
            divide = b.sdiv if x.signed else b.udiv
            by_zero = b.icmp_unsigned("==", y_value, zero)
            return b.select(by_zero, zero, divide(a, _not_zero(b, y_value)))
        ratio = b.fdiv(a, y_value)
        exact = b.fdiv(b.fsub(a, rest), y_value)  # a whole number, but for rounding
        whole = _libdevice_call(b, "rint", a.type, x == types.float32, [exact])
        signed_zero = b.fmul(ratio, zero)
        whole = b.select(b.fcmp_ordered("==", whole, zero), signed_zero, whole)
        return b.select(b.fcmp_ordered("==", y_value, zero), ratio, whole)

    return x(x, x, x), code
