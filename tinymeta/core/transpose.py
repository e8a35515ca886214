"""The transpose of a derivative rule: from the rule of reverse mode, how a tangent is carried.

A derivative rule maps the cotangent u of an operation's result to that of an input: u -> J^T u. It
is linear in u, so its own pullback is its transpose, t -> J t, wherever it is taken. Nobody needs
the value of J^T u, so u is `Undefined`, and what a rule makes of it is shapes alone; only what is
made of the operation's inputs is computed: for sin, whose rule is u -> u cos x, that is cos x.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .grad import detach
from .primitive import Primitive, run_eagerly
from .scope import setting, state
from .tape import backward_pass, check_part, fresh_leaf, tape_between
from .tensor import Tensor, serials


class Undefined(NamedTuple):
    """The value of a cotangent of which shape and dtype are all that is asked."""

    shape: tuple[int, ...]
    dtype: np.dtype
    device: str

    def view(self) -> np.ndarray:
        """What `.numpy()` and `.item()` ask for."""
        raise TypeError(
            "a derivative rule reads the value of its cotangent g: a rule is linear in g, so what "
            "it does cannot depend on that; compute with operations of tinymeta"
        )


def pushed_tangent(node: Tensor, tangents: dict[int, Tensor]) -> Tensor | None:
    """The tangent of `node`: the transposed rules of its inputs, each of that one's tangent, added.

    tangents: by the input's place. None: zero. The rules are run on u and recorded: that is a tape
    from u to the J^T u. The backward pass over it, begun with the tangents in the place of
    cotangents of the J^T u, ends at u with the tangent of `node`.
    Raises what `backward_pass` raises, and ValueError for a rule that is not linear.
    """
    if not tangents or node.dtype.kind != "f" or type(node.value) is Undefined:
        return None
    name, places, was_recording = node.primitive.name, list(tangents), state.recording
    on_shapes = _leaving_undefined(state.interpreter or run_eagerly)
    first_serial = next(serials)
    u = fresh_leaf(Tensor(Undefined(node.shape, node.dtype, node.device)))
    with setting(interpreter=on_shapes, recording=True):
        parts = node.primitive.input_cotangents(u, node, places)
        with_rule = [(i, part) for i, part in zip(places, parts) if part is not None]
        for i, part in with_rule:
            check_part(name, i, node.inputs[i], part)
        tape = tape_between([part for _, part in with_rule], [u], first_serial)
        depends_on_others = tape.older_tracked or any(t.serial for t in tangents.values())
        state.recording = recording = was_recording and bool(depends_on_others)
        sums: dict[int, Tensor] = {}
        for i, part in with_rule:
            if part.serial in tape.active:
                before = sums.get(part.serial)  # two inputs may get one: both of `add` get u
                sums[part.serial] = tangents[i] if before is None else before + tangents[i]
        backward_pass(tape.nodes, tape.active, sums)
    tangent = sums.get(u.serial)
    is_defined = all(type(t.value) is not Undefined for t in tangents.values())
    if tangent is not None and type(tangent.value) is Undefined and is_defined:
        raise ValueError(
            f"the derivative rule of {name} is not linear in its cotangent g: "
            "a rule is g times something that does not depend on g"
        )
    return tangent if recording else detach(tangent)


def _leaving_undefined(inner: Callable) -> Callable:
    """The interpreter `inner`, but what is made of an Undefined is Undefined."""

    def interpreter(primitive: Primitive, values: list, static: dict) -> Any:
        for value in values:
            if type(value) is Undefined:
                shape, dtype = primitive.shape(*values, **static)
                return Undefined(shape, np.dtype(dtype), value.device)
        return inner(primitive, values, static)

    return interpreter
