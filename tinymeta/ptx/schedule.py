"""When the launches of a graph end, by a model: each begins when it can and there is room for it.

A launch takes a share of the multiprocessors, and a share of the memory's bandwidth, for as long as
it would take by itself. It begins a launch's own time after those are done that it needs, if both
shares are free, and no sooner than one that has waited longer; alone it always can. A real GPU may
begin blocks of the next one while those of the last one end: this says only which launches wait for
one another.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

_ENOUGH = 1 + 1e-9  # of a share, whose sums are rounded


class Load(NamedTuple):
    """What a launch takes, for so many seconds; shares: of 1."""

    seconds: float
    multiprocessors: float
    bandwidth: float


def scheduled(loads: Sequence[Load], needs: Sequence[Sequence[int]], launch: float) -> float:
    """Seconds until all are done. needs: of each, earlier ones. launch: seconds before each."""
    ready: list[tuple[float, int]] = []  # (since when it could begin, number)
    running: list[tuple[float, int]] = []  # (when it ends, number)
    waits = [len(set(needed)) for needed in needs]
    followers: list[list[int]] = [[] for _ in loads]
    for k, needed in enumerate(needs):
        for j in set(needed):
            followers[j].append(k)
        if not needed:
            heappush(ready, (launch, k))
    now, multiprocessors, bandwidth = 0.0, 0.0, 0.0  # shares that are taken
    while ready or running:
        if ready and (since := ready[0])[0] <= now:
            load = loads[since[1]]
            fits = (
                multiprocessors + load.multiprocessors <= _ENOUGH
                and bandwidth + load.bandwidth <= _ENOUGH
            )
            if fits or not running:
                heappop(ready)
                heappush(running, (now + load.seconds, since[1]))
                multiprocessors += load.multiprocessors
                bandwidth += load.bandwidth
                continue
        elif ready and (not running or ready[0][0] < running[0][0]):
            now = ready[0][0]
            continue
        now, k = heappop(running)
        multiprocessors -= loads[k].multiprocessors
        bandwidth -= loads[k].bandwidth
        for follower in followers[k]:
            waits[follower] -= 1
            if not waits[follower]:
                heappush(ready, (now + launch, follower))
    return now


def longest_chain(needs: Sequence[Sequence[int]]) -> int:
    """How many launches at most each need the one before."""
    length: list[int] = []
    for needed in needs:
        length.append(1 + max((length[j] for j in needed), default=0))
    return max(length, default=0)
