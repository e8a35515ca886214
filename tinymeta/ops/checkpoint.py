"""Checkpointing: forget the tape of a function, run it again when its derivative is taken.

On the tape, the whole function is one node. Its inputs are the arguments and every tracked tensor
that the function closes over. When a backward pass comes to it, the function is run once more, and
what is recorded this time takes the node's place (core/tape.py). That is made of operations, so it
can be differentiated in turn, to any order; and a checkpoint within is a node of this tape, so
checkpoints nest. It costs one more forward pass for each derivative, and saves the memory of all
nodes inside. Gradients have the bits that they have without, but for the sign of a zero.

What waits for a backward pass is forgotten, not what a backward pass made: if that is recorded in
turn, it is held whole. 400 sines of 160 KB, in checkpoints of 20; MB at the peak:

                         without    checkpoint
    gradient               65.0        10.0
    forward over reverse  130.3        20.0     tm.hvp
    reverse over forward  193.5        26.8
    reverse over reverse  193.6       193.7     grad of grad: take tm.hvp
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.checks import check_function, is_array
from ..core.forward import Pushforward
from ..core.grad import detach
from ..core.scope import setting, state
from ..core.tape import Forgotten, Tape, tape_between
from ..core.tensor import Tensor, asarray, serials
from .indexing import getitem
from .join import concatenate
from .movement import astype, reshape


class _Call(Forgotten):
    """One call of a checkpointed function: the provenance of the packed vector of its outputs.

    run: the function, of a list of the first `arguments` of the node's inputs.
    """

    name = "checkpoint"

    def __init__(self, run: Callable, arguments: int):
        self.run, self.arguments = run, arguments

    def tape_again(self, y: Tensor, leaves: list[Tensor]) -> tuple[Tensor, Tape]:
        first_serial = next(serials)
        as_before = dict(recording=True, order=y.order, differentiated=None)  # no rule is running
        with setting(region=first_serial, **as_before):
            again = self.run(list(y.inputs[: self.arguments]))
        return again, tape_between([again], leaves, first_serial)


def checkpoint(f: Callable) -> Callable:
    """`f` with its inner values forgotten after the forward pass, recomputed in the backward pass.

    `f` takes and returns trees of tensors, by position or keyword, and must do the same each time
    it is called with the same values. Arrays come to it as tensors, all else as it is.
    """
    check_function("checkpoint", f=f)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        flat, rebuild = tree.flatten((args, kwargs))
        flat = [asarray(x) if _is_array(x) else x for x in flat]
        places = [k for k, x in enumerate(flat) if _is_floating(x)]
        floating = [flat[k] for k in places]

        def call(tensors: list[Tensor]) -> Any:
            """f, with these for the floating leaves of its arguments; the others are constants."""
            full = [detach(x) for x in flat]
            for k, t in zip(places, tensors):
                full[k] = t
            args, kwargs = rebuild(full)
            result = f(*args, **kwargs)
            return tree.map(asarray, result)

        if state.forward is not None and not state.recording:
            return tree.map(detach, _inside_jvp(state.forward, call, floating))
        first_serial = next(serials)
        constants = [detach(x) for x in floating]
        result = call(constants)  # once with constant arguments: what does f close over?
        outputs, rebuild_outputs = tree.flatten(result)
        closed_over = tape_between(outputs, [], first_serial).older_tracked
        inputs = (*floating, *closed_over)
        is_tracked = any(t.serial for t in inputs)
        if not (state.recording and is_tracked):
            return tree.map(detach, result)

        def packed_call(tensors: list[Tensor]) -> Tensor:
            results = tree.leaves(call(tensors))
            return pack(results)

        with setting(recording=False):
            constant = detach(pack(outputs))
        this_call = _Call(packed_call, arguments=len(floating))
        # A node has one output, and f may have several: so they are packed into one vector.
        value, dual = constant.value, constant.dual
        packed = Tensor(value, this_call, inputs, {}, next(serials), state.order, dual)
        without_history = [detach(t) for t in outputs]
        return rebuild_outputs(unpack(packed, without_history))

    return wrapped


def _is_floating(x: Any) -> bool:
    return _is_array(x) and x.dtype.kind == "f"


def _inside_jvp(forward: Pushforward, call: Callable, tensors: list[Tensor]) -> Any:
    """`call(tensors)` inside a jvp: primals and tangents are one checkpoint of jvp's caller.

    If the caller records, for reverse over forward, it holds neither.
    """
    duals = [forward.dual_of(t) for t in tensors]
    tangents = {k: dual.tangent for k, dual in enumerate(duals) if dual is not None}
    moving = [k for k, tangent in tangents.items() if tangent is not None]

    def primals_and_tangents(primals: list, tangents: list) -> tuple:
        tangent_of = dict(zip(moving, tangents))
        variables = [forward.variable(x, tangent_of.get(k)) for k, x in enumerate(primals)]
        with forward.inside():
            result = call(variables)
        result_primals = tree.map(forward.primal_of, result)
        return result_primals, tree.map(forward.tangent_of, result)

    primals = [forward.primal_of(t) for t in tensors]
    with forward.outside():
        run = checkpoint(primals_and_tangents)
        results = run(primals, [tangents[k] for k in moving])
    return tree.map(forward.variable, *results)


def _is_array(x: Any) -> bool:
    """Of any library; numbers and words are handed on as they are, as numbers take any dtype."""
    return is_array(x) or hasattr(x, "__dlpack__")


def pack(outputs: list[Tensor]) -> Tensor:
    """The floating outputs, one after another, as one vector of the widest dtype among them."""
    floating = [t for t in outputs if t.dtype.kind == "f"]
    if not floating:
        floating = [asarray(np.zeros(0, np.float32))]
    widest = np.result_type(*(t.dtype for t in floating))
    vectors = [reshape(astype(t, widest), -1) for t in floating]
    return concatenate(vectors)


def unpack(packed: Tensor, outputs: list[Tensor]) -> list[Tensor]:
    """The outputs again: floating ones as slices of the vector, the others as they are."""
    parts = []
    start = 0
    for t in outputs:
        if t.dtype.kind == "f":
            stop = start + t.size
            piece = getitem(packed, slice(start, stop))
            start = stop
            t = reshape(astype(piece, t.dtype), t.shape)
        parts.append(t)
    return parts
