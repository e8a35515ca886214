"""The body of a loop: which statements compute its roots, and which operands they read.

In: roots over one space. Out: operands x0, x1, .. with their strided layouts in that space, and
statements (name, expression) in an order in which they can be run.

    v1 = exp(v0)              operands     x0 = StridedLayout(v0, 0, (3, 1))
    v2 = transpose(v1)                     x1 = StridedLayout(v0, 0, (1, 3))
    v3 = add(v1, v2)          statements   v0 = exp(x0); v1 = exp(x1); v2 = v0 + v1

Views are moved to the operands: an elementwise function of a view is that function of the operand
read with the view's strides. Invariant: each value is computed once for each chain of views that it
is seen through. Cost: O(length of the body).
"""

from ..core.primitive import registry
from ..core.text import in_loop
from ..cpu.pointers import DTYPES
from .loops import REDUCTIONS, is_elementwise
from .program import Equation
from .views import StridedLayout, layout_of, source


class BodyBuilder:
    """Collects the statements of a loop's body, each value once, and the operands they read."""

    def __init__(self, space: tuple[int, ...], materialized: set[Equation]):
        self.space, self.materialized = space, materialized
        self.operands: list[StridedLayout] = []  # x0, x1, ..
        self.statements: list[tuple[str, str]] = []  # (name, expression)
        self.names: dict[tuple, str] = {}  # of values seen through views, by `_key`

    def root_value(self, root: Equation) -> str:
        """The name of what is stored for a root, or added up for a reduction."""
        if root.op in REDUCTIONS:
            return self.value(root.inputs[0], ())
        return self.value(root, (), is_root=True)

    def value(self, eqn: Equation, chain: tuple[Equation, ...], is_root: bool = False) -> str:
        """The name of a value seen through a chain of views; is_root: computed, although stored.

        Operands come before what reads them. With a stack of its own, as a body may be deeper than
        Python's.
        """
        wanted = (eqn, chain) if is_root else _through_views(eqn, chain)
        stack = [wanted]
        while stack:
            eqn, chain = stack[-1]
            inputs: list[tuple[Equation, tuple]] = []
            if not self.is_operand(eqn, is_root and len(stack) == 1):
                for x in eqn.inputs:
                    inputs.append(_through_views(x, chain if x.shape == eqn.shape else ()))
            missing = [x for x in inputs if _key(*x) not in self.names]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            if _key(eqn, chain) in self.names:
                continue
            if inputs:
                name = self.computed(eqn, [self.names[_key(*x)] for x in inputs])
            else:
                name = self.operand(eqn, chain)
            self.names[_key(eqn, chain)] = name
        return self.names[_key(*wanted)]

    def is_operand(self, eqn: Equation, is_root: bool) -> bool:
        """Is it read from memory, rather than computed here?"""
        return not is_root and (eqn in self.materialized or not is_elementwise(eqn))

    def operand(self, eqn: Equation, chain: tuple[Equation, ...]) -> str:
        """The name of a value that is read from memory."""
        layout = layout_of(eqn, chain, self.space)
        assert layout is not None
        if layout not in self.operands:
            self.operands.append(layout)
        return f"x{self.operands.index(layout)}"

    def computed(self, eqn: Equation, inputs: list[str]) -> str:
        """The name of a value that a new statement computes."""
        name = f"v{len(self.statements)}"
        self.statements.append((name, expression(eqn, inputs)))
        return name


def _through_views(eqn: Equation, chain: tuple[Equation, ...]) -> tuple[Equation, tuple]:
    """(what an equation is a view of, its views followed by the chain)."""
    base, own = source(eqn)
    return base, own + chain


def _key(eqn: Equation, chain: tuple[Equation, ...]) -> tuple:
    return eqn.number, tuple([view.number for view in chain])


def expression(eqn: Equation, inputs: list[str]) -> str:
    """The scalar text of an equation, with the names of its inputs and numbers cast to its dtype.

    Integers are computed in 64 bits, so what is no float is cast once more: then it wraps as
    NumPy's does.
    """
    if eqn.op == "copy":
        return inputs[0]
    if eqn.op == "astype":
        return f"{DTYPES[eqn.dtype]}({inputs[0]})"
    computed_in = DTYPES[eqn.dtype if eqn.dtype != bool else eqn.inputs[0].dtype]
    scalar_text = registry[eqn.op].text
    assert scalar_text is not None, f"{eqn.op} is not elementwise"
    text = in_loop(scalar_text, dict(zip("abc", inputs)), computed_in, eqn.static)
    return text if eqn.dtype.kind == "f" else f"{DTYPES[eqn.dtype]}({text})"
