"""The memory of one call whose chunks are taken by several threads.

    arrays of the caller           arena of a thread           results
      mapped        rows of k  -->   chunk k: kernels   -->      concatenated  rows of k
      broadcast     all        -->                      -->      reduced       row k of a table

Inputs are read where the caller has them, and concatenated results are written where the caller
gets them. Invariant: every chunk writes bytes of its own, so threads need no locks; reduced results
have a row for each chunk and are added in that order, so the sum does not depend on which thread
took which.

If all steps run without Python, `build_jobs` describes the chunks as tables of numbers, once, and
`machine.take_chunks` runs them; a call then changes only the addresses of its arrays.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .program import Equation
from .replay import Arena, Replay
from .split import Split
from .views import stored_layout


class _SumTable(NamedTuple):
    """The reduced results of one dtype: a row for each chunk."""

    rows: np.ndarray  # (chunks, elements of all results)
    results: list[Equation]
    edges: np.ndarray  # result k has the columns edges[k] to edges[k + 1]

    def part(self, k: int) -> np.ndarray:
        """Result k, (chunks, *shape)."""
        columns = self.rows[:, self.edges[k] : self.edges[k + 1]]
        return columns.reshape(-1, *self.results[k].shape)


class WorkBuffers:
    """What one call of a split program needs: arrays that go into chunks and come out of them.

    bounds: the task where each chunk begins, and where the last one ends.
    """

    def __init__(self, split: Split, bounds: list[int]):
        self.split, self.bounds = split, bounds
        self.sizes = [end - begin for begin, end in zip(bounds, bounds[1:])]
        self.count = len(self.sizes)
        self.constants = {
            x: np.array(x.static["value"], order="C") for x in split.mapped if x.op == "constant"
        }
        dtypes = dict.fromkeys(y.dtype for y in split.reduced)
        self.sums = [self._sum_table(dtype) for dtype in dtypes]
        self.reduced: dict[Equation, np.ndarray] = {}  # (chunks, *shape)
        for table in self.sums:
            for k, y in enumerate(table.results):
                self.reduced[y] = table.part(k)
        self.arrays: list[np.ndarray] = []  # of the call: mapped, broadcast, concatenated
        self.counters = np.zeros(2, np.int64)  # chunks taken, chunks completed
        self.jobs: list[int] = []  # the address of each thread's job
        self.addresses: np.ndarray | None = None  # of all arrays that chunks read or write
        self._kept: list[np.ndarray] = []  # tables whose addresses are handed on

    def _sum_table(self, dtype: np.dtype) -> _SumTable:
        results = [y for y in self.split.reduced if y.dtype == dtype]
        edges = np.cumsum([0] + [y.size for y in results])
        return _SumTable(np.empty((self.count, edges[-1]), dtype), results, edges)

    # ---- a call ----------------------------------------------------------------------------------

    def load(self, values: dict[Equation, np.ndarray]) -> None:
        """Take the arrays of a call, and make new ones for what is concatenated."""
        split = self.split
        self.arrays = []
        for x in (*split.mapped, *split.broadcast):
            given = self.constants[x] if x in self.constants else values[x]
            self.arrays.append(np.ascontiguousarray(given))
        self.arrays += [np.empty(y.shape, y.dtype) for y in split.concatenated]
        if self.addresses is not None:
            self.addresses[: len(self.arrays)] = [address_of(a) for a in self.arrays]

    def release_chunks(self) -> None:
        """Let chunks be taken from now on, also by a worker that is late from the last call."""
        self.counters[1] = 0  # first, as a chunk that is taken may be completed at once
        self.counters[0] = 0

    @property
    def completed_address(self) -> int:
        """The address of the count of completed chunks."""
        return address_of(self.counters) + 8

    def chunk_arrays(self, k: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """(inputs of chunk k, where its results go), as views."""
        split, arrays = self.split, iter(self.arrays)
        mapped = [self._rows(x, k, next(arrays)) for x in split.mapped]
        broadcast = [next(arrays) for _ in split.broadcast]
        concatenated = [self._rows(y, k, next(arrays)) for y in split.concatenated]
        reduced = [self.reduced[y][k, ...] for y in split.reduced]
        return mapped + broadcast, reduced + concatenated

    def _rows(self, x: Equation, k: int, array: np.ndarray) -> np.ndarray:
        """Chunk k's part of a value's array."""
        begin, end = self.chunk_rows(x, k)
        return array[begin:end]

    def chunk_rows(self, x: Equation, k: int) -> tuple[int, int]:
        """The rows (begin, end) of a value's leading axis that belong to chunk k."""
        rows = x.shape[0] // self.split.tasks
        return rows * self.bounds[k], rows * self.bounds[k + 1]

    def results(self) -> dict[Equation, np.ndarray]:
        """The sums of what is reduced, and what was concatenated; the arrays are let go."""
        concatenated = self.split.concatenated
        found = dict(zip(concatenated, self.arrays[len(self.arrays) - len(concatenated) :]))
        for rows, results, edges in self.sums:
            total = rows.sum(0)
            for y, begin, end in zip(results, edges, edges[1:]):
                found[y] = total[begin:end].reshape(y.shape)
        self.arrays = []
        return found

    # ---- for the machine -------------------------------------------------------------------------

    def build_jobs(self, replays: dict[int, Replay], threads: int) -> None:
        """The tables that `machine.take_chunks` reads; replays: by the size of a chunk.

        They are of int64, and the fields are listed in machine.py.
        """
        split = self.split
        constants = [a for replay in replays.values() for a in replay.constants.values()]
        fixed = constants + [table.rows for table in self.sums]
        per_call = len(split.mapped) + len(split.broadcast) + len(split.concatenated)
        addresses = [0] * per_call + [address_of(a) for a in fixed]
        self.addresses = np.array(addresses, np.int64)
        index_of = {id(a): per_call + k for k, a in enumerate(fixed)}

        chunks = []
        for k, size in enumerate(self.sizes):
            replay = replays[size]
            copies_in = self._copies_in(k, replay, index_of)
            copies_out = self._copies_out(k, replay, index_of)
            chunks.append(
                (
                    address_of(replay.kernels),
                    address_of(replay.args_addresses),
                    len(replay.kernels),
                    self._keep(copies_in),
                    len(copies_in),
                    self._keep(copies_out),
                    len(copies_out),
                )
            )
        chunk_table = self._keep(chunks)

        largest = max(replays, key=lambda size: replays[size].memory.size)
        self.arenas: list[Arena] = [replays[largest].new_arena() for _ in range(threads)]
        shared = (chunk_table, self.count, address_of(self.counters))
        for arena in self.arenas:
            job = (*shared, arena.address, address_of(self.addresses))
            self.jobs.append(self._keep(job))

    def _copies_in(self, k: int, replay: Replay, index_of: dict[int, int]) -> list[tuple]:
        """Copies into the arena of chunk k: its inputs and constants."""
        split, offsets = self.split, replay.memory.offsets
        copies = []
        for j, x in enumerate((*split.mapped, *split.broadcast)):
            target = replay.program.inputs[j]
            begin = self._first_byte(x, k) if x in split.mapped else 0
            copies.append((j, begin, offsets[target], target.nbytes))
        for x, array in replay.constants.items():
            copies.append((index_of[id(array)], 0, offsets[x], array.nbytes))
        return copies

    def _copies_out(self, k: int, replay: Replay, index_of: dict[int, int]) -> list[tuple]:
        """Copies out of the arena of chunk k: its reduced and concatenated results."""
        split, offsets = self.split, replay.memory.offsets
        targets: dict[Equation, tuple[int, int]] = {}  # (array, byte in it)
        for rows, results, edges in self.sums:
            for y, edge in zip(results, edges):
                byte = k * rows[0].nbytes + edge * rows.itemsize
                targets[y] = (index_of[id(rows)], byte)
        first = len(split.mapped) + len(split.broadcast)
        for j, y in enumerate(split.concatenated, first):
            targets[y] = (j, self._first_byte(y, k))

        copies = []
        for y, result in zip((*split.reduced, *split.concatenated), replay.program.outputs):
            layout = stored_layout(result)
            source = offsets[layout.base] + layout.offset * result.dtype.itemsize
            copies.append((*targets[y], source, result.nbytes))
        return copies

    def _first_byte(self, x: Equation, k: int) -> int:
        """Where the rows of chunk k begin in a value's array."""
        begin, _ = self.chunk_rows(x, k)
        return begin * x.nbytes // x.shape[0]

    def _keep(self, numbers: Sequence) -> int:
        """The address of a table of these numbers, which lives as long as this object."""
        table = np.array(numbers, np.int64)
        self._kept.append(table)
        return address_of(table)


def address_of(array: np.ndarray) -> int:
    """The address of an array's first element."""
    return array.__array_interface__["data"][0]
