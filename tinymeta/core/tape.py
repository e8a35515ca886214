"""The tape: what was recorded between leaves and outputs, and the backward pass over it.

A node is a Tensor with its provenance (tensor.py). It holds its inputs, so the outputs of a
function hold all that was recorded for them, and no list is kept that operations are appended to.
The tape is found when it is needed, by following the inputs; serial numbers grow with time, so
their order is a topological order already.
"""

from typing import Any, NamedTuple

from .scope import setting, state
from .tensor import Tensor, serials


class _Leaf:
    """The provenance of a leaf: to an enclosing derivative it is the identity of its input."""

    name = "leaf"

    @staticmethod
    def input_cotangents(g: Tensor, y: Tensor, wanted: list[int]) -> list[Tensor]:
        return [g for _ in wanted]


def fresh_leaf(x: Tensor) -> Tensor:
    """A tensor of the same value with a new serial number, made from `x` if that is tracked."""
    inputs = (x,) if x.serial and state.recording else ()
    return Tensor(x.value, _Leaf, inputs, {}, next(serials), state.order, dual_of(x))


def dual_of(x: Tensor) -> Any:
    """The primal and tangent of `x` in the innermost jvp (forward.py); None if it has none."""
    return state.forward.dual_of(x) if state.forward is not None and x.serial else None


class Forgotten:
    """The provenance of a node that stands for a whole tape, which is recorded again when needed.

    In a backward pass the recorded nodes take the place of the node: the pass goes on with them as
    if nothing had been forgotten, so cotangents are added up in the same order, to the same bits.
    """

    name: str

    def tape_again(self, y: Tensor, leaves: list[Tensor]) -> tuple[Tensor, "Tape"]:
        """The value of `y`, recorded once more, and the tape to it from these of its inputs."""
        raise NotImplementedError


class Tape(NamedTuple):
    """What was recorded between some leaves and some outputs."""

    nodes: list[Tensor]  # on a path from a leaf to an output, oldest first; without the leaves
    active: set[int]  # serial numbers of the nodes and of the leaves
    older_tracked: list[Tensor]  # used by the outputs; an enclosing derivative may be of these


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
    for serial in sorted(found):  # inputs come first, so theirs is known when a node is asked for
        if any(x.serial in active for x in found[serial].inputs):
            active.add(serial)
            nodes.append(found[serial])
    return Tape(nodes, active, [older[serial] for serial in sorted(older)])


def backward_pass(nodes: list[Tensor], active: set[int], cotangents: dict) -> dict:
    """Carry cotangents from the outputs to the leaves, in place. Returns `cotangents`.

    cotangents: by serial number, first those of the outputs, in the end those of the leaves. nodes
    and active: the fields of a Tape; `nodes` is emptied, which frees memory on the way, and
    `active` grows where a node is one of a forgotten tape.
    Invariant: when a node is popped, all nodes that use it have been, so its cotangent is complete.
    Each derivative rule is called once.
    Raises TypeError or ValueError for a rule that returns no Tensor or one unlike its input.
    """
    with setting(order=state.order, differentiated=state.differentiated):
        while nodes:
            y = nodes.pop()
            g = cotangents.pop(y.serial, None)
            if g is None:
                continue
            state.order = y.order + 1  # how deep in derivatives its rule is
            state.differentiated = y  # traced equations keep its number
            wanted = [i for i, x in enumerate(y.inputs) if x.serial in active]
            if isinstance(y.primitive, Forgotten):
                again, tape = y.primitive.tape_again(y, [y.inputs[i] for i in wanted])
                nodes.extend(tape.nodes)
                active |= tape.active
                if again.serial in active:
                    _add_part(cotangents, again, g)
                continue
            parts = y.primitive.input_cotangents(g, y, wanted)
            for i, part in zip(wanted, parts):
                if part is None:
                    continue
                x = y.inputs[i]
                check_part(y.primitive.name, i, x, part)
                _add_part(cotangents, x, part)
    return cotangents


def _add_part(cotangents: dict, x: Tensor, part: Tensor) -> None:
    """Add a part of the cotangent of x, what one of its readers gives."""
    before = cotangents.get(x.serial)
    cotangents[x.serial] = part if before is None else before + part


def check_part(name: str, i: int, x: Tensor, part: Any) -> None:
    """Raise TypeError or ValueError if `part`, made by a rule of `name`, is no cotangent of x."""
    if type(part) is not Tensor:
        raise TypeError(
            f"the derivative rule of {name} for input {i} returned "
            f"a {type(part).__name__}: write it with tinymeta's operations, "
            "so that it can be differentiated in turn"
        )
    if part.shape != x.shape or part.dtype != x.dtype:
        raise ValueError(
            f"the derivative rule of {name} for input {i} "
            f"returned {part.dtype}{part.shape}, its input is "
            f"{x.dtype}{x.shape}: rules must keep the input's shape and dtype"
        )
