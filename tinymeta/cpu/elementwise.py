"""The eager kernel of a scalar text: nested ufunc calls, the outermost of which fills `out`.

"exp(a) * b" becomes  lambda out, a, b: multiply(exp(a), b, out=out).
"""

import ast

import numpy as np

UFUNCS = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide",
          ast.USub: "negative",
          ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal",
          ast.Eq: "equal", ast.NotEq: "not_equal"}


def compile_text(text: str):
    """`kernel(out, a, b, ..., **static)`.

    Raises ValueError for a name that NumPy lacks or a form that is no ufunc.
    """
    try:
        body = as_calls(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"cannot compile {text!r}: {error.msg}") from None
    if not isinstance(body, ast.Call):
        body = call("positive", body)                       # a bare "a": copied
    if isinstance(getattr(np, body.func.id), np.ufunc):
        body.keywords = [ast.keyword("out", ast.Name("out", ast.Load()))]
    else:                                                   # where has no `out`
        body = ast.Call(ast.Name("copyto", ast.Load()), [ast.Name("out", ast.Load()), body], [])
    names = sorted({n.id for n in ast.walk(body) if isinstance(n, ast.Name)} - {"out"})
    parameters = [n for n in names if not hasattr(np, n)]
    source = f"lambda out, {', '.join(parameters)}: {ast.unparse(ast.fix_missing_locations(body))}"
    known = {n: getattr(np, n) for n in names if hasattr(np, n)}
    return eval(source, known | {"copyto": np.copyto})


def as_calls(node):
    """Operators as calls of ufuncs, so that the outermost can be given `out`."""
    if isinstance(node, (ast.BinOp, ast.UnaryOp)) and type(node.op) in UFUNCS:
        operands = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.operand,)
        return call(UFUNCS[type(node.op)], *operands)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in UFUNCS:
        return call(UFUNCS[type(node.ops[0])], node.left, node.comparators[0])
    if isinstance(node, ast.Call) and hasattr(np, getattr(node.func, "id", "")):
        return call(node.func.id, *node.args)
    if isinstance(node, (ast.Name, ast.Constant)):
        return node
    raise ValueError(f"cannot compile {ast.unparse(node)!r}: a scalar text is made of a, b, c, "
                     "numbers, + - * / comparisons and NumPy's elementwise functions")


def call(name, *args):
    return ast.Call(ast.Name(name, ast.Load()), [as_calls(a) for a in args], [])
