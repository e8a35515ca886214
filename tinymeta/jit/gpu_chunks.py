"""A split program on the GPUs of several ranks: each launches its chunks, sums meet in memory.

    arrays of the caller     GPU of this rank                 host
      mapped, rows of k -->  chunk k: one graph  -->  a row of sums  --> World.total
      broadcast         -->                      <--  totals: the inputs of what comes after

In: a `Split`. Out: a function of arrays, as `Launches`. A process alone launches its program whole:
a GPU takes all tasks at once, and what it sums is not the tree of the CPU's chunks.

Invariant: there are so many chunks as below, and their sums are added along one binary tree, so 2
to 8 ranks give the same bits; of more, those whose number has the next power of two in common. The
price is that of 2 ranks each launches 4 smaller graphs. The sums pass through the host's memory,
whatever the network could do with a GPU's: one copy each way, of the flat gradient, an update.
"""

from typing import Any

import numpy as np

from ..core.device import move
from ..core.scope import state
from ..cuda.array import Array
from ..system.world import World
from .chunks import chunk_bounds
from .graph import Launches
from .program import Equation
from .split import Split
from .work_buffers import join_ranks

_LEAST_CHUNKS = 8


class ChunkedLaunches:
    """The three parts of a split program, on this thread's device: arrays in, arrays out.

    bounds: the task where each chunk begins, and where the last one ends; world: the ranks that
    share the chunks.
    """

    where = "on the GPUs of several ranks"

    def __init__(self, split: Split, world: World):
        self.split, self.world, self.device = split, world, state.device
        count = _LEAST_CHUNKS
        while count < world.size:
            count *= 2
        self.bounds = chunk_bounds(split.tasks, count)
        self.own = range(*world.share(count))
        sizes = {self.size(k) for k in self.own} - {0}
        self.chunks = {size: Launches(split.chunk(size)) for size in sizes}
        self.before = Launches(split.before) if split.before.outputs else None
        self.after = Launches(split.after) if split.after.outputs else None

    def size(self, k: int) -> int:
        """The tasks of chunk k."""
        return self.bounds[k + 1] - self.bounds[k]

    def __call__(self, arrays: list) -> list:
        """The whole program's outputs, new arrays, for these inputs."""
        split = self.split
        values: dict[Equation, Any] = dict(zip(split.whole.inputs, arrays))
        values |= split.mapped_constants()
        if self.before:
            values |= zip(split.before.outputs, self.before(arrays))
        values |= self.run_chunks(values)
        if self.after:
            values |= zip(split.after_outputs, self.after([values[x] for x in split.after_inputs]))
        outputs = []
        for y in split.whole.outputs:
            value = values[y]
            if isinstance(value, np.ndarray) or y in split.whole.inputs:
                value = move(np.array(move(value, "cpu")), self.device)
            outputs.append(value)
        return outputs

    def run_chunks(self, values: dict[Equation, Any]) -> dict[Equation, np.ndarray]:
        """The reduced and concatenated values, in the host's memory."""
        split = self.split
        found = {y: np.empty(y.shape, y.dtype) for y in split.concatenated}
        parts: list[list[np.ndarray]] = []  # of each own chunk: what it reduces
        for k in self.own:
            if not self.size(k):
                parts.append([np.zeros(y.shape, y.dtype) for y in split.reduced])
                continue
            inputs = [self.rows(x, k, values[x]) for x in split.mapped]
            inputs += [values[x] for x in split.broadcast]
            results = [move(y, "cpu") for y in self.chunks[self.size(k)](inputs)]
            parts.append(results[: len(split.reduced)])
            for y, result in zip(split.concatenated, results[len(split.reduced) :]):
                self.rows(y, k, found[y])[...] = result
        chunks, ranks = len(self.bounds) - 1, range(self.world.size)
        firsts = [self.bounds[self.world.share(chunks, rank)[0]] for rank in ranks]
        for array in found.values():
            join_ranks(self.world, array, firsts, split.tasks)
        return found | self.totals(parts)

    def totals(self, parts: list[list[np.ndarray]]) -> dict[Equation, np.ndarray]:
        """The sums of what is reduced over the chunks of all ranks."""
        found: dict[Equation, np.ndarray] = {}
        present = [self.size(k) > 0 for k in range(len(self.bounds) - 1)]
        for dtype in dict.fromkeys(y.dtype for y in self.split.reduced):
            which = [k for k, y in enumerate(self.split.reduced) if y.dtype == dtype]
            results = [self.split.reduced[k] for k in which]
            edges = np.cumsum([0] + [y.size for y in results])
            rows = np.empty((len(parts), edges[-1]), dtype)
            for row, of_chunk in zip(rows, parts):
                for k, begin, end in zip(which, edges, edges[1:]):
                    row[begin:end] = of_chunk[k].reshape(-1)
            total = self.world.total(rows, present)
            for y, begin, end in zip(results, edges, edges[1:]):
                found[y] = total[begin:end].reshape(y.shape)
        return found

    def rows(self, x: Equation, k: int, array: Any) -> Any:
        """Chunk k's rows of a value, as a view."""
        of_a_task = x.shape[0] // self.split.tasks
        begin, end = of_a_task * self.bounds[k], of_a_task * self.bounds[k + 1]
        if isinstance(array, Array):
            shape = (end - begin, *array.shape[1:])
            return array.view(shape, array.strides, begin * array.strides[0])
        return array[begin:end]
