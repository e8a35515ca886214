"""Derivative operators made of `vjp` and `grad`: forward mode, Hessian products, full matrices."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.argnums import chosen_argnums, of_chosen_arguments
from ..core.checks import check_function, check_instance
from ..core.grad import as_cotangent, detach, grad, vjp
from ..core.tape import tape_between
from ..core.tensor import Tensor, asarray, serials
from . import reduce
from .create import zeros, zeros_like
from .join import stack
from .movement import reshape


def jvp(f: Callable, primals: tuple, tangents: tuple) -> tuple:
    """`(f(*primals), J @ tangents)`, the derivative of `f` along `tangents`.

    The pullback u -> J^T u is linear, so its own pullback is J: forward mode as reverse mode,
    twice. Raises ValueError if a tangent differs from its primal in structure, shape or dtype.
    """
    check_function("jvp", f=f)
    check_instance("jvp", (tuple, list), "of arguments", primals=primals, tangents=tangents)
    first_serial = next(serials)
    value, pull = vjp(f, *primals)
    tangents = tree.map(_as_tangent, tuple(primals), tuple(tangents))
    # As J^T u is linear in u, it does not matter at which u its pullback is taken.
    any_cotangent = tree.map(zeros_like, value)
    _, push = vjp(pull, any_cotangent)
    (pushed,) = push(tangents)
    # J is made of the primals; unless these are tracked themselves, nobody needs its history.
    tape = tape_between(tree.leaves(pushed), [], first_serial)
    if not tape.older_tracked:
        pushed = tree.map(detach, pushed)
    return value, pushed


def _as_tangent(x: Any, v: Any) -> Tensor:
    return as_cotangent(asarray(x), v)


def hvp(f: Callable, x: Any, v: Any) -> Any:
    """The Hessian of the scalar function `f` at `x` times `v` (trees alike), without forming it.

    It is the gradient of <grad f(x), v>. Raises ValueError if v differs from x.
    """
    check_function("hvp", f=f)
    v = tree.map(_as_tangent, x, v)

    def slope(x: Any) -> Any:
        grads = tree.leaves(grad(f)(x))
        products = [g * u for g, u in zip(grads, tree.leaves(v))]
        return sum(reduce.sum(product) for product in products)

    return grad(slope)(x)


def jacobian(f: Callable, argnum: int | tuple[int, ...] = 0) -> Callable:
    """The function that returns d f(*args) / d args[argnum], for an `f` that returns a tree.

    Each leaf of f's result is a tree like the argument, whose leaves have the shape result.shape +
    leaf.shape; a tuple of such trees if `argnum` is a tuple. Raises what `grad` raises for argnum,
    and ValueError for a result that is not floating.
    """
    check_function("jacobian", f=f)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        argnums = chosen_argnums(argnum, len(args))
        f_of_chosen = of_chosen_arguments(f, argnums, args, kwargs)
        chosen = [args[n] for n in argnums]
        value, pull = vjp(f_of_chosen, *chosen)
        flat, rebuild = tree.flatten(value)
        for y, path in zip(flat, tree.paths(value)):
            if y.dtype.kind != "f":
                raise ValueError(
                    f"jacobian needs floating results, got {y.dtype}{y.shape}"
                    f"{path and ' at ' + path}: leave it out or cast it with astype"
                )
        leaves = []
        for k in range(len(flat)):
            by_arguments = _jacobian_of_leaf(pull, rebuild, flat, k)
            if not isinstance(argnum, tuple):
                (by_arguments,) = by_arguments
            leaves.append(by_arguments)
        return rebuild(leaves)

    return wrapped


def _jacobian_of_leaf(pull: Callable, rebuild: Callable, flat: list[Tensor], k: int) -> Any:
    """The derivative of the k-th leaf of a result, by one pullback for each of its elements.

    A tuple of trees like the arguments. flat, rebuild: the leaves of the result, and their tree.
    """
    y = flat[k]
    no_cotangents = [zeros_like(x) for x in flat]
    rows = []
    for unit in np.eye(y.size, dtype=y.dtype):
        cotangents = list(no_cotangents)
        cotangents[k] = asarray(unit.reshape(y.shape))
        row = pull(rebuild(cotangents))
        rows.append(row)

    def without_rows(g: Tensor) -> Tensor:
        return zeros((*y.shape, *g.shape), g.dtype)

    def of_rows(*parts: Tensor) -> Tensor:
        shape = (*y.shape, *parts[0].shape)
        return reshape(stack(parts), shape)

    if not rows:  # the leaf has no elements: a derivative without elements, of the right shape
        like = pull(rebuild(no_cotangents))
        return tree.map(without_rows, like)
    return tree.map(of_rows, *rows)


def hessian(f: Callable, argnum: int | tuple[int, ...] = 0) -> Callable:
    """The function that returns the second derivatives of the scalar function `f`.

    Of one tensor of shape s, the matrix s + s. Of a tree, a tree like it, whose leaves are trees
    like it again: the block of leaves a and b has the shape a.shape + b.shape.
    """
    check_function("hessian", f=f)
    return jacobian(grad(f, argnum), argnum)
