"""Mixed mode: the gradient of a function, whose own derivative is taken forward over reverse.

    g = grad f(theta; c),     c: tensors that f closes over
    u -> (H_tt u, H_ct u),    of a cotangent u of g: second derivatives of f by theta and by c

An outer derivative passes through an inner gradient by Hessian-vector products. Reverse over
reverse, each records the inner backward pass, and holds it until the outer one comes there. But the
Hessian is symmetric: the product is as well the tangent, along u, of the gradient by theta and c.
Forward mode needs no tape (core/forward.py), so all that is held of an inner gradient is theta
(Kemaev et al. 2025, MixFlow-MG).

On the tape the gradient is one node, of theta and c. Its rule is made of operations, so it can be
differentiated in turn. It costs what `grad` costs, twice for the product.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.forward import jvp
from ..core.grad import detach, grad, zeros_like
from ..core.scope import setting, state
from ..core.tape import backward_pass, fresh_leaf, tape_between
from ..core.tensor import Tensor, asarray, serials
from .checkpoint import pack, unpack


class _Gradient:
    """The provenance of a packed gradient; its inputs are theta's leaves, then what f closes over.

    f: of a list of theta's leaves, of which there are `count`.
    """

    name = "mixed_grad"

    def __init__(self, f: Callable, count: int):
        self.f, self.count = f, count

    def input_cotangents(self, g: Tensor, y: Tensor, wanted: list[int]) -> list[Tensor]:
        theta = list(y.inputs[: self.count])
        closed_over = y.inputs[self.count :]

        def gradients(theta):
            return _gradients(self.f, theta, closed_over)

        with setting(region=next(serials)):  # a compiler must not keep the first run for this one
            tangents = unpack(g, theta)
            _, products = jvp(gradients, (theta,), (tangents,))
        return [products[i] for i in wanted]


def _gradients(f: Callable, theta: list[Tensor], closed_over: tuple[Tensor, ...]) -> list[Tensor]:
    """The gradients of f(theta) by theta, and by tensors that f closes over."""
    first_serial = next(serials)
    leaves = [*map(fresh_leaf, theta)]
    with setting(recording=True):
        y = f(leaves)
    by = [*leaves, *closed_over]
    tape = tape_between([y], by, first_serial)
    one = asarray(np.ones((), y.dtype)).to(y.device)
    sums = backward_pass(tape.nodes, tape.active, {y.serial: one})
    found = [sums.get(x.serial) for x in by]
    return [zeros_like(x) if g is None else g for g, x in zip(found, by)]


def mixed_grad(f: Callable) -> Callable:
    """The function that returns the gradient of `f`, a scalar function of one tree, as `grad` does.

    A derivative of it is taken forward over reverse. Inside a jvp it is `grad`, as nothing that
    forward mode passes through is held.
    """

    def wrapped(theta: Any) -> Any:
        if state.forward is not None or not state.recording:
            return grad(f)(theta)
        flat, rebuild = tree.flatten(theta)
        flat = [asarray(x) for x in flat]

        def of_leaves(leaves: list[Tensor]) -> Tensor:
            return asarray(f(rebuild(leaves)))

        first_serial = next(serials)
        constants = [detach(x) for x in flat]
        gradients = grad(of_leaves)(constants)
        closed_over = tape_between(gradients, [], first_serial).older_tracked
        inputs = (*flat, *closed_over)
        if not any(x.serial for x in inputs):
            return rebuild(gradients)
        with setting(recording=False):
            value = pack(gradients).value
        node = _Gradient(of_leaves, len(flat))
        packed = Tensor(value, node, inputs, {}, next(serials), state.order)
        return rebuild(unpack(packed, gradients))

    return wrapped
