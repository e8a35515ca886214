"""Reverse mode, of any order, in one backward walk.

`grad` gives the argument's leaves fresh identities, runs the function (bind records what
touches them) and walks back over the recorded lines, newest first: serial numbers are a
topological order already. The rules it calls are operations like all others. So if somebody
outside is differentiating as well, the backward walk itself is recorded, and grad of grad needs
no further mechanism.

Whether somebody is, the data tell: an outer derivative exists if the argument, the lines walked or
the cotangent touch a tracked tensor that is not one of our leaves. If none does, nothing is
recorded and nothing that leaves has a history, so a loop of a million steps holds one step's graph.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import tree
from .checks import flag, function, is_whole, shown
from .scope import setting, state
from .tensor import Tensor, asarray, serials


class Leaf:
    """What made a leaf: for the derivatives outside, the identity of the tensor it stands for."""

    name = "leaf"

    @staticmethod
    def pull(g, y, wanted):
        return [g for _ in wanted]


def fresh_leaf(x: Tensor) -> Tensor:
    inputs = (x,) if x.serial and state.recording else ()
    return Tensor(x.value, Leaf, inputs, {}, next(serials), state.order)


def fresh_leaves(args) -> tuple[list[Tensor], Callable]:
    """A fresh leaf for each leaf of a tree, and the function that rebuilds the tree."""
    flat, rebuild = tree.flatten(args)
    flat = [asarray(x) for x in flat]
    for k, x in enumerate(flat):
        if x.dtype.kind != "f":
            raise TypeError(
                f"cannot differentiate with respect to the {x.dtype} tensor at "
                f"argument {tree.paths(args)[k]}: cast it with astype('float32') "
                "or pass it another way"
            )
    return [fresh_leaf(x) for x in flat], rebuild


class Lines(NamedTuple):
    """The recorded way from some leaves to some outputs."""

    oldest_first: list  # the tensors to pull back through
    active: set  # their serials, and the leaves'
    outside: dict  # by serial, the older tracked tensors that the outputs are made of, too


def lines_between(outputs: list, leaves: list, base: int) -> Lines:
    """The lines younger than `base` that lead to the outputs.

    Those on a path from a leaf are the way back.
    """
    active = {t.serial for t in leaves}
    found, stack, outside = {}, list(outputs), {}
    while stack:
        t = stack.pop()
        if not t.serial or t.serial in found or t.serial in active:
            continue
        if t.serial < base:
            outside[t.serial] = t
        else:
            found[t.serial] = t
            stack.extend(t.inputs)
    for serial in sorted(found):
        if any(x.serial in active for x in found[serial].inputs):
            active.add(serial)
    return Lines([found[s] for s in sorted(found) if s in active], active, outside)


def pull_back(lines: list, active: set, cotangents: dict) -> dict:
    """Carry cotangents (by serial) from the outputs to the leaves.

    Empties `lines`, which frees memory on the way.
    """
    while lines:
        y = lines.pop()
        g = cotangents.pop(y.serial, None)
        if g is None:
            continue
        state.order = y.order + 1
        wanted = [i for i, x in enumerate(y.inputs) if x.serial in active]
        for i, share in zip(wanted, y.primitive.pull(g, y, wanted)):
            if share is None:
                continue
            x = y.inputs[i]
            if type(share) is not Tensor:
                raise TypeError(
                    f"the derivative rule of {y.primitive.name} for input {i} returned "
                    f"a {type(share).__name__}: write it with tinymeta's operations, "
                    "so that it can be differentiated in turn"
                )
            if share.value.shape != x.value.shape or share.value.dtype != x.value.dtype:
                raise ValueError(
                    f"the derivative rule of {y.primitive.name} for input {i} "
                    f"returned {share.dtype}{share.shape}, its input is "
                    f"{x.dtype}{x.shape}: rules must keep the input's shape and dtype"
                )
            before = cotangents.get(x.serial)
            cotangents[x.serial] = share if before is None else before + share
    return cotangents


def detach(x):
    """The tensor without its history; anything that is not a Tensor as it is."""
    return Tensor(x.value) if type(x) is Tensor and x.serial else x


def record(f: Callable, args: tuple, has_aux: bool = False):
    """Run `f` on fresh leaves. Returns (outputs as a tree, aux, pull), where
    `pull(cotangents, once)` maps a tree like the outputs to a tuple like `args`."""
    base, watched = next(serials), state.recording
    leaves, rebuild = fresh_leaves(args)
    with setting(recording=True):
        result = f(*rebuild(leaves))
    value, aux = result if has_aux else (result, None)
    value = tree.map(asarray, value)
    outputs = tree.leaves(value)
    watching = outputs + [t for t in tree.leaves(aux) if type(t) is Tensor]
    lines, active, outside = lines_between(watching, leaves, base)
    outside = watched and bool(outside or any(t.inputs for t in leaves))
    serials_out = [t.serial for t in outputs]
    if not outside:
        value, aux = tree.map(detach, value), tree.map(detach, aux)

    def pull(cotangents, once=False):
        given = tree.leaves(cotangents)
        recording = state.recording and (outside or any(g.serial for g in given))
        sums = {}
        with setting(recording=recording, order=state.order):
            for serial, g in zip(serials_out, given):
                if serial in active:
                    sums[serial] = sums[serial] + g if serial in sums else g
            pull_back(lines if once else list(lines), active, sums)
        grads = [sums.get(t.serial) for t in leaves]
        grads = [zeros_like(t) if g is None else g for g, t in zip(grads, leaves)]
        return rebuild(grads if recording else [detach(g) for g in grads])

    return value, aux, pull


def zeros_like(t: Tensor) -> Tensor:
    return asarray(np.zeros(t.shape, t.dtype)).to(t.device)


def chosen(argnum: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """Which of so many arguments are meant.

    Raises TypeError for what is no number, ValueError if one is out of range or named twice.
    """
    argnums = argnum if isinstance(argnum, tuple) else (argnum,)
    if not argnums or not all(map(is_whole, argnums)):
        raise TypeError(
            f"argnum {shown(argnum)} must be the number of an argument, or a tuple of them"
        )
    for n in argnums:
        if not -count <= n < count:
            raise ValueError(
                f"argnum {n} is out of range for the {count} positional arguments given"
            )
    if len({n % count for n in argnums}) < len(argnums):
        raise ValueError(f"argnum {argnum} names one of the {count} arguments twice")
    return argnums


def value_and_grad(
    f: Callable, argnum: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable:
    """The function that returns `(f(*args), gradient)`.

    With has_aux, it is `((value, aux), gradient)` for an `f` that returns `(value, aux)`.
    The gradient is a tree like argument `argnum`, or a tuple of trees if it is a tuple.

    Raises ValueError if `f` returns anything but one floating scalar, TypeError if a leaf is
    not floating.
    """
    function("value_and_grad", f=f)
    flag("value_and_grad", has_aux=has_aux)

    def wrapped(*args, **kwargs):
        argnums = chosen(argnum, len(args))

        def of_chosen(*xs):
            full = list(args)
            for n, x in zip(argnums, xs):
                full[n] = x
            return f(*full, **kwargs)

        value, aux, pull = record(of_chosen, tuple(args[n] for n in argnums), has_aux)
        one_tensor = isinstance(value, Tensor)
        if not (one_tensor and value.shape == () and np.dtype(value.dtype).kind == "f"):
            found = f"{value.dtype}{value.shape}" if one_tensor else type(value).__name__
            raise ValueError(
                f"grad needs a function that returns one floating scalar, got {found}"
                ": take its sum() or mean(), return extras with has_aux=True, "
                "or use vjp or jacobian"
            )
        grads = pull(asarray(np.ones((), value.dtype)).to(value.device), once=True)
        grads = grads if isinstance(argnum, tuple) else grads[0]
        return ((value, aux) if has_aux else value), grads

    return wrapped


def grad(f: Callable, argnum: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that returns the gradient of `f`, or `(gradient, aux)` with has_aux.

    See `value_and_grad`.
    """
    function("grad", f=f)
    flag("grad", has_aux=has_aux)
    both = value_and_grad(f, argnum, has_aux)

    def wrapped(*args, **kwargs):
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


def vjp(f: Callable, *args, has_aux: bool = False):
    """`(f(*args), pull)`, and aux as a third with has_aux.

    `pull(cotangent)` is a tuple of vector-Jacobian products, one tree for each argument. It may be
    called late, repeatedly, and be differentiated itself.

    Raises ValueError if a cotangent differs from the output in structure, shape or dtype; integers
    become floats, as where they meet them.
    """
    function("vjp", f=f)
    flag("vjp", has_aux=has_aux)
    value, aux, pull = record(f, args, has_aux)

    def checked(cotangent):
        return pull(tree.map(like_output, value, cotangent))

    return (value, checked, aux) if has_aux else (value, checked)


def like_output(y: Tensor, g) -> Tensor:
    """A cotangent (or tangent) for `y`: numbers and integers in its dtype.

    Raises ValueError if the shape is another, or a float's dtype.
    """
    g = asarray(g, y.dtype if not isinstance(g, (Tensor, np.ndarray)) else None)
    if g.dtype.kind in "biu" and y.dtype.kind == "f":
        g = g.astype(y.dtype)
    if g.shape != y.shape or g.dtype != y.dtype:
        raise ValueError(
            f"the cotangent is {g.dtype}{g.shape} but the output is "
            f"{y.dtype}{y.shape}: they must agree"
        )
    return g


def stop_gradient(x):
    """The same values as constants, whatever they were computed from (`x` may be a tree)."""
    return tree.map(lambda t: Tensor(asarray(t).value), x)
