"""A scalar text, such as "a * exp(-b)": what may stand in it, and how it reads in a compiled loop.

    text        a b c, numbers, pi e inf nan; + - * / ** and FUNCTIONS of these
    mask        two of these compared, isnan, isfinite; & | ~ of masks

Both are NumPy's: an operator is another way to write a call. Where a number is needed, a mask counts
1 or 0. A name that is none of these is an argument that a primitive of ours gets by keyword.
"""

import ast
import functools
import math
import operator
import re
from typing import NamedTuple

INPUTS = "abc"
LETTER = re.compile(rf"\b[{INPUTS}]\b")
CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
# How many arguments each takes.
FUNCTIONS = dict.fromkeys(
    (
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "cbrt",
        "square",
        "reciprocal",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "absolute",
        "sign",
        "isnan",
        "isfinite",
    ),
    1,
)
FUNCTIONS |= dict.fromkeys(
    ("minimum", "maximum", "power", "fmod", "hypot", "arctan2", "copysign"), 2
)
FUNCTIONS |= {"where": 3}
# What an operator calls, and how that call reads in a loop; a power has no operator there.
OPERATORS = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.USub: "negative",
    ast.BitAnd: "logical_and",
    ast.BitOr: "logical_or",
    ast.Invert: "logical_not",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
WRITTEN = {
    "add": "({} + {})",
    "subtract": "({} - {})",
    "multiply": "({} * {})",
    "divide": "({} / {})",
    "negative": "(-{})",
    "logical_and": "({} & {})",
    "logical_or": "({} | {})",
    "logical_not": "(not {})",
    "greater": "({} > {})",
    "greater_equal": "({} >= {})",
    "less": "({} < {})",
    "less_equal": "({} <= {})",
    "equal": "({} == {})",
    "not_equal": "({} != {})",
}
LOGICAL = {"logical_and", "logical_or", "logical_not"}
MASKS = LOGICAL | {
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "equal",
    "not_equal",
    "isnan",
    "isfinite",
}
GRAMMAR = (
    f"a scalar text is made of a b c, numbers, {' '.join(CONSTANTS)}, + - * / **, comparisons, "
    f"& | ~ of these, {' '.join(FUNCTIONS)}"
)


class Call(NamedTuple):
    """A NumPy function of arguments, each of which is a call, a name or a number."""

    name: str
    args: tuple


# ---- from a text to calls ------------------------------------------------------------------------


def parsed(text: str) -> Call | str | int | float:
    """The text as calls. Raises ValueError for what cannot stand in one, and says what can."""
    try:
        return as_call(ast.parse(text, mode="eval").body)
    except (SyntaxError, OverflowError) as error:
        raise ValueError(f"cannot compile {text!r}: {getattr(error, 'msg', error)}") from None


def as_call(node: ast.expr):
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return plain(value)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.Name(id=name) if name not in FUNCTIONS:
            return name
        case (
            ast.BinOp(left=left, op=op, right=right)
            | ast.Compare(left=left, ops=[op], comparators=[right])
        ) if type(op) in OPERATORS:
            call = Call(OPERATORS[type(op)], (as_call(left), as_call(right)))
        case ast.UnaryOp(op=op, operand=x) if type(op) in OPERATORS:
            call = Call(OPERATORS[type(op)], (as_call(x),))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if FUNCTIONS.get(name) == len(
            args
        ):
            call = Call(name, tuple(map(as_call, args)))
        case _:
            raise refused(node)
    if call.name in LOGICAL and not all(map(is_mask, call.args)):
        raise refused(node)
    number = call.name == "negative" and isinstance(call.args[0], (int, float))
    return operator.neg(call.args[0]) if number else call


def plain(value):
    """A number as it is, if it is a float or 64 bits hold it, else as a float."""
    return value if isinstance(value, float) or -(2**63) <= value < 2**63 else float(value)


def refused(node: ast.expr) -> ValueError:
    return ValueError(f"cannot compile {ast.unparse(node)!r}: {GRAMMAR}")


def is_mask(x) -> bool:
    """Is its value true or false?"""
    return isinstance(x, Call) and x.name in MASKS


def names(x) -> set[str]:
    """The inputs, and what else has no value yet."""
    if isinstance(x, Call):
        return set().union(*map(names, x.args))
    return {x} if isinstance(x, str) else set()


def numeric(call: Call) -> list[int]:
    """Which of its arguments are taken as numbers: not the condition of a `where`, not masks."""
    if call.name in LOGICAL:
        return []
    return list(range(call.name == "where", len(call.args)))


# ---- in a loop -----------------------------------------------------------------------------------


def in_loop(text: str, places: dict[str, str], cast: str, static: dict) -> str:
    """The text as an expression of a compiled loop.

    places: input -> its name in the loop. cast: the dtype of the line; its numbers are cast to it,
    as a bare one would carry float32 to float64. static: name -> Python number.
    """
    template = of_letters(text, cast, tuple(static.items()))
    return LETTER.sub(lambda letter: places[letter[0]], template)


@functools.cache
def of_letters(text: str, cast: str, static: tuple) -> str:
    """The expression in a b c, once for all lines with this text."""
    known = dict(static)

    def written(x) -> str:
        if isinstance(x, str) and x not in known:
            return x
        if not isinstance(x, Call):
            return number(known.get(x, x), cast)
        args = [written(a) for a in x.args]
        for k in numeric(x):
            if is_mask(x.args[k]):
                args[k] = f"where({args[k]}, {cast}(1), {cast}(0))"
        if x.name in WRITTEN:
            return WRITTEN[x.name].format(*args)
        return f"{x.name}({', '.join(args)})"

    return ast.unparse(ast.parse(written(parsed(text)), mode="eval"))  # fewer parentheses


def number(value, cast: str) -> str:
    """A number of the line's dtype."""
    return f"{cast}({plain(value)!r})"
