"""The memory of one call whose chunks are taken by several threads.

    arrays of a call               arena of a thread           results
      mapped        rows of k  -->   chunk k: kernels   -->      concatenated  rows of k
      broadcast     all        -->                      -->      reduced       row g of a table

A group of chunks is run by one thread, which adds up what they reduce along the group's part of the
tree (tree_sum.py) and stores one row, so there are as many rows as groups, however many chunks. So
memory does not grow with the tasks, but for their inputs and results. Invariant: every group writes
bytes of its own, so threads need no locks. Of several ranks each has the groups of its share, and
the results of all in the end.

If all steps run without Python, `build_jobs` describes the chunks as tables of numbers, once
(job_tables.py), and `machine.take_chunks` runs them; a call then changes only the addresses of its
arrays.
"""

import itertools
from typing import NamedTuple

import numpy as np

from ..system.world import World
from .arena import Arena, new_block
from .call_arrays import CallArrays
from .job_tables import JobTables
from .program import Equation
from .replay import Replay
from .split import Split
from .stretches import Counters
from .tree_sum import SubtreePlan, SumOfRows, plan_subtree, tree_sum


class SumTable(NamedTuple):
    """The reduced results of one dtype: a row for each group."""

    rows: np.ndarray  # (groups, elements of all results)
    results: list[Equation]
    edges: list[int]  # result k has the columns edges[k] to edges[k + 1]
    sum_of_rows: SumOfRows | None  # None: this rank has no group

    @property
    def row_bytes(self) -> int:
        """The bytes of a row, which there may be none of."""
        return self.rows.shape[1] * self.rows.itemsize

    def part(self, group: int, k: int) -> np.ndarray:
        """Result k of a group, as a view."""
        columns = self.rows[group, self.edges[k] : self.edges[k + 1]]
        return columns.reshape(self.results[k].shape)


def join_ranks(world: World, array: np.ndarray, firsts: list[int], tasks: int) -> None:
    """Fill in the rows of a concatenated result that other ranks have computed.

    array (rows, ..), contiguous, with as many rows for each of the tasks; firsts: each rank's first
    task.
    """
    of_a_task = array.size // tasks
    world.join(array.reshape(-1), [of_a_task * task for task in (*firsts, tasks)])


class WorkBuffers(Counters):
    """What one call of a split program needs: arrays that go into chunks and come out of them.

    bounds: the task where each chunk begins, and where the last one ends; groups: how many all
    ranks have, a power of two as the number of chunks is; world: the ranks. Groups are numbered
    from the first of this rank, which has `count`.
    """

    def __init__(self, split: Split, bounds: list[int], groups: int, world: World):
        super().__init__()
        self.split, self.bounds, self.world = split, bounds, world
        self.sizes = [end - begin for begin, end in zip(bounds, bounds[1:])]
        self.per_group = len(self.sizes) // groups
        self.first, end = world.share(groups)
        self.count = end - self.first
        self.present = [any(self._sizes_of(g)) for g in range(groups)]  # has it a task?
        self.subtrees = [self._plan_group(g) for g in range(self.count)]
        dtypes = dict.fromkeys(y.dtype for y in split.reduced)
        self.sums = [self._sum_table(dtype) for dtype in dtypes]
        self.call = CallArrays(split)
        self.jobs: list[int] = []  # the address of each thread's job
        self.arenas: list[Arena] = []  # of each job and size of chunk, kept alive
        self.tables: JobTables | None = None

    def _plan_group(self, g: int) -> SubtreePlan:
        return plan_subtree([self.sizes[k] > 0 for k in self.chunks_of(g)])

    def _sum_table(self, dtype: np.dtype) -> SumTable:
        results = [y for y in self.split.reduced if y.dtype == dtype]
        edges = [0, *itertools.accumulate(y.size for y in results)]
        rows = np.empty((self.count, edges[-1]), dtype)
        return SumTable(rows, results, edges, SumOfRows(rows) if self.count else None)

    def chunks_of(self, g: int) -> range:
        """The chunks of a group, empty ones among them."""
        begin = (self.first + g) * self.per_group
        return range(begin, begin + self.per_group)

    def _sizes_of(self, g: int) -> list[int]:
        """The tasks of each chunk of a group, numbered from the first of rank 0."""
        return self.sizes[g * self.per_group : (g + 1) * self.per_group]

    def tasks_of(self, rank: int) -> tuple[int, int]:
        """The first task of a rank, and the one after its last."""
        first, end = self.world.share(len(self.present), rank)
        return self.bounds[first * self.per_group], self.bounds[end * self.per_group]

    # ---- a call ----------------------------------------------------------------------------------

    def load(self, values: dict[Equation, np.ndarray]) -> None:
        """Take the arrays of a call, and make new ones for what is concatenated."""
        self.call.load(values)

    def chunk_inputs(self, k: int) -> list[np.ndarray]:
        """The inputs of chunk k, as views."""
        split, arrays = self.split, self.call.arrays
        mapped = [self._rows(x, k, a) for x, a in zip(split.mapped, arrays)]
        first = len(split.mapped)
        return mapped + arrays[first : first + len(split.broadcast)]

    def store_concatenated(self, k: int, results: list[np.ndarray]) -> None:
        """Put chunk k's results with a task axis where they belong."""
        for (j, y, _), result in zip(self.call.results, results):
            self._rows(y, k, self.call.arrays[j])[...] = result

    def store_sums(self, g: int, sums: list[np.ndarray]) -> None:
        """Put what a group reduces into its row; sums: as in `split.reduced`."""
        by_equation = dict(zip(self.split.reduced, sums))
        for table in self.sums:
            for k, y in enumerate(table.results):
                table.part(g, k)[...] = by_equation[y]

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
        found = self.call.take_results()
        if self.world.size > 1:
            firsts = [self.tasks_of(rank)[0] for rank in range(self.world.size)]
            for array in found.values():
                join_ranks(self.world, array, firsts, self.split.tasks)
        for rows, results, edges, sum_of_rows in self.sums:
            if self.world.size > 1:
                total = self.world.total(rows, self.present)
            elif sum_of_rows and all(self.present):
                total = sum_of_rows()
            else:
                total = tree_sum([row if here else None for row, here in zip(rows, self.present)])
            for y, begin, end in zip(results, edges, edges[1:]):
                found[y] = total[begin:end].reshape(y.shape)
        return found

    # ---- for the machine -------------------------------------------------------------------------

    def build_jobs(self, replays: dict[int, Replay], threads: int) -> None:
        """A job for each thread, as `machine.take_chunks` reads it; replays: by size of a chunk."""
        self.tables = tables = JobTables(self, replays)
        for _ in range(threads):
            block = new_block(tables.arena_size)
            arenas = {size: replay.arena_within(block) for size, replay in replays.items()}
            self.arenas += arenas.values()
            self.jobs.append(tables.job(arenas))
