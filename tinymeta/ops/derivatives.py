"""Derivative operators made of `vjp`, `jvp` and `grad`: Hessian products, full matrices."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.argnums import chosen_argnums, of_chosen_arguments
from ..core.checks import check_function, check_one_of
from ..core.forward import jvp
from ..core.grad import grad, vjp
from ..core.tensor import Tensor, asarray
from .create import zeros, zeros_like
from .join import stack
from .movement import reshape


def hvp(f: Callable, x: Any, v: Any) -> Any:
    """The Hessian of the scalar function `f` at `x` times `v` (trees alike), without forming it.

    Forward over reverse: the tangent of the gradient along v (Pearlmutter 1994). Nothing is
    recorded but the gradient's own tape. Raises ValueError if v differs from x.

    >>> import numpy as np, tinymeta as tm
    >>> x, v = np.array([1.0, 2.0]), np.array([1.0, 0.0])
    >>> tm.hvp(lambda x: (x**3).sum(), x, v).numpy().tolist()
    [6.0, 0.0]
    """
    check_function("hvp", f=f)
    _, product = jvp(grad(f), (x,), (v,))
    return product


def jacobian(f: Callable, argnum: int | tuple[int, ...] = 0, *, mode: str = "reverse") -> Callable:
    """The function that returns d f(*args) / d args[argnum], for an `f` that returns a tree.

    Each leaf of f's result is a tree like the argument, whose leaves have the shape result.shape +
    leaf.shape; a tuple of such trees if `argnum` is a tuple.
    mode: "reverse" runs f once, and a pullback for each element of its result; "forward" runs f
    once for each element of the arguments, and records nothing: for many results of few arguments.

    Raises what `grad` raises for argnum, and ValueError for a result that is not floating or for
    another mode.

    >>> import numpy as np, tinymeta as tm
    >>> tm.jacobian(lambda x: x[0] * x)(np.array([2.0, 3.0])).numpy().tolist()
    [[4.0, 0.0], [3.0, 2.0]]
    """
    check_function("jacobian", f=f)
    check_one_of("jacobian", ("reverse", "forward"), mode=mode)
    by_arguments_of = _by_pullbacks if mode == "reverse" else _by_tangents

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        argnums = chosen_argnums(argnum, len(args))
        f_of_chosen = of_chosen_arguments(f, argnums, args, kwargs)
        chosen = tuple(args[n] for n in argnums)
        rebuild, of_leaves = by_arguments_of(f_of_chosen, chosen)
        if not isinstance(argnum, tuple):
            of_leaves = [of_leaf for (of_leaf,) in of_leaves]
        return rebuild(of_leaves)

    return wrapped


def _by_pullbacks(f: Callable, args: tuple) -> tuple[Callable, list[tuple]]:
    """(how f's result is rebuilt, its leaves' derivatives, each a tuple of trees like `args`)."""
    value, pull = vjp(f, *args)
    flat, rebuild = tree.flatten(value)
    _refuse_not_floating(value)
    of_leaves = [_pulled_leaf(pull, rebuild, flat, k) for k in range(len(flat))]
    return rebuild, of_leaves


def _pulled_leaf(pull: Callable, rebuild: Callable, flat: list[Tensor], k: int) -> Any:
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


def _by_tangents(f: Callable, args: tuple) -> tuple[Callable, list[tuple]]:
    """What `_by_pullbacks` returns, by one tangent for each element of the arguments."""
    flat, rebuild_arguments = tree.flatten(args)
    flat = [asarray(x) for x in flat]
    _refuse_not_floating(args)
    no_tangents = [zeros_like(x) for x in flat]
    arguments = rebuild_arguments(flat)
    value, along_nothing = jvp(f, arguments, rebuild_arguments(no_tangents))
    _refuse_not_floating(value)
    results, rebuild = tree.flatten(along_nothing)
    blocks: list[list[Tensor]] = [[] for _ in results]  # by leaf of the result, then of arguments
    for j, x in enumerate(flat):
        columns = []
        for unit in np.eye(x.size, dtype=x.dtype):
            tangents = list(no_tangents)
            tangents[j] = asarray(unit.reshape(x.shape))
            _, column = jvp(f, arguments, rebuild_arguments(tangents))
            columns.append(tree.leaves(column))
        for k, y in enumerate(results):
            shape = (*y.shape, *x.shape)
            parts = [column[k] for column in columns]
            block = reshape(stack(parts, -1), shape) if parts else zeros(shape, y.dtype)
            blocks[k].append(block)
    return rebuild, [rebuild_arguments(of_leaf) for of_leaf in blocks]


def _refuse_not_floating(value: Any) -> None:
    for y, path in zip(tree.leaves(value), tree.paths(value)):
        if y.dtype.kind != "f":
            raise ValueError(
                f"jacobian needs floating results, got {y.dtype}{y.shape}"
                f"{path and ' at ' + path}: leave it out or cast it with astype"
            )


def hessian(f: Callable, argnum: int | tuple[int, ...] = 0) -> Callable:
    """The function that returns the second derivatives of the scalar function `f`.

    Of one tensor of shape s, the matrix s + s. Of a tree, a tree like it, whose leaves are trees
    like it again: the block of leaves a and b has the shape a.shape + b.shape.
    """
    check_function("hessian", f=f)
    return jacobian(grad(f, argnum), argnum)
