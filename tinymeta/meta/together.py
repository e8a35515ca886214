"""What a training does so that several processes can share it (system/world.py), and says of that.

    batches   each process draws them whole; of a source with `sample(k, lo, hi)` only its own tasks
    state     of the optimizer: whole, or this process's part of it
    notes     what is computed by every process, and why

A process alone draws whole batches, keeps a whole state, and has little to say.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..progress import ProgressBar
from ..system.world import World
from .checkpoint import Checkpoint


class Batches:
    """The batches of a training: `draw(k)` for update k.

    sample: a function, called with k if it is `numbered`; or a source, which has `tasks` and
    `sample(k, lo, hi)`, tasks lo to hi of update k, whoever draws them. own: the tasks that this
    process computes; None: it needs them all.
    """

    def __init__(self, sample: Any, numbered: bool):
        self.function, self.numbered = sample, numbered
        self.is_source = callable(getattr(sample, "sample", None))
        self.own: tuple[int, int] | None = None
        self.like: Any = None  # a whole batch

    def draw(self, k: int) -> Any:
        """The batch of update k; where this process has tasks of its own, zeros in the others."""
        if self.own is None:
            return self._whole(k)
        lo, hi = self.own
        # Memory that nobody touches is not there: the system gives zeros when they are read.
        batch = tree.map(lambda x: np.zeros(x.shape, x.dtype), self.like)
        if lo < hi:
            drawn = self.function.sample(k, lo, hi)
            for whole, part in zip(tree.leaves(batch), tree.leaves(drawn)):
                whole[lo:hi] = part
        return batch

    def whole(self, k: int, batch: Any) -> Any:
        """The batch of update k, which `draw` gave, with all tasks in it; None of none."""
        return batch if self.own is None or batch is None else self._whole(k)

    def _whole(self, k: int) -> Any:
        if self.is_source:
            return self.function.sample(k, 0, self.function.tasks)
        return self.function(k) if self.numbered else self.function()

    def draw_own_from_now_on(self, update: Any, leaves_before: int, batch: Any) -> str:
        """Of a source, only what this process computes; returns why that is not so, or "".

        update: compiled for a batch like this one; leaves_before: of its arguments, those before.
        """
        programs = [program for program in getattr(update, "programs", {}).values() if program]
        if not any(program.execution.tasks for program in programs):
            return ""  # every rank computes with all of them, which has been said
        if not self.is_source:
            return "every rank draws all tasks, as `sample` is no source of numbered ones"
        from ..jit.chunks import ChunkedReplay  # with the compiler, which is loaded by now

        for program in programs:
            if isinstance(program.replay, ChunkedReplay):
                leaves = [k for k, _ in program.traced.input_leaves]
                inputs = [x for x, k in zip(program.program.inputs, leaves) if k >= leaves_before]
                if program.replay.split.tasks == self.function.tasks:
                    self.own = program.replay.own_tasks(inputs)
        self.like = batch
        if self.own is None:
            return "every rank draws all tasks, as it computes with all of them"
        return ""


def is_due(checkpoint: Checkpoint, world: World) -> bool:
    """Whether the process that writes checkpoints finds it time to; the same on all."""
    return bool(world.largest(world.first and checkpoint.due()))


def note_execution(update: Callable, world: World, bar: ProgressBar) -> None:
    """Say once why much of the update is not cut up for threads, or ranks, if that is so.

    Raises ValueError if there are fewer tasks than ranks.
    """
    programs = getattr(update, "programs", {}).values()
    executions = [program.execution for program in programs if program]
    if world.size > 1 and not executions:
        bar.note(update="every rank computes all tasks, as the update is not compiled")
    for execution in executions:
        if world.size > 1 and not execution.tasks:
            bar.note(update=f"every rank computes all of it, {execution}")
        elif execution.serial:
            bar.note(update=execution)
        if 0 < execution.chunks < world.size <= execution.tasks:
            idle = world.size - execution.chunks
            bar.note(update=f"{idle} of {world.size} ranks have no work in it, {execution.how}")
        if 0 < execution.tasks < world.size:
            raise ValueError(
                f"train: {world.size} ranks for {execution.tasks} tasks: some would have none; "
                "start fewer ranks, or draw more tasks"
            )
