"""Trade time for memory: forget what happened inside a function, run it again for its derivative.

To the graph, the whole function is one line. Its inputs are the arguments and every tracked tensor
that the function closes over; pulling back runs it once more and pulls back through what was
recorded this time. That is made of operations, so it can be differentiated in turn, to any order.
"""

from collections.abc import Callable

import numpy as np

from ..core import tree
from ..core.checks import function
from ..core.grad import backward_pass, fresh_leaf, tape_between
from ..core.scope import setting, state
from ..core.tensor import Tensor, asarray, serials
from . import movement


class Region:
    """One call of a checkpointed function, as what made the packed vector of its outputs."""

    name = "checkpoint"

    def __init__(self, run: Callable, arguments: int):
        self.run, self.arguments = run, arguments

    def pull(self, g, y, wanted):
        base = next(serials)
        leaves = [fresh_leaf(x) for x in y.inputs[: self.arguments]]
        with setting(recording=True, region=base):
            again = self.run(leaves)
        leaves += y.inputs[self.arguments :]
        tape = tape_between([again], leaves, base)
        if again.serial not in tape.active:
            return [None for _ in wanted]
        shares = backward_pass(tape.nodes, tape.active, {again.serial: g})
        return [shares.get(leaves[i].serial) for i in wanted]


def checkpoint(f: Callable) -> Callable:
    """`f` with its inner values forgotten after the forward pass, recomputed in the backward pass.

    `f` takes and returns trees of tensors, and must do the same each time it is called with the
    same values.
    """
    function("checkpoint", f=f)

    def wrapped(*args):
        flat, rebuild = tree.flatten(args)
        flat = [asarray(x) for x in flat]
        places = [k for k, x in enumerate(flat) if x.dtype.kind == "f"]

        def call(tensors):
            full = [Tensor(x.value) for x in flat]
            for k, t in zip(places, tensors):
                full[k] = t
            return tree.map(asarray, f(*rebuild(full)))

        base = next(serials)
        with setting(recording=True):  # once with constant arguments: what does f close over?
            result = call([Tensor(flat[k].value) for k in places])
        outputs, rebuild_outputs = tree.flatten(result)
        hidden = tape_between(outputs, [], base).older_tracked
        inputs = (*(flat[k] for k in places), *hidden)
        if not (state.recording and any(t.serial for t in inputs)):
            return tree.map(lambda t: Tensor(t.value), result)
        with setting(recording=False):
            packed = pack(outputs).value
        region = Region(lambda tensors: pack(tree.leaves(call(tensors))), len(places))
        packed = Tensor(packed, region, inputs, {}, next(serials), state.order)
        return rebuild_outputs(unpack(packed, [Tensor(t.value) for t in outputs]))

    return wrapped


def pack(outputs: list) -> Tensor:
    """The floating outputs, one after another, as one vector of the widest dtype among them."""
    floating = [t for t in outputs if t.dtype.kind == "f"] or [asarray(np.zeros(0, np.float32))]
    widest = np.result_type(*(t.dtype for t in floating))
    vectors = [movement.reshape(movement.astype(t, widest), -1) for t in floating]
    return movement.concatenate(vectors)


def unpack(packed: Tensor, outputs: list) -> list:
    """The outputs again: floating ones cut out of the vector, the others as they are."""
    parts, start = [], 0
    for t in outputs:
        if t.dtype.kind == "f":
            piece = movement.getitem(packed, slice(start, start + t.size))
            start += t.size
            t = movement.reshape(movement.astype(piece, t.dtype), t.shape)
        parts.append(t)
    return parts
