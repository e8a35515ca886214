"""A scalar text, such as "a * exp(-b)", in the terms of a compiled loop, on any device.

Its letters become the loop's names. Its numbers are cast to the dtype of the line: a bare one would
carry float32 to float64.
"""

import ast
import re


def in_loop(text: str, names: dict[str, str], cast: str, static: dict) -> str:
    """names: letter -> name in the loop. cast: the dtype's name. static: name -> Python number."""
    for name, value in static.items():
        text = re.sub(rf"\b{name}\b", repr(value), text)
    return ast.unparse(Typed(names, cast).visit(ast.parse(text, mode="eval")))


class Typed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str], cast: str):
        self.names, self.cast = names, cast

    def visit_Name(self, node):
        if node.id == "inf":
            return ast.parse(f"{self.cast}(inf)", mode="eval").body
        return ast.Name(self.names.get(node.id, node.id))

    def visit_Constant(self, node):
        return ast.parse(f"{self.cast}({node.value!r})", mode="eval").body

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return self.visit_Constant(ast.Constant(-node.operand.value))
        return self.generic_visit(node)

    def visit_BinOp(self, node):
        """A comparison that is counted is 1 or 0 in the dtype of the line."""
        self.generic_visit(node)
        for side in ("left", "right"):
            if isinstance(getattr(node, side), ast.Compare):
                chosen = f"where({ast.unparse(getattr(node, side))}, {self.cast}(1), {self.cast}(0))"
                setattr(node, side, ast.parse(chosen, mode="eval").body)
        return node
