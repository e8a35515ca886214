"""One example at a time gives what all give at once: values, and gradients.

A function of a batch promises that its examples do not feel each other. A norm over the wrong axis,
a reshape that mixes rows, a maximum over the whole batch, a wrong `in_axes` of a vmap: each leaves
the derivatives of the batch right, so no difference quotient sees it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.checks import check_whole
from ..core.grad import vjp
from .foreign import as_numpy
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
    of fewer than two examples, for a place that is none, for an axis counted from the end.
    """
    (axis,) = check_whole("check_batch", 0, axis=axis)
    rng = np.random.default_rng(seed)
    sizes = _numbers_of_examples(args, batched, axis)
    if len(sizes) != 1 or min(sizes) < 2:
        raise ValueError(
            f"check_batch: the arguments {batched!r} have {sorted(sizes) or 'no'} examples "
            f"along axis {axis}: give them one number, of at least 2"
        )
    (size,) = sizes
    whole = examine("check_batch", f, args, None)
    ys, pull = vjp(whole.function, *whole.inputs)
    for k, y in enumerate(ys):
        if y.ndim <= axis or y.shape[axis] != size:
            raise AssertionError(
                f"check_batch: output {k} of {whole.name} has the shape {y.shape}, and no {size} "
                f"examples along axis {axis}"
            )

    chosen = np.unique(np.linspace(0, size - 1, _EXAMPLES).astype(int))
    for i in chosen:
        where = slice(i, i + 1) if one is None else int(i)
        alone = examine("check_batch", one or f, _picked(args, batched, axis, where), None)
        y_alone, pull_alone = vjp(alone.function, *alone.inputs)
        counts = len(whole.inputs), len(ys)
        counts_alone = len(alone.inputs), len(y_alone)
        if counts != counts_alone:
            raise AssertionError(
                f"check_batch: {whole.name} has {counts[0]} inputs and {counts[1]} outputs, and "
                f"{alone.name} of one example {counts_alone[0]} and {counts_alone[1]}"
            )
        u = [np.asarray(rng.normal(size=y.shape), y.dtype) for y in y_alone]
        y_whole = _at(ys, axis, where)
        numbers = map(str, range(len(ys)))
        _compare(whole.name, i, "output", y_whole, y_alone, numbers)
        u_whole = [_placed(a, y.shape, axis, where) for a, y in zip(u, ys)]
        gs = pull(tuple(u_whole))
        gs_alone = pull_alone(tuple(u))
        # What has examples is shorter, or has an axis less, with one of them alone.
        pairs = zip(whole.inputs, alone.inputs)
        batches = [x.shape != x_alone.shape for x, x_alone in pairs]
        own = _own_part(gs, batches, axis, where)
        _compare(whole.name, i, "the gradient of", own, gs_alone, whole.names)
        _refuse_others(whole, i, gs, batches, axis)
    return len(chosen)


def _numbers_of_examples(args: tuple, batched: Sequence[int], axis: int) -> set[int]:
    """How many examples the arrays at the places `batched` have. Raises ValueError for no place."""
    places = range(len(args))
    if not isinstance(batched, Iterable) or any(k not in places for k in batched):
        raise ValueError(
            f"check_batch: batched={batched!r} must be places among the {len(args)} arguments, "
            "such as (0,)"
        )
    leaves = [x for k in batched for x in tree.leaves(args[k])]
    arrays = [x for x in leaves if getattr(x, "ndim", 0)]
    return {x.shape[axis] if x.ndim > axis else 0 for x in arrays}


def _index(axis: int, where: Any) -> tuple:
    return (*[slice(None)] * axis, where)


def _picked(args: tuple, batched: Sequence[int], axis: int, where: Any) -> tuple:
    """The arguments with one example of those that are batched."""
    index = _index(axis, where)
    pick = lambda x: x[index] if getattr(x, "ndim", 0) else x
    found = list(args)
    for k in batched:
        found[k] = tree.map(pick, args[k])
    return tuple(found)


def _at(ys: Sequence, axis: int, where: Any) -> list[np.ndarray]:
    index = _index(axis, where)
    return [as_numpy(y)[index] for y in ys]


def _placed(u: np.ndarray, shape: tuple, axis: int, where: Any) -> np.ndarray:
    """Zeros of the batch's shape, with the cotangent of one example in its place."""
    whole = np.zeros(shape, u.dtype)
    whole[_index(axis, where)] = u
    return whole


def _own_part(gs: Sequence, batches: Sequence[bool], axis: int, where: Any) -> list[np.ndarray]:
    """The gradients of one example's inputs, and of all that is shared."""
    index = _index(axis, where)
    arrays = map(as_numpy, gs)
    return [g[index] if is_batch else g for g, is_batch in zip(arrays, batches)]


def _refuse_others(
    whole: Subject, i: int, gs: Sequence, batches: Sequence[bool], axis: int
) -> None:
    """Raise if the value of one example has a gradient by another one."""
    for what, g, is_batch in zip(whole.names, map(as_numpy, gs), batches):
        if not is_batch:
            continue
        own = g[_index(axis, i)]
        others = np.delete(g, i, axis)
        rounding = _ROUNDINGS * np.finfo(g.dtype).eps * np.abs(g).sum()
        if np.abs(others).sum() > rounding:
            raise AssertionError(
                f"check_batch: example {i} of {whole.name} depends on the others: {what} has a "
                f"gradient of {np.abs(others).max():.1e} there, of {np.abs(own).max():.1e} at its "
                "own place"
            )


def _compare(name: str, i: int, what: str, found: Any, expected: Any, names: Any) -> None:
    for a, b, part in zip(found, map(as_numpy, expected), names):
        if a.shape != b.shape:
            raise AssertionError(
                f"check_batch: {name}: {what} {part} of example {i} has the shape {b.shape} alone "
                f"and {a.shape} in the batch"
            )
        # Of the largest entry, not of their sum, which grows with the array and hides any one.
        largest = np.abs(a).max(initial=0)
        scale = max(largest, np.abs(b).max(initial=0))
        tolerance = _ROUNDINGS * np.finfo(b.dtype).eps * scale
        error = np.abs(a - b).max(initial=0)
        if not error <= tolerance:
            raise AssertionError(
                f"check_batch: {name}: {what} {part} of example {i} is another alone than in the "
                f"batch: {error:.1e} apart, where rounding explains {tolerance:.1e}"
            )
