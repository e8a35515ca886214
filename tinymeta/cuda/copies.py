"""Many small arrays copied by one launch: between places that are known and others that change.

A compiled program has its arguments and results at places of its own, and at each call copies them
from the caller's arrays and to new ones. One call of libcuda for each of them takes the host a
microsecond or two, and the GPU as long as a kernel takes to begin. Here one kernel copies up to
AT_ONCE arrays, a row of blocks each:

    blockIdx.y       0               1               2      ..
    copies           A0 -> B0        A1 -> B1        A2 -> B2, counts[2] words of 32 bits

The addresses are arguments of the launch, which libcuda reads when it is queued: at the next call
others are put in their place.
"""

import functools
from collections.abc import Sequence
from typing import Any

from . import target
from .driver import Address, current
from .launch import THREADS, GpuKernel, block_count

AT_ONCE = 16  # arrays of one launch
_LARGEST = 2**20  # bytes of an array: a larger one is worth a call of its own
WORD = 4  # bytes that a thread copies at once
_MOST_BLOCKS = 32  # for each array; a thread of few copies several words


def are_words(address: int, nbytes: int) -> bool:
    """Can they be copied here: some whole words, and not too many? Never in the simulator."""
    whole = not (address % WORD or nbytes % WORD)
    return whole and 0 < nbytes <= _LARGEST and not target.SIMULATED


class Copies:
    """Copies between places of this thread's GPU, each (address, bytes), and as many others.

    into: are the places copied into? Else from. Of each place and each other `are_words` is true.
    """

    def __init__(self, places: Sequence[tuple[int, int]], into: bool):
        self.others = [Address() for _ in places]
        self.launches = []
        if not places:
            return
        loaded = copy_kernel().loaded_for(("uint32",) * (2 * AT_ONCE) + (AT_ONCE,))
        for first in range(0, len(places), AT_ONCE):
            here = places[first : first + AT_ONCE]
            unused = AT_ONCE - len(here)
            ours = [Address(address) for address, _ in here] + [Address()] * unused
            theirs = self.others[first : first + AT_ONCE] + [Address()] * unused
            counts = (*(nbytes // WORD for _, nbytes in here), *[0] * unused)
            arrays = (*theirs, *ours) if into else (*ours, *theirs)
            grid = min(block_count(max(counts)), _MOST_BLOCKS), len(here), 1
            launch = current().prepare_launch(loaded, grid, (THREADS, 1, 1), (*arrays, counts))
            self.launches.append(launch)

    def __call__(self, addresses: Sequence[int]) -> None:
        """Queue them, with these for the others. One thread at a time."""
        for place, address in zip(self.others, addresses):
            place.value = address
        for launch in self.launches:
            launch()


_HEAD = "def kernel({arrays}, counts):\n    k = cuda.blockIdx.y"
_BRANCH = """\
    if k == {k}:
        for i in range(cuda.grid(1), counts[{k}], cuda.gridsize(1)):
            B{k}[i] = A{k}[i]"""


@functools.cache
def copy_kernel() -> GpuKernel:
    """A, copied from, then B, copied into, then how many words of each."""
    names = [f"{side}{k}" for side in "AB" for k in range(AT_ONCE)]
    branches = [_BRANCH.format(k=k) for k in range(AT_ONCE)]
    text = "\n".join([_HEAD.format(arrays=", ".join(names)), *branches])
    namespace: dict[str, Any] = {"cuda": target.cuda, "__name__": __name__}
    exec(compile(text, "<tinymeta copies>", "exec"), namespace)
    return GpuKernel(namespace["kernel"], f"{AT_ONCE} arrays")
