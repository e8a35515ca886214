"""Running a split program: its chunks on threads, its sums along one binary tree.

In: a program. Out: a function of arrays, a `ChunkedReplay` or, where that is not worth it or cannot
be, a `Replay` of the whole, and in words which and why.

Invariant: the chunks, and the tree along which their sums are added, depend on shapes alone; so a
split program gives the same bits on any number of threads, whichever thread runs which, and on any
number of ranks (system/world.py), each of which runs its share of the groups of chunks. One thread
has chunks, too, where the memory of all tasks together is larger than the cache.

Cost besides the work: a copy of each chunk's small inputs, and of what each group sums. If a step
needs Python, threads take turns at Python's lock between steps.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..cpu.blas import blas_threads
from ..system.resources import cores
from ..system.world import World, current
from .arena import take_idle
from .chunk_count import chunk_count
from .program import Equation, Program
from .replay import Replay
from .split import Split, split
from .task_roles import estimated_seconds
from .threads import pool
from .tree_sum import LEAF
from .work_buffers import WorkBuffers

WORTH_SPLITTING = 1e-4  # seconds of work below which a program is run whole
_GROUPS_OF_A_THREAD = 4  # chunks are taken in so many groups, that fast threads may take more
_NOTABLE_SHARE = 0.1  # of the work, before and after the chunks, that is worth a word


class Execution(NamedTuple):
    """How a program is run, in words.

    how: in how many chunks, or whole; serial: why much of the work is not cut up for threads, "" if
    it is, or if it is little; tasks, chunks: how many were cut into how many, 0 if the program is
    run whole.
    """

    how: str
    serial: str = ""
    tasks: int = 0
    chunks: int = 0

    def __str__(self) -> str:
        return f"{self.how}: {self.serial}" if self.serial else self.how


_SMALL = Execution("whole: too little work for chunks")


def build_replay(program: Program, threads: int | None = None) -> tuple[Callable, Execution]:
    """(the program as a function of arrays, how it is run): in chunks where that is worth it.

    threads: by default as many as the process may use.
    """
    world = current()
    threads = threads or world.threads or cores()

    def whole() -> Replay:
        return Replay(program, threads, in_place=True, threads=threads, exact=world.exact)

    seconds = sum(map(estimated_seconds, program.equations))
    if seconds < WORTH_SPLITTING:
        return whole(), _SMALL
    found = split(program)
    if isinstance(found, str):
        replay = whole()
        return replay, Execution(_in_pieces(replay), found)
    count = chunk_count(found)
    if count == 1:
        return whole(), _SMALL
    serial = ""
    outside = 1 - sum(map(estimated_seconds, found.middle)) / seconds
    if outside > _NOTABLE_SHARE:
        serial = f"{100 * outside:.0f} % of the work depends on no task, or on sums over all"
    execution = Execution(f"{found.tasks} tasks in {count} chunks", serial, found.tasks, count)
    return ChunkedReplay(found, threads, chunk_bounds(found.tasks, count), world), execution


def _in_pieces(whole: Replay) -> str:
    """How a program is run that is not split."""
    shared = sum(cut.pieces > 1 for cut in whole.cuts)
    pieces = f", {shared} of {len(whole.steps)} steps in pieces" if shared else ""
    return f"whole, not in chunks of tasks{pieces}"


def _replay_of(program: Program, threads: int, exact: bool) -> Replay | None:
    """What is before or after the chunks, if there is anything."""
    if not program.outputs:
        return None
    return Replay(program, in_place=True, threads=threads, exact=exact)


def chunk_bounds(tasks: int, count: int) -> list[int]:
    """The task where each chunk begins, and where the last one ends; sizes differ by 1 at most."""
    return [tasks * k // count for k in range(count + 1)]


def group_count(chunks: int, threads: int, ranks: int = 1) -> int:
    """In how many groups all ranks take chunks, with so many threads each.

    A power of two, as `chunks` is. One thread of a rank takes a subtree at once; of ranks that are
    no power of two, none has a subtree of its own, and shares are made of more groups to be even.
    """
    even = not ranks & (ranks - 1)
    wanted = ranks * (_GROUPS_OF_A_THREAD * threads if threads > 1 or not even else 1)
    count = 1
    while count < min(wanted, chunks):
        count *= 2
    return count


class ChunkedReplay:
    """The three parts of a split program: arrays in, arrays out.

    bounds: the task where each chunk begins, and where the last one ends; world: the processes
    that share the chunks, of which this is one.
    """

    def __init__(self, split: Split, threads: int, bounds: list[int], world: World | None = None):
        self.split, self.threads, self.bounds = split, threads, bounds
        self.world = world or World()
        self.groups = group_count(len(bounds) - 1, threads, self.world.size)
        sizes = {end - begin for begin, end in zip(bounds, bounds[1:])} - {0}
        self.chunks = {
            size: Replay(
                split.chunk(size), in_place=True, sums=len(split.reduced), exact=self.world.exact
            )
            for size in sorted(sizes)
        }
        self.before = _replay_of(split.before, threads, self.world.exact)
        # As where ranks/sharded.py computes it, of each rank's part of the parameters alone.
        self.after = _replay_of(split.after, threads, exact=True)
        self.calls_python = any(chunk.calls_python for chunk in self.chunks.values())
        self.outputs = [(y, y in split.whole.inputs) for y in split.whole.outputs]
        self.idle_buffers = [self.new_buffers()]  # that no call uses now

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The whole program's outputs, new arrays, for these inputs."""
        split = self.split
        values = dict(zip(split.whole.inputs, arrays))
        if self.before:
            values |= zip(split.before.outputs, self.before(arrays))
        values |= self.run_chunks(values)
        if self.after:
            after_arrays = [values[x] for x in split.after_inputs]
            values |= zip(split.after_outputs, self.after(after_arrays))
        return [values[y].copy() if is_input else values[y] for y, is_input in self.outputs]

    def own_tasks(self, inputs: list[Equation]) -> tuple[int, int] | None:
        """The tasks (first, end) whose rows are all that this rank reads of these inputs.

        None if it reads more of them.
        """
        split = self.split
        whole = split.whole.outputs
        read = {x for eqn in (*split.whole.equations, *split.before.equations) for x in eqn.inputs}
        read_whole = {*split.broadcast, *split.after_inputs, *whole, *split.before.outputs}
        for eqn in split.before.equations:
            read_whole.update(eqn.inputs)
        for x in inputs:
            by_rows = x in split.mapped and x not in read_whole and x.shape[0] == split.tasks
            if x in read.union(whole) and not by_rows:
                return None
        return self.idle_buffers[0].tasks_of(self.world.rank)

    def sum_columns(self) -> dict[Equation, int] | None:
        """Where each reduced result begins in the flat sum; None if they have several dtypes."""
        if len({y.dtype for y in self.split.reduced}) != 1:
            return None
        (table,) = self.idle_buffers[0].sums
        return dict(zip(table.results, table.edges))

    def run_chunks(self, values: dict) -> dict:
        """The reduced and concatenated values, from the mapped and broadcast ones."""
        buffers = take_idle(self.idle_buffers) or self.new_buffers()
        buffers.load(values)
        if self.calls_python:
            self.run_groups_in_python(buffers)
        else:
            pool.run_job(buffers)
        results = buffers.results()
        self.idle_buffers.append(buffers)
        return results

    def new_buffers(self) -> WorkBuffers:
        """Memory for one call."""
        buffers = WorkBuffers(self.split, self.bounds, self.groups, self.world)
        if not self.calls_python:
            buffers.build_jobs(self.chunks, self.threads)
        return buffers

    def run_groups_in_python(self, buffers: WorkBuffers) -> None:
        """Run chunks with steps that need Python; BLAS keeps to one thread meanwhile."""
        numbers = itertools.count()  # `next` is atomic: each group is taken once
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while (g := next(numbers)) < buffers.count:
                    self.run_group(buffers, g)
            except BaseException as error:
                errors.append(error)

        with blas_threads(1):
            pool.run_on_each(work, self.threads)
        if errors:
            raise errors[0]

    def run_group(self, buffers: WorkBuffers, g: int) -> None:
        """Run the chunks of a group one after another, and add up what they reduce."""
        subtree, count = buffers.subtrees[g], len(self.split.reduced)
        sums: dict[int, list[np.ndarray]] = {}  # by slot
        for k, merges in zip(buffers.chunks_of(g), subtree.merges):
            if not buffers.sizes[k]:
                continue
            results = self.chunks[buffers.sizes[k]](buffers.chunk_inputs(k))
            buffers.store_concatenated(k, results[count:])
            sums[LEAF] = results[:count]
            for slot, source, added in merges:
                if added:
                    pairs = zip(sums[slot], sums[source])
                    with np.errstate(all="ignore"):
                        sums[slot] = [np.add(a, b) for a, b in pairs]
                else:
                    sums[slot] = sums[source]
        if subtree.root is not None:
            buffers.store_sums(g, sums[subtree.root])
