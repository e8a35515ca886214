"""Numbered tasks: task n of update k is the same, whoever draws it and whatever was before.

A generator that draws one task after another has to draw all that come before. Here each task has a
generator of its own, whose place in a counter is (k, n): Philox (Salmon et al. 2011) reaches every
place at once. So each process of a training draws its own tasks alone, an update can be drawn
again, and a resumed run needs no state. Cost: a generator for each task, 15 us, and a call of
`draw` for each.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.checks import check_function, check_whole


class Numbered:
    """A source of batches for `tm.meta.train`: `source(k)` is that of update k, from 0 on.

    draw(rng) -> one task, a tree of arrays (1, ..) such as `tm.data.episodes(.., tasks=1)`; tasks:
    in a batch; seed: of all of them.
    Raises ValueError if tasks is no whole number from 1 on, or the seed none from 0 on.
    """

    def __init__(self, draw: Callable, *, tasks: int, seed: int = 0) -> None:
        check_function("Numbered", draw=draw)
        (self.tasks,) = check_whole("Numbered", tasks=tasks)
        (self.seed,) = check_whole("Numbered", 0, seed=seed)
        self.draw = draw
        self.key = np.random.SeedSequence(self.seed).generate_state(2, np.uint64)

    def __call__(self, k: int) -> Any:
        """The batch of update k: a tree of arrays (tasks, ..)."""
        return self.sample(k, 0, self.tasks)

    def sample(self, k: int, lo: int, hi: int) -> Any:
        """Tasks lo to hi, without hi, of update k: a tree of arrays (hi - lo, ..).

        Raises ValueError for numbers out of range.
        """
        k, lo, hi = check_whole("Numbered.sample", 0, k=k, lo=lo, hi=hi)
        if not lo < hi <= self.tasks:
            raise ValueError(
                f"Numbered.sample: tasks {lo} to {hi} must be some of 0 to {self.tasks}"
            )
        drawn = [self.draw(self.generator(k, n)) for n in range(lo, hi)]
        return tree.map(lambda *arrays: np.concatenate(arrays), *drawn)

    def generator(self, k: int, n: int) -> np.random.Generator:
        """The generator of task n of update k, of 2^128 numbers before it meets another."""
        return np.random.Generator(np.random.Philox(key=self.key, counter=[0, 0, n, k]))
