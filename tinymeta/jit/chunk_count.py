"""How many chunks: enough that one fits the cache, and enough for many threads.

In: a `Split`. Out: a power of two, from shapes and the constants below alone. Not from the number
of threads: sums over the tasks are added along one binary tree whose leaves are the chunks
(tree_sum.py), so a result has the same bits on any number of threads, on any machine's cache.

Where that is more than there are tasks, some chunks are empty. The memory of a chunk is estimated
from the equations in O(n), as to plan it only to learn its size would cost as much as to plan what
is run.
"""

from collections.abc import Iterable

from .loops import is_elementwise
from .program import Equation
from .split import Split
from .task_roles import estimated_seconds
from .views import VIEWS, source

CHUNK_BYTES = 2e6  # of values that live at once; more leaves the second cache of most processors
_CHUNK_SECONDS = 1e-4  # of work, below which a chunk is not cut further for the sake of threads
_FOR_THREADS = 16  # chunks, of which that much work is made if there is enough


def chunk_count(split: Split) -> int:
    """The number of chunks of a split program: 1, 2, 4, .. up to twice the tasks."""
    seconds = sum(map(estimated_seconds, split.middle))
    for_cache = most_live_bytes(split) / CHUNK_BYTES
    for_threads = min(seconds / _CHUNK_SECONDS, _FOR_THREADS)
    count = 1
    while count < for_cache and count < split.tasks or 2 * count <= min(for_threads, split.tasks):
        count *= 2
    return count


def most_live_bytes(split: Split) -> int:
    """About the most bytes of values along the tasks that live at once, for all tasks together.

    Not counted is what stays in registers: elementwise values with one reader.
    """
    along = set(split.middle).union(split.mapped).difference(split.reduced)
    last_reader: dict[Equation, int] = {}
    readers: dict[Equation, int] = dict.fromkeys(along, 0)
    for k, eqn in enumerate(split.middle):
        if eqn.op in VIEWS:
            continue
        for x in _sources(eqn.inputs):
            readers[x] = readers.get(x, 0) + 1
            last_reader[x] = k
    live = most = sum(x.nbytes for x in split.mapped)
    ends: list[int] = [0] * len(split.middle)
    for k, eqn in enumerate(split.middle):
        in_registers = is_elementwise(eqn) and readers.get(eqn, 0) <= 1
        if eqn in along and eqn.op not in VIEWS and not in_registers:
            live += eqn.nbytes
            most = max(most, live)
            ends[last_reader.get(eqn, len(ends) - 1)] += eqn.nbytes
        live -= ends[k]
    return most


def _sources(equations: Iterable[Equation]) -> set[Equation]:
    """What the equations are, or are views of."""
    return {source(x)[0] for x in equations}
