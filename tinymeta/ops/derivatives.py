"""Derivative operators made of `vjp` and `grad`: forward mode, Hessian products, full matrices."""

from collections.abc import Callable

import numpy as np

from ..core import tree
from ..core.argnums import chosen_argnums, of_chosen_arguments
from ..core.checks import function, instance
from ..core.grad import as_cotangent, detach, grad, tape_between, vjp
from ..core.tensor import Tensor, asarray, serials
from . import movement, reduce


def jvp(f: Callable, primals: tuple, tangents: tuple):
    """`(f(*primals), J @ tangents)`, the derivative of `f` along `tangents`.

    The pullback u -> J^T u is linear, so its own pullback is J: forward mode as reverse mode,
    twice. Raises ValueError if a tangent differs from its primal in structure, shape or dtype.
    """
    function("jvp", f=f)
    instance("jvp", (tuple, list), "of arguments", primals=primals, tangents=tangents)
    base = next(serials)
    value, pull = vjp(f, *primals)
    tangents = tree.map(lambda x, v: as_cotangent(asarray(x), v), tuple(primals), tuple(tangents))
    zero = tree.map(lambda y: asarray(np.zeros(y.shape, y.dtype)), value)
    _, push = vjp(pull, zero)
    pushed = push(tangents)[0]
    # J is made of the primals, but unless these are tracked themselves nobody watches from outside.
    if not tape_between(tree.leaves(pushed), [], base).older_tracked:
        pushed = tree.map(detach, pushed)
    return value, pushed


def hvp(f: Callable, x, v):
    """The Hessian of the scalar function `f` at `x` times `v` (trees alike), without forming it."""
    function("hvp", f=f)

    def slope(x):
        return sum(reduce.sum(g * u) for g, u in zip(tree.leaves(grad(f)(x)), tree.leaves(v)))

    v = tree.map(lambda a, b: as_cotangent(asarray(a), b), x, v)
    return grad(slope)(x)


def jacobian(f: Callable, argnum: int | tuple[int, ...] = 0) -> Callable:
    """The function that returns d f(*args) / d args[argnum], for an `f` that returns a tree.

    Each leaf of f's result is a tree like the argument, whose leaves have the shape result.shape +
    leaf.shape; a tuple of such trees if `argnum` is a tuple. Raises what `grad` raises for argnum,
    and ValueError for a result that is not floating.
    """
    function("jacobian", f=f)

    def wrapped(*args, **kwargs):
        argnums = chosen_argnums(argnum, len(args))
        f_of_chosen = of_chosen_arguments(f, argnums, args, kwargs)
        value, pull = vjp(f_of_chosen, *(args[n] for n in argnums))
        flat, rebuild = tree.flatten(value)
        for y, path in zip(flat, tree.paths(value)):
            if y.dtype.kind != "f":
                raise ValueError(
                    f"jacobian needs floating results, got {y.dtype}{y.shape}"
                    f"{path and ' at ' + path}: leave it out or cast it with astype"
                )
        places = [rows(pull, rebuild, flat, k) for k in range(len(flat))]
        return rebuild([found if isinstance(argnum, tuple) else found[0] for found in places])

    return wrapped


def rows(pull: Callable, rebuild: Callable, flat: list[Tensor], k: int):
    """The derivative of the k-th leaf of a result, by one pullback for each of its elements."""
    y = flat[k]
    others = [asarray(np.zeros(x.shape, x.dtype)) for x in flat]

    def along(unit):
        return pull(rebuild([*others[:k], asarray(unit.reshape(y.shape)), *others[k + 1 :]]))

    found = [along(unit) for unit in np.eye(y.size, dtype=y.dtype)]
    if not found:  # of nothing: nothing, of the shape
        like = pull(rebuild(others))
        return tree.map(lambda g: asarray(np.zeros(y.shape + g.shape, g.dtype)), like)
    return tree.map(
        lambda *parts: movement.reshape(movement.stack(parts), y.shape + parts[0].shape), *found
    )


def hessian(f: Callable, argnum: int | tuple[int, ...] = 0) -> Callable:
    """The function that returns the second derivatives of the scalar function `f`.

    Of one tensor of shape s, the matrix s + s. Of a tree, a tree like it, whose leaves are trees
    like it again: the block of leaves a and b has the shape a.shape + b.shape.
    """
    function("hessian", f=f)
    return jacobian(grad(f, argnum), argnum)
