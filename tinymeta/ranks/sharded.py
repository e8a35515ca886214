"""An update of which each rank does a part: the slice of the parameters that it owns.

    flat gradient, added up    | slice of rank 0 | slice of rank 1 | ..     sums.py, first half
    the optimizer, on a slice  | its moments too | ..                       on each rank alone
    put together               | new parameters, in place of their gradients |   second half

In: a method's meta_grad and an optimizer that works element by element. Out: a function (params,
state, batch) -> (metrics, params, state) whose `state` is this rank's slices. What is sent is what
the gradient alone would be; the moments are kept, and the update is computed, once in all.

    parameters  w1 w1 b1 w2 w2 w2 b2 ..      a run: what a rank owns of parameters that are
    rank 0      [--- run ---]                neighbours in the sum is one flat array, so the
    rank 1                  [--- run --- ..  update is one kernel, however many they are

Invariant: an element is updated by the same arithmetic wherever it is, so bits do not depend on the
slices: every operation is rounded, here as in one process (`World.exact`), while machine code that
joins products and sums would join others in a row of one. Where that cannot be known,
`shard_update` gives the reason, and every rank updates all.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.tensor import Tensor, tensor
from ..jit import jit
from ..jit.chunks import ChunkedReplay
from ..jit.compile import CompiledProgram
from ..system.world import World, using
from . import sums

if TYPE_CHECKING:
    from .world import Ranks


class _Run(NamedTuple):
    """Parameters that one rank owns and that are neighbours in the flat sum.

    pieces: (number of the parameter, its first element, the one after its last).
    """

    place: slice
    pieces: list[tuple[int, int, int]]


class ShardedUpdate:
    """(params, state, batch) -> (metrics, params, state), of slices of a state; see above.

    edges: where the gradient of each parameter begins in the flat sum of n numbers. params, state:
    whole ones, of which shapes alone are kept. The parts of a state that are trees like the
    parameters are cut; all else, as Adam's count, each rank has.
    """

    def __init__(
        self,
        ranks: "Ranks",
        gradient: Callable,
        update: Callable,
        params: Any,
        state: Any,
        edges: list[int],
        n: int,
    ):
        self.ranks, self.gradient, self.edges, self.n = ranks, gradient, edges, n
        self.programs = gradient.programs  # type: ignore[attr-defined]
        self.update: Any = jit(update)
        self.alone = World()  # one for all calls: programs are kept by their world
        self.alone.exact = True  # as the update of one process is, after its sums
        self.like_params, self.like_state = _shapes(params), _shapes(state)
        mine = sums.slice_of(ranks.rank, ranks.size, n)
        self.runs = _runs([x.size for x in tree.leaves(self.like_params)], edges, mine)
        self.made: list = []  # the leaves of the parameters that the last call gave, and
        self.own_params: list[Tensor] = []  # what this rank owns of these

    def __call__(self, params: Any, state: Any, batch: Any) -> tuple[Any, Any, Any]:
        """One update."""
        new_state: Any = None
        new_own: Any = None
        own_params = self._own_params(params)

        def change(numbers: np.ndarray) -> None:
            """The new parameters in place of their gradients, where this rank owns them."""
            nonlocal new_state, new_own
            grads = [numbers[run.place] for run in self.runs]
            with using(self.alone):  # shapes differ from rank to rank: nothing to share
                new_own, new_state = self.update(grads, state, own_params)
            for run, values in zip(self.runs, new_own):
                numbers[run.place] = np.asarray(values)

        self.ranks.change = change
        try:
            metrics, new_params = self.gradient(params, batch)
        finally:
            self.ranks.change = None
        self.made, self.own_params = tree.leaves(new_params), new_own
        return metrics, new_params, new_state

    def _own_params(self, params: Any) -> list[Tensor]:
        """What this rank owns of the parameters; no copy of those that the last call gave."""
        leaves = tree.leaves(params)
        if self.made and all(x is y for x, y in zip(leaves, self.made)):
            return self.own_params
        return self._cut(params)

    def own(self, state: Any) -> Any:
        """This rank's part of a whole state."""
        return self._map(self._cut, self.like_state, state)

    def whole(self, state: Any) -> Any:
        """The whole state, of all ranks' parts; all of them call it."""
        return self._map(self._put_together, self.like_state, state)

    def _map(self, convert: Callable, like: Any, state: Any) -> Any:
        """The state, with `convert` of what stands where `like` has a tree like the parameters."""
        if _is_like(like, self.like_params):
            return convert(state)
        parts = tree.children(like)
        if parts is None:
            return state
        _, subtrees, rebuild = parts
        _, given, _ = tree.children(state)  # type: ignore[misc]
        return rebuild([self._map(convert, a, b) for a, b in zip(subtrees, given)])

    def _cut(self, values: Any) -> list[Tensor]:
        """What this rank owns of a tree like the parameters: an array for each run."""
        leaves = [np.asarray(x).reshape(-1) for x in tree.leaves(values)]
        return [
            tensor(np.concatenate([leaves[k][first:last] for k, first, last in run.pieces]))
            for run in self.runs
        ]

    def _put_together(self, own: list) -> Any:
        """The tree like the parameters that all ranks' parts make up."""
        leaves, rebuild = tree.flatten(self.like_params)
        flat = np.empty(self.n, leaves[0].dtype)
        for run, values in zip(self.runs, own):
            flat[run.place] = np.asarray(values)
        sums.put_together(self.ranks.messages, flat)
        whole = []
        for leaf, edge in zip(leaves, self.edges):
            whole.append(tensor(flat[edge : edge + leaf.size].reshape(leaf.shape)))
        return rebuild(whole)


def shard_update(
    ranks: "Ranks", meta_grad: Callable, optimizer: Any, params: Any, state: Any, batch: Any
) -> ShardedUpdate | str | None:
    """The update in slices, compiled for these arguments; where that cannot be, why, a clause."""
    if not optimizer.elementwise:
        return "the optimizer does not say that it works element by element"

    def gradient(params, batch):
        return meta_grad(params, batch)

    compiled: Any = jit(gradient)
    compiled.prepare(params, batch)
    (program,) = compiled.programs.values()
    if program is None or not program.execution.tasks:
        return None  # every rank computes all, which the training says
    if not isinstance(program.replay, ChunkedReplay):
        return "it is computed on a GPU"
    columns = _columns(program, params)
    if isinstance(columns, str):
        return columns
    return ShardedUpdate(ranks, compiled, optimizer.update, params, state, *columns)


def _columns(program: CompiledProgram, params: Any) -> tuple[list[int], int] | str:
    """(where each parameter's gradient begins in the flat sum, the length of that); or why not."""
    leaves, outputs = tree.leaves(params), program.program.outputs
    replay = program.replay
    assert isinstance(replay, ChunkedReplay)
    grads = outputs[len(outputs) - len(leaves) :]
    begins = replay.sum_columns()
    if begins is None or len(program.traced.result_makers) != len(outputs):
        return "the gradient and the metrics have several dtypes"
    if len({*grads}) < len(grads) or not all(y in begins for y in grads):
        return "the gradient is computed further after it was added up"
    if any(y.dtype != leaf.dtype or y.shape != leaf.shape for y, leaf in zip(grads, leaves)):
        return "the gradient and the parameters have several dtypes"
    if any(x in grads for x in replay.split.after_inputs):
        return "a metric is computed from the whole gradient"
    return [begins[y] for y in grads], sum(y.size for y in begins)


def _runs(sizes: list[int], edges: list[int], mine: slice) -> list[_Run]:
    """What lies in a slice of the flat sum of parameters of these sizes, that begin at `edges`.

    Between two of them may be sums that are no parameter's, as a loss.
    """
    runs: list[_Run] = []
    for edge, k in sorted((edge, k) for k, edge in enumerate(edges)):
        first, last = max(mine.start - edge, 0), min(mine.stop - edge, sizes[k])
        if first >= last:
            continue
        piece = (k, first, last)
        if runs and runs[-1].place.stop == edge + first:
            begun = runs.pop()
            place = slice(begun.place.start, edge + last)
            runs.append(_Run(place, [*begun.pieces, piece]))
        else:
            runs.append(_Run(slice(edge + first, edge + last), [piece]))
    return runs


def _shapes(values: Any) -> Any:
    """A tree of arrays of these shapes and dtypes that take no memory."""
    return tree.map(lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), values)


def _is_like(node: Any, params: Any) -> bool:
    """Whether a part of a state is a tree like the parameters."""
    if tree.children(params) is None or tree.paths(node) != tree.paths(params):
        return False
    return [x.shape for x in tree.leaves(node)] == [x.shape for x in tree.leaves(params)]
