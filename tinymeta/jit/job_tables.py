"""The chunks of a call as tables of int64, which `machine.take_chunks` reads (fields: machine.py).

In: the buffers of a call and the replay of each size of chunk; then, for each thread, its arenas.
Out: the address of the thread's job.

    arena of a thread   values of a chunk | slot 0 | slot 1 | ..

A slot holds all that a chunk reduces, dtype by dtype: sums of a group that wait for their sibling
(tree_sum.py). After its own steps, a chunk runs the kernels that move its sums into a slot or add
them to one; the last chunk of a group copies the total out.

Invariant: what a group needs in the arena of its thread is copied there by its first chunk, and
nothing writes over it until another size of chunk comes; so later chunks copy in their own rows
alone, not the parameters. Large arrays are not copied at all: kernels read and write them where the
caller has them, by kernel arguments that are this thread's own (arena.py).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .arena import Arena
from .call_arrays import address_of
from .memory import aligned_size
from .program import Equation
from .replay import Replay
from .tree_sum import LEAF, Merge, merge_kernel
from .views import memory_layout

if TYPE_CHECKING:
    from .work_buffers import WorkBuffers


class JobTables:
    """The tables of one call.

    groups: the address of a table. addresses: those of all arrays that chunks read or write; first
    the call's, which change. arena_size: the bytes that a thread needs. copied_in, copied_out: the
    bytes that all chunks of a call copy into arenas and out of them.
    """

    def __init__(self, buffers: "WorkBuffers", replays: dict[int, Replay]):
        self.buffers, self.split, self.replays = buffers, buffers.split, replays
        self._kept: list[np.ndarray] = []  # tables whose addresses are handed on

        constants = [a for replay in replays.values() for a in replay.constants.values()]
        fixed = constants + [table.rows for table in buffers.sums]
        per_call = len(buffers.call.arrays)
        fixed_addresses = [address_of(a) for a in fixed]
        self.addresses = np.array([*buffers.call.addresses, *fixed_addresses], np.int64)
        buffers.call.addresses = self.addresses[:per_call]
        self._index_of = {id(a): per_call + k for k, a in enumerate(fixed)}

        self._section_begins: list[int] = []  # of each dtype's sums in a slot
        slot_size = 0
        for table in buffers.sums:
            self._section_begins.append(slot_size)
            slot_size += aligned_size(table.row_bytes)
        self._slot_size = slot_size
        self._slots_begin = max(aligned_size(replay.memory.size) for replay in replays.values())
        slots = max((subtree.slots for subtree in buffers.subtrees), default=0)
        self.arena_size = self._slots_begin + slots * slot_size

        self.copied_in = self.copied_out = 0
        self._chunks: list[tuple] = []  # (its number, is the arena new, size, merges, copies)
        groups: list[tuple[int, int, int]] = []
        for g in range(buffers.count):
            of_group = self._chunks_of(g)
            groups.append((len(self._chunks), len(self._chunks) + len(of_group), 0))
            self._chunks += of_group
        self.groups = self.keep(groups)

    def job(self, arenas: dict[int, Arena]) -> int:
        """The address of a thread's job; arenas: by size of a chunk, in one block of memory."""
        kernel_lists: dict[tuple, tuple[int, int, int]] = {}
        chunks = []
        for k, is_new, size, merges, copies in self._chunks:
            if (size, merges) not in kernel_lists:
                kernel_lists[size, merges] = self._kernels(size, merges, arenas[size])
            addresses = self._outside_addresses(k, size, arenas[size], everything=is_new)
            outside = self.keep(addresses), len(addresses)
            chunks.append((*kernel_lists[size, merges], *copies, *outside))
        job = (
            self.keep(chunks),
            self.groups,
            self.buffers.count,
            address_of(self.buffers.counters),
            next(iter(arenas.values())).address,
            address_of(self.addresses),
        )
        return self.keep(job)

    def _chunks_of(self, g: int) -> list[tuple]:
        """What `_chunks` has of each chunk of a group; an empty chunk has none."""
        subtree, found = self.buffers.subtrees[g], []
        here = [k for k in self.buffers.chunks_of(g) if self.buffers.sizes[k]]
        size_before = 0
        for k in here:
            size = self.buffers.sizes[k]
            replay = self.replays[size]
            copies_in = self._copies_in(k, replay, everything=size != size_before)
            copies_out = self._concatenated(k, replay)
            if k == here[-1] and subtree.root is not None:
                copies_out += self._total(g, subtree.root, replay)
            merges = subtree.merges[k - self.buffers.chunks_of(g).start]
            self.copied_in += sum(count for *_, count in copies_in)
            self.copied_out += sum(count for *_, count in copies_out)
            tables = self.keep(copies_in), self.keep(copies_out)
            copies = (tables[0], len(copies_in), tables[1], len(copies_out))
            found.append((k, size != size_before, size, merges, copies))
            size_before = size
        return found

    # ---- copies ----------------------------------------------------------------------------------

    def _copies_in(self, k: int, replay: Replay, everything: bool) -> list[tuple]:
        """Copies into the arena of chunk k: its rows; everything: what all chunks read, too."""
        split, offsets = self.split, replay.memory.offsets
        mapped = len(split.mapped)
        copies = []
        for j, x in enumerate((*split.mapped, *split.broadcast)):
            target = replay.program.inputs[j]
            if target in replay.memory.outside:
                continue
            if j < mapped:
                copies.append((j, self._first_byte(x, k), offsets[target], target.nbytes))
            elif everything:
                copies.append((j, 0, offsets[target], target.nbytes))
        if everything:
            for x, array in replay.constants.items():
                copies.append((self._index_of[id(array)], 0, offsets[x], array.nbytes))
        return copies

    def _concatenated(self, k: int, replay: Replay) -> list[tuple]:
        """Copies out of the arena of chunk k: its results with a task axis."""
        split = self.split
        first = len(split.mapped) + len(split.broadcast)
        results = replay.program.outputs[len(split.reduced) :]
        copies = []
        for j, (y, result) in enumerate(zip(split.concatenated, results), first):
            if result not in replay.memory.outside:
                place = self._place(result, replay)
                copies.append((j, self._first_byte(y, k), place, result.nbytes))
        return copies

    def _outside_addresses(self, k: int, size: int, arena: Arena, everything: bool) -> list[tuple]:
        """The kernel arguments that are places in arrays outside of the arena, of chunk k.

        everything: those in arrays that all chunks read whole, too.
        """
        split, replay = self.split, self.replays[size]
        results = replay.program.outputs[len(split.reduced) :]
        in_chunk = (*replay.program.inputs, *results)
        index_of = {x: j for j, x in enumerate(in_chunk) if x in replay.memory.outside}
        whole = (*split.mapped, *split.broadcast, *split.concatenated)
        mapped = len(split.mapped)
        read_whole = range(mapped, mapped + len(split.broadcast))
        places = replay.outside_places
        found = []
        numbers = (places.indices.tolist(), places.which.tolist(), places.within.tolist())
        for index, which, within in zip(*numbers):
            j = index_of[places.values[which]]
            if j not in read_whole:
                within += self._first_byte(whole[j], k)
            elif not everything:
                continue
            argument = address_of(arena.args) + 8 * index
            found.append((j, within, argument))
        return found

    def _total(self, g: int, root: int, replay: Replay) -> list[tuple]:
        """Copies out of the arena: what a group reduces, from a slot or, of one chunk, from it."""
        copies = []
        for table, begin in zip(self.buffers.sums, self._section_begins):
            index, row = self._index_of[id(table.rows)], g * table.row_bytes
            if root != LEAF:
                copies.append((index, row, self._slot(root) + begin, table.row_bytes))
                continue
            for y, edge in zip(table.results, table.edges):
                byte = row + edge * table.rows.itemsize
                copies.append((index, byte, self._leaf_place(y, replay), y.nbytes))
        return copies

    def _place(self, result: Equation, replay: Replay) -> int:
        """The byte of the arena where a result begins; results are dense."""
        layout = memory_layout(result)
        return replay.memory.offsets[layout.base] + layout.offset * result.dtype.itemsize

    def _leaf_place(self, y: Equation, replay: Replay) -> int:
        """The byte of the arena where a chunk has one of the reduced results."""
        k = self.split.reduced.index(y)
        return self._place(replay.program.outputs[k], replay)

    def _slot(self, k: int) -> int:
        """The byte of the arena where a slot begins."""
        return self._slots_begin + k * self._slot_size

    def _first_byte(self, x: Equation, k: int) -> int:
        """Where the rows of chunk k begin in a value's array."""
        begin, _ = self.buffers.chunk_rows(x, k)
        return begin * x.nbytes // x.shape[0]

    # ---- kernels ---------------------------------------------------------------------------------

    def _kernels(self, size: int, merges: tuple[Merge, ...], arena: Arena) -> tuple[int, int, int]:
        """(addresses of a chunk's kernels, of their arguments, how many): its steps, its merges."""
        replay = self.replays[size]
        kernels, args = replay.kernels.tolist(), arena.args_addresses.tolist()
        for merge in merges:
            for kernel, numbers in self._merge_calls(merge, replay):
                kernels.append(kernel)
                args.append(self.keep(numbers))
        return self.keep(kernels), self.keep(args), len(kernels)

    def _merge_calls(self, merge: Merge, replay: Replay) -> list[tuple[int, tuple]]:
        """(kernel, arguments) of each call that a merge needs."""
        calls: list[tuple[int, tuple]] = []
        for table, begin in zip(self.buffers.sums, self._section_begins):
            kernel = merge_kernel(table.rows.dtype, merge.added)
            target = self._slot(merge.slot) + begin
            if merge.source != LEAF:
                source = self._slot(merge.source) + begin
                calls.append((kernel, (target, source, table.rows.shape[1])))
                continue
            for y, edge in zip(table.results, table.edges):
                part = target + edge * table.rows.itemsize
                calls.append((kernel, (part, self._leaf_place(y, replay), y.size)))
        return calls

    @property
    def table_bytes(self) -> int:
        """The bytes of all tables."""
        return sum(table.nbytes for table in self._kept)

    def keep(self, numbers: Sequence) -> int:
        """The address of a table of these numbers, which lives as long as this object."""
        table = np.array(numbers, np.int64)
        self._kept.append(table)
        return address_of(table)
