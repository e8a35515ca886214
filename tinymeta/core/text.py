"""Scalar texts, such as "a * exp(-b)": their grammar, and how one reads in a compiled loop.

    text        a b c, numbers, pi e inf nan; + - * / ** and FUNCTIONS of these
    mask        two of these compared, isnan, isfinite; & | ~ of masks

Functions have NumPy's names (erf has SciPy's), and an operator is another way to write a call:
`parsed` makes a tree of Calls of a text. Where a number is needed, a mask counts 1 or 0. A name
that is none of these is static metadata, which a primitive of ours gets by keyword.
"""

import ast
import functools
import math
import re
from typing import Any, NamedTuple

INPUTS = "abc"
_INPUT = re.compile(rf"\b[{INPUTS}]\b")
_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
# How many arguments each takes.
# fmt: off
FUNCTIONS = dict.fromkeys((
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square", "reciprocal",
    "sin", "cos", "tan", "arcsin", "arccos", "arctan",
    "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
    "floor", "ceil", "trunc", "rint", "absolute", "sign", "isnan", "isfinite", "erf"), 1)
FUNCTIONS |= dict.fromkeys((
    "minimum", "maximum", "power", "fmod", "remainder", "floor_divide", "hypot", "arctan2",
    "copysign"), 2)
FUNCTIONS |= {"where": 3}
OPERATORS = {  # what an operator calls
    ast.Add: "add",            ast.BitAnd: "logical_and", ast.Gt:  "greater",
    ast.Sub: "subtract",       ast.BitOr: "logical_or",   ast.GtE: "greater_equal",
    ast.Mult: "multiply",      ast.Invert: "logical_not", ast.Lt:  "less",
    ast.Div: "divide",         ast.USub: "negative",      ast.LtE: "less_equal",
    ast.Pow: "power",          ast.Eq: "equal",           ast.NotEq: "not_equal"}
_LOOP_SYNTAX = {  # how a call reads in a loop, if it has an operator there (a power has none)
    "add": "({} + {})",        "logical_and": "({} & {})", "greater": "({} > {})",
    "subtract": "({} - {})",   "logical_or": "({} | {})",  "greater_equal": "({} >= {})",
    "multiply": "({} * {})",   "logical_not": "(not {})",  "less": "({} < {})",
    "divide": "({} / {})",     "negative": "(-{})",        "less_equal": "({} <= {})",
    "equal": "({} == {})",     "not_equal": "({} != {})"}
# fmt: on
_LOGICAL = {"logical_and", "logical_or", "logical_not"}
_COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}
_MASKS = _LOGICAL | _COMPARISONS | {"isnan", "isfinite"}
GRAMMAR = (
    f"a scalar text is made of a b c, numbers, {' '.join(_CONSTANTS)}, + - * / **, comparisons, "
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
        return _as_call(ast.parse(text, mode="eval").body)
    except (SyntaxError, OverflowError) as error:
        raise ValueError(f"cannot compile {text!r}: {getattr(error, 'msg', error)}") from None


def _as_call(node: ast.expr) -> Any:
    """A node of Python's syntax tree as a Call, a name or a number."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _int_or_float(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Name(id=name) if name not in FUNCTIONS:
            return name
        case (
            ast.BinOp(left=left, op=op, right=right)
            | ast.Compare(left=left, ops=[op], comparators=[right])
        ) if type(op) in OPERATORS:
            call = Call(OPERATORS[type(op)], (_as_call(left), _as_call(right)))
        case ast.UnaryOp(op=op, operand=x) if type(op) in OPERATORS:
            call = Call(OPERATORS[type(op)], (_as_call(x),))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if FUNCTIONS.get(name) != len(args):
                raise _not_in_grammar(node)
            call = Call(name, tuple(map(_as_call, args)))
        case _:
            raise _not_in_grammar(node)
    if call.name in _LOGICAL and not all(map(is_mask, call.args)):
        raise _not_in_grammar(node)
    if call.name == "negative" and isinstance(call.args[0], (int, float)):
        return -call.args[0]
    return call


def _int_or_float(value: int | float) -> int | float:
    """A number as it is, if it is a float or 64 bits hold it, else as a float."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def _not_in_grammar(node: ast.expr) -> ValueError:
    return ValueError(f"cannot compile {ast.unparse(node)!r}: {GRAMMAR}")


def is_mask(x: Any) -> bool:
    """Is its value true or false?"""
    return isinstance(x, Call) and x.name in _MASKS


def names(x: Any) -> set[str]:
    """The free names of a parsed text: its inputs and its static metadata."""
    if isinstance(x, Call):
        found: set[str] = set()
        return found.union(*map(names, x.args))
    return {x} if isinstance(x, str) else set()


def numeric_arguments(call: Call) -> list[int]:
    """Which of its arguments are numbers: not the condition of a `where`, no masks of & | ~."""
    if call.name in _LOGICAL:
        return []
    return list(range(call.name == "where", len(call.args)))


# ---- in a loop -----------------------------------------------------------------------------------


def in_loop(text: str, places: dict[str, str], cast: str, static: dict) -> str:
    """The text as an expression of a compiled loop.

    places: input -> its name in the loop. cast: the dtype of the equation; its numbers are cast to
    it, as a bare one would turn float32 into float64. static: name -> Python number.
    """
    template = _loop_template(text, cast, tuple(static.items()))
    return _INPUT.sub(lambda letter: places[letter[0]], template)


@functools.cache
def _loop_template(text: str, cast: str, static: tuple) -> str:
    """The expression in a b c, made once for all equations with this text."""
    known = dict(static)

    def written(x: Any) -> str:
        if isinstance(x, str) and x not in known:
            return x
        if not isinstance(x, Call):
            return _loop_number(known.get(x, x), cast)
        args = [written(a) for a in x.args]
        for k in numeric_arguments(x):
            if is_mask(x.args[k]):
                args[k] = f"where({args[k]}, {cast}(1), {cast}(0))"
        if x.name in _LOOP_SYNTAX:
            return _LOOP_SYNTAX[x.name].format(*args)
        return f"{x.name}({', '.join(args)})"

    return ast.unparse(ast.parse(written(parsed(text)), mode="eval"))  # fewer parentheses


def _loop_number(value: int | float, cast: str) -> str:
    """A number of the equation's dtype."""
    return f"{cast}({_int_or_float(value)!r})"
