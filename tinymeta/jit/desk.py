"""A desk: the memory of one call whose chunks are taken by several threads.

What goes into the chunks is read where the caller has it, what is put together task by task is
written where the caller gets it. Totals have a row for each chunk, and are added in that order.
"""

import numpy as np

from .program import Line
from .replay import Replay, lies
from .split import Split


class Desk:
    """What one call needs: arrays that go into chunks and come out of each, an arena a thread."""

    def __init__(self, split: Split, edges: list[int]):
        self.split, self.edges = split, edges
        self.sizes = [hi - lo for lo, hi in zip(edges, edges[1:])]
        self.count = len(self.sizes)
        self.constants = {
            x: np.array(x.static["value"], order="C") for x in split.sliced if x.op == "constant"
        }
        self.totals, self.sums = {}, []
        for dtype in dict.fromkeys(y.dtype for y in split.totals):  # of one dtype: one row a chunk
            ours = [y for y in split.totals if y.dtype == dtype]
            ends = np.cumsum([0] + [y.size for y in ours])
            table = np.empty((self.count, ends[-1]), dtype)
            self.sums.append((table, ours, ends))
            self.totals |= {
                y: table[:, a:b].reshape(-1, *y.shape) for y, a, b in zip(ours, ends, ends[1:])
            }
        self.addresses = None  # until it is laid out for the machine

    def begin(self, values: dict[Line, np.ndarray]) -> None:
        """Arrays for this call: what is given, and new ones for what is joined."""
        split = self.split
        self.arrays = [
            self.constants[x] if x in self.constants else np.ascontiguousarray(values[x])
            for x in (*split.sliced, *split.shared)
        ]
        self.arrays += [np.empty(y.shape, y.dtype) for y in split.joined]
        if self.addresses is not None:
            self.addresses[: len(self.arrays)] = [address(a) for a in self.arrays]

    def results(self) -> dict[Line, np.ndarray]:
        """Sums of totals, and what was put together task by task; the arrays are let go."""
        joined = self.split.joined
        found = dict(zip(joined, self.arrays[len(self.arrays) - len(joined) :]))
        for table, ours, ends in self.sums:
            total = table.sum(0)
            found |= {y: total[a:b].reshape(y.shape) for y, a, b in zip(ours, ends, ends[1:])}
        self.arrays = None
        return found

    def open(self) -> None:
        """Chunks may be taken from now on, also by a helper that is late from the last call."""
        self.counters[1] = 0  # first: who takes one may soon be done
        self.counters[0] = 0

    @property
    def done(self) -> int:
        """Where the number of chunks that are done is counted."""
        return address(self.counters) + 8

    def part(self, x: Line, k: int) -> tuple[int, int]:
        """Which rows of a value's leading axis are those of chunk k."""
        rows = x.shape[0] // self.split.tasks
        return rows * self.edges[k], rows * self.edges[k + 1]

    def of_chunk(self, k: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What a chunk gets, and where its results go."""
        split, arrays = self.split, iter(self.arrays)
        sliced, shared, joined = (
            list(zip(lines, arrays)) for lines in (split.sliced, split.shared, split.joined)
        )
        parts = [[a[slice(*self.part(x, k))] for x, a in pairs] for pairs in (sliced, joined)]
        return (
            [*parts[0], *(a for _, a in shared)],
            [*(self.totals[y][k, ...] for y in split.totals), *parts[1]],
        )

    def lay_out(self, replays: dict[int, Replay], threads: int) -> None:
        """The chunks and the jobs as the machine reads them (see machine.py)."""
        split, self.keep, rows = self.split, [], []  # keep: what addresses are handed on of
        given = (*split.sliced, *split.shared)
        fixed = [a for replay in replays.values() for a in replay.constants.values()]
        fixed += [table for table, _, _ in self.sums]
        count = len(given) + len(split.joined)  # the arrays of a call come first
        self.addresses = np.array([0] * count + [address(a) for a in fixed], np.int64)
        number = {id(a): count + k for k, a in enumerate(fixed)}

        def kept(numbers) -> int:
            self.keep.append(np.array(numbers, np.int64))
            return address(self.keep[-1])

        def begin(x: Line, k: int) -> int:
            return self.part(x, k)[0] * x.nbytes // x.shape[0]

        for k, size in enumerate(self.sizes):
            replay = replays[size]
            begins, program = replay.memory.begins, replay.program
            moves_in = [
                (j, begin(x, k) if x in split.sliced else 0, begins[y], y.nbytes)
                for j, (x, y) in enumerate(zip(given, program.inputs))
            ]
            moves_in += [
                (number[id(a)], 0, begins[x], a.nbytes) for x, a in replay.constants.items()
            ]
            targets = {
                y: (number[id(table)], k * table[0].nbytes + a * table.itemsize)
                for table, ours, ends in self.sums
                for y, a in zip(ours, ends)
            }
            targets |= {y: (len(given) + j, begin(y, k)) for j, y in enumerate(split.joined)}
            moves_out = []
            for y, result in zip((*split.totals, *split.joined), program.outputs):
                at = lies(result)
                moves_out.append(
                    (
                        *targets[y],
                        begins[at.base] + at.offset * result.dtype.itemsize,
                        result.nbytes,
                    )
                )
            rows.append(
                (
                    address(replay.kernels),
                    address(replay.row_places),
                    len(replay.kernels),
                    kept(moves_in),
                    len(moves_in),
                    kept(moves_out),
                    len(moves_out),
                )
            )
        self.arenas = [
            replays[max(replays, key=lambda n: replays[n].memory.size)].new_arena()
            for _ in range(threads)
        ]
        self.counters = np.zeros(2, np.int64)  # chunks taken, chunks done
        table = kept(rows)
        self.jobs = [
            kept(
                (table, self.count, address(self.counters), arena.address, address(self.addresses))
            )
            for arena in self.arenas
        ]


def address(a: np.ndarray) -> int:
    """Of the first element."""
    return a.__array_interface__["data"][0]
