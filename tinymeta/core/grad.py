"""Reverse-mode differentiation, to any order.

An example before the mechanism: grad(grad(f))(2.0) for f(x) = x ** 3, which is 6 x = 12.

    what runs                             value  it is recorded, as it is made from
    a = leaf(2.0)                           2    - (the outer grad's argument: its tape begins)
      b = leaf(a)                           2    a (the inner grad's argument, the tensor a)
        y = static_power(b, exponent=3)     8    b (this is f)
      inner backward pass, y to b: the cotangent of y is 1, the rule of static_power is called
        s = square(b)                       4    b
        m = mul(3, s)                      12    s
        d = product_or_zero(1, m)          12    m (1 * m: the cotangent of b, f'(2) = 3 b^2)
    outer backward pass, d to a, over d m s b: the cotangent of d is 1, so that of m is 1, of s 3,
    of b 3 * 2 b = 12, of a 12. Nothing here depends on a tensor older than a, so this pass itself
    is not recorded. (y is not on this tape: the result is made of d alone.)

So there is one mechanism. `grad` gives each argument a fresh leaf and runs the function; `bind`
(primitive.py) records the operations on tracked tensors: each result gets the next serial number; a
constant has 0. The tape (tape.py) is the nodes from the leaves to the outputs: [y] for the inner
grad, [b, s, m, d] for the outer. The backward pass visits it from the newest node to the oldest and
calls the derivative rule of each. Rules are made of operations like all others, which `bind` runs:
if somebody outside is differentiating as well, they are recorded in turn, and grad of grad needs
nothing more.

Somebody outside is differentiating exactly if a leaf, a node or a cotangent depends on a tracked
tensor that was made before our leaves. If nobody is, the backward pass records nothing and no
result has a history, so a loop of a million steps holds the tape of one step.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import tree
from .argnums import chosen_argnums, of_chosen_arguments
from .checks import check_flag, check_function
from .scope import setting, state
from .tape import backward_pass, dual_of, fresh_leaf, tape_between
from .tensor import Tensor, asarray, serials


def _fresh_leaves(args: tuple) -> tuple[list[Tensor], Callable]:
    """A fresh leaf of the tape for each array in `args`, and the function that rebuilds the tree.

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


def detach(x: Any) -> Any:
    """The tensor without its history; anything that is not a Tensor as it is.

    Inside a jvp (forward.py) it keeps its tangent, and a serial number, by which that is found.
    """
    if type(x) is not Tensor or not x.serial:
        return x
    dual = dual_of(x)
    serial = 0 if dual is None else next(serials)
    return Tensor(x.value, None, (), None, serial, x.order, dual)


def zeros_like(t: Tensor) -> Tensor:
    """Zeros of the same shape and dtype, on the same device."""
    zeros = np.zeros(t.shape, t.dtype)
    return asarray(zeros).to(t.device)


def _record(f: Callable, args: tuple, has_aux: bool = False) -> tuple[Any, Any, Callable]:
    """Run `f` on fresh leaves. Returns (outputs as a tree, aux, backward).

    `backward(cotangents, once)` maps a tree like the outputs to a tuple like `args`; once: it will
    not be called again, and the tape is freed on the way.
    """
    was_recording = state.recording
    first_serial = next(serials)  # what exists already has a smaller one
    leaves, rebuild = _fresh_leaves(args)
    with setting(recording=True):
        result = f(*rebuild(leaves))
    value, aux = result if has_aux else (result, None)
    value = tree.map(asarray, value)

    outputs = tree.leaves(value)
    output_serials = [t.serial for t in outputs]
    # No gradient goes back through aux, but whether it depends on somebody outside matters below.
    aux_tensors = [t for t in tree.leaves(aux) if type(t) is Tensor]
    tape = tape_between(outputs + aux_tensors, leaves, first_serial)
    nodes, active = tape.nodes, tape.active

    made_of_tracked = any(leaf.inputs for leaf in leaves)  # an argument was tracked already
    uses_older = made_of_tracked or bool(tape.older_tracked)
    differentiated_outside = was_recording and uses_older
    if not differentiated_outside:  # then nobody needs the history of the results
        value = tree.map(detach, value)
        aux = tree.map(detach, aux)

    def backward(cotangents: Any, once: bool = False) -> Any:
        given = tree.leaves(cotangents)
        tracked_given = any(g.serial for g in given)
        recording = state.recording and (differentiated_outside or tracked_given)
        sums: dict[int, Tensor] = {}  # by serial number, the parts of its cotangent added up
        with setting(recording=recording):
            for serial, g in zip(output_serials, given):
                if serial in sums:  # one tensor may be several of the outputs
                    g = sums[serial] + g
                if serial in active:  # else it does not depend on a leaf
                    sums[serial] = g
            backward_pass(nodes if once else list(nodes), set(active), sums)
        grads = []
        for leaf in leaves:
            g = sums.get(leaf.serial)
            grads.append(zeros_like(leaf) if g is None else g)
        if not recording:
            grads = [detach(g) for g in grads]  # a rule may have returned a tracked tensor as it is
        return rebuild(grads)

    return value, aux, backward


# ---- the public functions -----------------------------------------------------------------------


def value_and_grad(
    f: Callable, argnum: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable:
    """The function that returns `(f(*args), gradient)`.

    With has_aux, it is `((value, aux), gradient)` for an `f` that returns `(value, aux)`.
    The gradient is a tree like argument `argnum`, or a tuple of trees if it is a tuple.

    Raises ValueError if `f` returns anything but one floating scalar, TypeError if a leaf is
    not floating.

    >>> import numpy as np, tinymeta as tm
    >>> params = {"w": np.array([1.0, 3.0])}
    >>> value, gradient = tm.value_and_grad(lambda p: (p["w"] ** 2).sum())(params)
    >>> float(value), gradient["w"].numpy().tolist()
    (10.0, [2.0, 6.0])
    """
    check_function("value_and_grad", f=f)
    check_flag("value_and_grad", has_aux=has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> tuple:
        argnums = chosen_argnums(argnum, len(args))
        f_of_chosen = of_chosen_arguments(f, argnums, args, kwargs)
        chosen = tuple(args[n] for n in argnums)
        value, aux, backward = _record(f_of_chosen, chosen, has_aux)
        one_tensor = isinstance(value, Tensor)
        if not one_tensor or value.shape != () or value.dtype.kind != "f":
            found = f"{value.dtype}{value.shape}" if one_tensor else type(value).__name__
            raise ValueError(
                f"grad needs a function that returns one floating scalar, got {found}"
                ": take its sum() or mean(), return extras with has_aux=True, "
                "or use vjp or jacobian"
            )
        one = asarray(np.ones((), value.dtype)).to(value.device)
        grads = backward(one, once=True)
        if not isinstance(argnum, tuple):
            grads = grads[0]
        result = (value, aux) if has_aux else value
        return result, grads

    return wrapped


def grad(f: Callable, argnum: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that returns the gradient of `f`, or `(gradient, aux)` with has_aux.

    See `value_and_grad`.

    >>> import tinymeta as tm
    >>> cube = lambda x: x**3
    >>> float(tm.grad(cube)(2.0)), float(tm.grad(tm.grad(cube))(2.0))
    (12.0, 12.0)
    """
    check_function("grad", f=f)
    check_flag("grad", has_aux=has_aux)
    both = value_and_grad(f, argnum, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


def vjp(f: Callable, *args: Any, has_aux: bool = False) -> tuple:
    """`(f(*args), pull)`, and aux as a third with has_aux.

    `pull` is the pullback: `pull(cotangent)` is a tuple of vector-Jacobian products, one tree for
    each argument. It may be called late, repeatedly, and be differentiated itself.

    Raises ValueError if a cotangent differs from the output in structure, shape or dtype; one of
    integers is cast to the output's dtype.

    >>> import numpy as np, tinymeta as tm
    >>> y, pull = tm.vjp(lambda x, w: x @ w, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> float(y), [gradient.numpy().tolist() for gradient in pull(1.0)]
    (11.0, [[3.0, 4.0], [1.0, 2.0]])
    """
    check_function("vjp", f=f)
    check_flag("vjp", has_aux=has_aux)
    value, aux, backward = _record(f, args, has_aux)

    def pull(cotangent: Any) -> Any:
        return backward(tree.map(as_cotangent, value, cotangent))

    return (value, pull, aux) if has_aux else (value, pull)


def as_cotangent(y: Tensor, g: Any, what: str = "cotangent", of: str = "output") -> Tensor:
    """`g` as a cotangent (or tangent) for `y`: numbers and integers in the dtype of `y`.

    what, of: how an error calls g and y.

    Raises ValueError if the shape differs, or if it is floating and of another dtype.
    """
    has_dtype = isinstance(g, (Tensor, np.ndarray))
    g = asarray(g, None if has_dtype else y.dtype)
    if g.dtype.kind in "biu" and y.dtype.kind == "f":
        g = g.astype(y.dtype)
    if g.shape != y.shape or g.dtype != y.dtype:
        raise ValueError(
            f"the {what} is {g.dtype}{g.shape} but the {of} is {y.dtype}{y.shape}: they must agree"
        )
    return g


def stop_gradient(x: Any) -> Any:
    """The same values as constants, whatever they were computed from (`x` may be a tree).

    >>> import tinymeta as tm
    >>> float(tm.grad(lambda x: x * tm.stop_gradient(x))(3.0))
    3.0
    """
    return tree.map(lambda t: Tensor(asarray(t).value), x)
