"""Derivative operators made of `vjp` and `grad`: forward mode, Hessian products, full matrices."""

from collections.abc import Callable

import numpy as np

from ..core import tree
from ..core.grad import detach, grad, like_output, lines_between, vjp
from ..core.tensor import Tensor, asarray, serials
from . import movement, reduce


def jvp(f: Callable, primals: tuple, tangents: tuple):
    """`(f(*primals), J @ tangents)`, the derivative of `f` along `tangents`.

    The pullback u -> J^T u is linear, so its own pullback is J: forward mode as reverse mode,
    twice. Raises ValueError if a tangent differs from its primal in structure, shape or dtype.
    """
    base = next(serials)
    value, pull = vjp(f, *primals)
    tangents = tree.map(lambda x, v: like_output(asarray(x), v), tuple(primals), tuple(tangents))
    zero = tree.map(lambda y: asarray(np.zeros(y.shape, y.dtype)), value)
    _, push = vjp(pull, zero)
    pushed = push(tangents)[0]
    # J is made of the primals, but unless these are tracked themselves nobody watches from outside.
    if not lines_between(tree.leaves(pushed), [], base).outside:
        pushed = tree.map(detach, pushed)
    return value, pushed


def hvp(f: Callable, x, v):
    """The Hessian of the scalar function `f` at `x` times `v` (trees alike), without forming it."""
    def slope(x):
        return sum(reduce.sum(g * u) for g, u in zip(tree.leaves(grad(f)(x)), tree.leaves(v)))
    tree.map(lambda a, b: like_output(asarray(a), b), x, v)
    return grad(slope)(x)


def jacobian(f: Callable) -> Callable:
    """The function x -> d f(x) / d x for an `f` that returns one tensor.

    Its leaves are of shape f(x).shape + leaf.shape.
    """
    def wrapped(x):
        y, pull = vjp(f, x)
        if not isinstance(y, Tensor):
            raise ValueError("jacobian needs a function that returns one tensor, "
                             f"got {type(y).__name__}: pick one output")
        basis = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        rows = [pull(unit)[0] for unit in basis]
        if not rows:
            return tree.map(
                lambda leaf: asarray(np.zeros(y.shape + asarray(leaf).shape, y.dtype)), x)
        return tree.map(
            lambda *parts: movement.reshape(movement.stack(parts), y.shape + parts[0].shape), *rows)
    return wrapped


def hessian(f: Callable) -> Callable:
    """The function x -> the matrix of second derivatives of the scalar function `f` of one tensor.

    Its shape is x.shape + x.shape.
    """
    return jacobian(grad(f))
