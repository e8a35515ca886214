"""One example at a time gives what all give at once: values, and gradients.

A function of a batch promises that its examples do not feel each other. A norm over the wrong axis,
a reshape that mixes rows, a maximum over the whole batch, a wrong `in_axes` of a vmap: each leaves
the derivatives of the batch right, so no difference quotient sees it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.grad import vjp
from .foreign import as_numpy
from .refusals import name_of
from .subject import Subject, examine

_EXAMPLES = 8  # at most so many are looked at, spread over the batch
_ROUNDINGS = 1000  # sums over a batch come in another order


def check_batch(
    f: Callable,
    *args: Any,
    batched: Sequence[int] = (0,),
    one: Callable | None = None,
    axis: int = 0,
    seed: int | np.random.Generator = 0,
) -> int:
    """Compare `f` of a batch with `f` of one example at a time; returns how many were compared.

    args: of any framework, as in `check_grads`; those at the places `batched` have examples along
    `axis`, all others are shared. Every floating output has them along `axis`, too. one: the
    function of one example without that axis, such as what `f = vmap(one)` maps; else `f` itself,
    of a batch of one. Besides the values, the gradients of all inputs are compared, those of shared
    inputs for one example's cotangent alone.

    Costs two evaluations with their backward passes for each of up to 8 examples.

    Raises AssertionError that names the example and the input or output; ValueError for a batch
    of fewer than two examples.
    """
    rng = np.random.default_rng(seed)
    sizes = {x.shape[axis] for k in batched for x in _arrays(args[k])}
    if len(sizes) != 1 or min(sizes) < 2:
        raise ValueError(
            f"check_batch: the arguments {tuple(batched)} have {sorted(sizes) or 'no'} examples "
            f"along axis {axis}: give them one number, of at least 2"
        )
    (size,) = sizes
    name = name_of(f)
    whole = examine("check_batch", f, args, None)
    ys, pull = vjp(whole.function, *whole.inputs)
    for k, y in enumerate(ys):
        if y.ndim <= axis or y.shape[axis] != size:
            raise AssertionError(
                f"check_batch: output {k} of {name} has the shape {y.shape}, and no {size} "
                f"examples along axis {axis}"
            )

    chosen = np.unique(np.linspace(0, size - 1, _EXAMPLES).astype(int))
    for i in chosen:
        where = slice(i, i + 1) if one is None else int(i)
        alone = examine("check_batch", one or f, _picked(args, batched, axis, where), None)
        y_alone, pull_alone = vjp(alone.function, *alone.inputs)
        u = [np.asarray(rng.normal(size=y.shape), y.dtype) for y in y_alone]
        _compare(name, i, "output", _at(ys, axis, where), y_alone, map(str, range(len(ys))))
        u_whole = [_placed(a, y.shape, axis, where) for a, y in zip(u, ys)]
        gs, gs_alone = pull(tuple(u_whole)), pull_alone(tuple(u))
        own = _own_part(whole, gs, batched, axis, where)
        _compare(name, i, "the gradient of", own, gs_alone, whole.names)
        _refuse_others(name, i, whole, gs, batched, axis, size)
    return len(chosen)


def _arrays(node: Any) -> list:
    return [x for x in tree.leaves(node) if getattr(x, "ndim", 0)]


def _index(axis: int, where: Any) -> tuple:
    return (*[slice(None)] * axis, where)


def _picked(args: tuple, batched: Sequence[int], axis: int, where: Any) -> tuple:
    """The arguments with one example of those that are batched."""
    index = _index(axis, where)
    pick = lambda x: x[index] if getattr(x, "ndim", 0) else x
    return tuple(tree.map(pick, x) if k in batched else x for k, x in enumerate(args))


def _at(ys: Sequence, axis: int, where: Any) -> list[np.ndarray]:
    index = _index(axis, where)
    return [as_numpy(y)[index] for y in ys]


def _placed(u: np.ndarray, shape: tuple, axis: int, where: Any) -> np.ndarray:
    """Zeros of the batch's shape, with the cotangent of one example in its place."""
    whole = np.zeros(shape, u.dtype)
    whole[_index(axis, where)] = u
    return whole


def _is_batched(name: str, batched: Sequence[int]) -> bool:
    return any(name.startswith(f"argument [{k}]") for k in batched)


def _own_part(whole: Subject, gs: Sequence, batched: Sequence[int], axis: int, where: Any) -> list:
    """The gradients of one example's inputs, and of all that is shared."""
    return [
        _at([g], axis, where)[0] if _is_batched(name, batched) and g.ndim else as_numpy(g)
        for name, g in zip(whole.names, gs)
    ]


def _refuse_others(
    name: str, i: int, whole: Subject, gs: Sequence, batched: Sequence[int], axis: int, size: int
) -> None:
    """Raise if the value of one example has a gradient by another one."""
    for what, g in zip(whole.names, gs):
        if not _is_batched(what, batched) or not g.ndim:
            continue
        others = np.delete(as_numpy(g), i, axis)
        if np.abs(others).sum() > _ROUNDINGS * np.finfo(others.dtype).eps * np.abs(g.numpy()).sum():
            raise AssertionError(
                f"check_batch: example {i} of {name} depends on the others: {what} has a gradient "
                f"of {np.abs(others).max():.1e} there, of {np.abs(_at([g], axis, i)[0]).max():.1e} "
                "at its own place"
            )


def _compare(name: str, i: int, what: str, found: Any, expected: Any, names: Any) -> None:
    for a, b, part in zip(found, map(as_numpy, expected), names):
        scale = np.abs(a).sum() + np.abs(b).sum()
        tolerance = _ROUNDINGS * np.finfo(b.dtype).eps * scale
        if a.shape != b.shape:
            raise AssertionError(
                f"check_batch: {name}: {what} {part} of example {i} has the shape {b.shape} alone "
                f"and {a.shape} in the batch"
            )
        error = np.abs(a - b).max(initial=0)
        if not error <= tolerance:
            raise AssertionError(
                f"check_batch: {name}: {what} {part} of example {i} is another alone than in the "
                f"batch: {error:.1e} apart, where rounding explains {tolerance:.1e}"
            )
