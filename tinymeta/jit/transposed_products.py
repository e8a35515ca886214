"""Products that are only read transposed are computed transposed: (a^T b)^T is b^T a.

In: a simplified program. Out: what of it is to be built anew, and how.

    v3 = transpose(v1)               v3 = transpose(v2)
    v4 = matmul(v3, v2)              v4 = matmul(v3, v1)
    v5 = transpose(v4)               v6 = add(v0, v4)
    v6 = add(v0, v5)

A second derivative is full of them: the gradient of x @ w is x^T @ g, that of g @ w^T is its
transpose. The operations are as many, but a loop then reads the product row after row; along its
columns it takes one number from each cache line. A product with other readers stays: it would be
computed twice; so does a b, of which both operands would have to be turned.
"""

from typing import TYPE_CHECKING

from .program import Equation, Program

if TYPE_CHECKING:
    from .simplify import Simplifier


def products_to_turn(program: Program) -> set[Equation]:
    """The transposes of products a^T b and a b^T that nothing else reads."""
    readers: dict[Equation, int] = dict.fromkeys(program.outputs, 1)
    for eqn in program.equations:
        for x in eqn.inputs:
            readers[x] = readers.get(x, 0) + 1
    return {
        eqn
        for eqn in program.equations
        if is_matrix_transpose(eqn) and readers[eqn.inputs[0]] == 1 and _can_turn(eqn.inputs[0])
    }


def is_matrix_transpose(eqn: Equation) -> bool:
    """Does it swap the last two axes, and no others?"""
    n = eqn.ndim
    return eqn.op == "transpose" and eqn.static["axes"] == (*range(n - 2), n - 1, n - 2)


def _can_turn(eqn: Equation) -> bool:
    """Is it a product with an operand that is turned already?"""
    return eqn.op == "matmul" and any(is_matrix_transpose(x) for x in eqn.inputs)


def turned(simplifier: "Simplifier", product: Equation, like: Equation) -> Equation:
    """y^T x^T, of a product x y; like: its transpose."""
    x, y = product.inputs
    x_t = simplifier.build("transpose", (x,), like.static, product)
    y_t = simplifier.build("transpose", (y,), like.static, product)
    return simplifier.build("matmul", (y_t, x_t), {}, product)
