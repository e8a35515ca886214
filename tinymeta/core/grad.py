"""Reverse-mode differentiation, to any order.

An example before the mechanism: `grad(grad(f))(2.0)` of `f(x) = x ** 3` is 6 x = 12. In order of
time, with what each operation is recorded for:

    a = leaf(2.0)                        the outer grad's argument; everything below hangs on it
    b = leaf(a)                          the inner grad's argument, made from a: a node itself
    y = static_power(b, exponent=3)      f runs, y = 8;          recorded: the inner tape is [y]
    inner backward pass, over [y]: the cotangent of y is 1, and the derivative rule of the power
    s = square(b)                        calls three operations  recorded, since b is made from a
    m = mul(3, s)
    d = product_or_zero(1, m)            d = 3 b^2 = 12 = f'(2)  recorded: the outer tape is
    outer backward pass, over            the cotangent of d is 1      [b, s, m, d]; y is not on it
    [b, s, m, d], newest first           1 -> m; 3 -> s; 3 * 2b = 12 -> b; 12 -> a     not recorded

So there is one mechanism. `grad` gives each argument a fresh leaf and runs the function; `bind`
(primitive.py) records the operations on tracked tensors: each result is a node, which holds its
inputs. The tape is the nodes between the leaves and the outputs, by their serial numbers, which are
a topological order already. The backward pass visits it from the newest node to the oldest and
calls derivative rules, which are made of operations like all others: if somebody outside is
differentiating as well, they are recorded in turn, and grad of grad needs nothing more.

Whether somebody is, the data tell: the leaves, the nodes or the cotangents are then made from a
tracked tensor older than the leaves. If none is, the backward pass records nothing and no result
has a history, so a loop of a million steps holds the tape of one step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import tree
from .argnums import chosen_argnums, of_chosen_arguments
from .checks import flag, function
from .scope import setting, state
from .tensor import Tensor, asarray, serials

# ---- leaves: where a tape begins ----------------------------------------------------------------


class Leaf:
    """The provenance of a leaf: for the derivatives outside, the identity function of its input."""

    name = "leaf"

    @staticmethod
    def pull(g: Tensor, y: Tensor, wanted: list[int]) -> list[Tensor]:
        return [g for _ in wanted]


def fresh_leaf(x: Tensor) -> Tensor:
    """A tensor of the same value with a new serial number, made from `x` if that is tracked."""
    inputs = (x,) if x.serial and state.recording else ()
    return Tensor(x.value, Leaf, inputs, {}, next(serials), state.order)


def _fresh_leaves(args: tuple) -> tuple[list[Tensor], Callable]:
    """A fresh leaf for each leaf of a tree, and the function that rebuilds the tree.

    Raises TypeError, naming the place, for one that is not floating.
    """
    flat, rebuild = tree.flatten(args)
    tensors = [asarray(x) for x in flat]
    for k, x in enumerate(tensors):
        if x.dtype.kind != "f":
            raise TypeError(
                f"cannot differentiate with respect to the {x.dtype} tensor at "
                f"argument {tree.paths(args)[k]}: cast it with astype('float32') "
                "or pass it another way"
            )
    return [fresh_leaf(x) for x in tensors], rebuild


# ---- the tape, and the backward pass over it ----------------------------------------------------


class Tape(NamedTuple):
    """What was recorded between some leaves and some outputs."""

    nodes: list[Tensor]  # on a path from a leaf to an output, oldest first; without the leaves
    active: set[int]  # serial numbers of the nodes and of the leaves
    older_tracked: list[Tensor]  # tracked before the leaves were made, and used by the outputs


def tape_between(outputs: list[Tensor], leaves: list[Tensor], first_serial: int) -> Tape:
    """The tape from `leaves` to `outputs`.

    first_serial: what was recorded before has a smaller serial number, and is not looked into.
    Two passes over the n nodes that the outputs are made of, and a sort: n log n. The first finds
    them, from the outputs; the second, oldest first, keeps those that are made from a leaf.
    """
    active = {leaf.serial for leaf in leaves}
    found: dict[int, Tensor] = {}
    older: dict[int, Tensor] = {}
    to_visit = list(outputs)
    while to_visit:
        t = to_visit.pop()
        is_constant = t.serial == 0
        if is_constant or t.serial in active or t.serial in found:
            continue
        if t.serial < first_serial:
            older[t.serial] = t
            continue
        found[t.serial] = t
        to_visit.extend(t.inputs)
    nodes = []
    for serial in sorted(found):
        if any(x.serial in active for x in found[serial].inputs):
            active.add(serial)
            nodes.append(found[serial])
    return Tape(nodes, active, [older[serial] for serial in sorted(older)])


def backward_pass(nodes: list[Tensor], active: set[int], cotangents: dict) -> dict:
    """Carry cotangents from the outputs to the leaves. Returns those of the leaves, by serial.

    cotangents: those of the outputs, by serial; it is changed. nodes and active: as of a Tape;
    `nodes` is emptied, which frees memory on the way. Invariant: when a node is popped, all nodes
    that use it have been, so its cotangent is complete. Each derivative rule is called once.
    Raises TypeError or ValueError for a rule that returns no Tensor or one unlike its input.
    """
    while nodes:
        y = nodes.pop()
        g = cotangents.pop(y.serial, None)
        if g is None:
            continue
        state.order = y.order + 1
        wanted = [i for i, x in enumerate(y.inputs) if x.serial in active]
        for i, share in zip(wanted, y.primitive.pull(g, y, wanted)):
            if share is None:
                continue
            x = y.inputs[i]
            _check_share(y.primitive.name, i, x, share)
            before = cotangents.get(x.serial)
            cotangents[x.serial] = share if before is None else before + share
    return cotangents


def _check_share(name: str, i: int, x: Tensor, share: Any) -> None:
    """Raise TypeError or ValueError if `share`, made by a rule of `name`, is no cotangent of x."""
    if type(share) is not Tensor:
        raise TypeError(
            f"the derivative rule of {name} for input {i} returned "
            f"a {type(share).__name__}: write it with tinymeta's operations, "
            "so that it can be differentiated in turn"
        )
    if share.value.shape != x.value.shape or share.value.dtype != x.value.dtype:
        raise ValueError(
            f"the derivative rule of {name} for input {i} "
            f"returned {share.dtype}{share.shape}, its input is "
            f"{x.dtype}{x.shape}: rules must keep the input's shape and dtype"
        )


def detach(x: Any) -> Any:
    """The tensor without its history; anything that is not a Tensor as it is."""
    return Tensor(x.value) if type(x) is Tensor and x.serial else x


def _zeros_like(t: Tensor) -> Tensor:
    return asarray(np.zeros(t.shape, t.dtype)).to(t.device)


def _record(f: Callable, args: tuple, has_aux: bool = False) -> tuple[Any, Any, Callable]:
    """Run `f` on fresh leaves. Returns (outputs as a tree, aux, pull).

    `pull(cotangents, once)` maps a tree like the outputs to a tuple like `args`; once: it will not
    be called again, and the tape is freed on the way.
    """
    was_recording = state.recording
    first_serial = next(serials)
    leaves, rebuild = _fresh_leaves(args)
    with setting(recording=True):
        result = f(*rebuild(leaves))
    value, aux = result if has_aux else (result, None)
    value = tree.map(asarray, value)

    outputs = tree.leaves(value)
    output_serials = [t.serial for t in outputs]
    aux_tensors = [t for t in tree.leaves(aux) if type(t) is Tensor]
    tape = tape_between(outputs + aux_tensors, leaves, first_serial)
    nodes, active = tape.nodes, tape.active

    uses_older = bool(tape.older_tracked) or any(leaf.inputs for leaf in leaves)
    differentiated_outside = was_recording and uses_older
    if not differentiated_outside:  # then nobody needs the history of the results
        value, aux = tree.map(detach, value), tree.map(detach, aux)

    def pull(cotangents: Any, once: bool = False) -> Any:
        given = tree.leaves(cotangents)
        tracked_given = any(g.serial for g in given)
        recording = state.recording and (differentiated_outside or tracked_given)
        sums: dict[int, Tensor] = {}
        with setting(recording=recording, order=state.order):
            for serial, g in zip(output_serials, given):
                if serial in active:  # one tensor may be several of the outputs
                    sums[serial] = sums[serial] + g if serial in sums else g
            backward_pass(nodes if once else list(nodes), active, sums)
        grads = [sums.get(leaf.serial) for leaf in leaves]
        grads = [_zeros_like(leaf) if g is None else g for g, leaf in zip(grads, leaves)]
        return rebuild(grads if recording else [detach(g) for g in grads])

    return value, aux, pull


# ---- the public functions -----------------------------------------------------------------------


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

    def wrapped(*args: Any, **kwargs: Any) -> tuple:
        argnums = chosen_argnums(argnum, len(args))
        f_of_chosen = of_chosen_arguments(f, argnums, args, kwargs)
        value, aux, pull = _record(f_of_chosen, tuple(args[n] for n in argnums), has_aux)
        one_tensor = isinstance(value, Tensor)
        if not (one_tensor and value.shape == () and np.dtype(value.dtype).kind == "f"):
            found = f"{value.dtype}{value.shape}" if one_tensor else type(value).__name__
            raise ValueError(
                f"grad needs a function that returns one floating scalar, got {found}"
                ": take its sum() or mean(), return extras with has_aux=True, "
                "or use vjp or jacobian"
            )
        one = asarray(np.ones((), value.dtype)).to(value.device)
        grads = pull(one, once=True)
        if not isinstance(argnum, tuple):
            grads = grads[0]
        return ((value, aux) if has_aux else value), grads

    return wrapped


def grad(f: Callable, argnum: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that returns the gradient of `f`, or `(gradient, aux)` with has_aux.

    See `value_and_grad`.
    """
    function("grad", f=f)
    flag("grad", has_aux=has_aux)
    both = value_and_grad(f, argnum, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


def vjp(f: Callable, *args: Any, has_aux: bool = False) -> tuple:
    """`(f(*args), pull)`, and aux as a third with has_aux.

    `pull(cotangent)` is a tuple of vector-Jacobian products, one tree for each argument. It may be
    called late, repeatedly, and be differentiated itself.

    Raises ValueError if a cotangent differs from the output in structure, shape or dtype; integers
    become floats, as where they meet them.
    """
    function("vjp", f=f)
    flag("vjp", has_aux=has_aux)
    value, aux, pull = _record(f, args, has_aux)

    def checked_pull(cotangent: Any) -> Any:
        return pull(tree.map(as_cotangent, value, cotangent))

    return (value, checked_pull, aux) if has_aux else (value, checked_pull)


def as_cotangent(y: Tensor, g: Any) -> Tensor:
    """`g` as a cotangent (or tangent) for `y`: numbers and integers in the dtype of `y`.

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


def stop_gradient(x: Any) -> Any:
    """The same values as constants, whatever they were computed from (`x` may be a tree)."""
    return tree.map(lambda t: Tensor(asarray(t).value), x)
