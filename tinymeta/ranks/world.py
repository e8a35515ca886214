"""What jit and meta.train ask of several ranks, answered by messages.

    jit          total, join       the chunks of each rank, put together
    meta.train   check_stop, ..    what all have to agree on before they go on

Invariant: every answer is the same on all ranks, so they take the same way through the same lines.
"""

import secrets
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.device import devices
from ..system.world import World
from . import sums
from .messages import Messages
from .same import digest
from .sharded import shard_update

_FOLDER_SECONDS = 10.0  # network disks show a new file to other machines after some seconds


class Ranks(World):
    """Several processes, of which this is one; threads: how many it may use.

    place: the machine it runs on, for errors to name; local: which of the ranks there it is. stop:
    the number of a signal that has come.
    change: what is done to this rank's slice of the next sums before slices are put together, see
    `sums.total`.
    """

    def __init__(
        self, messages: Messages, threads: int | None = None, place: str = "", local: int = 0
    ):
        self.messages, self.threads, self.local = messages, threads, local
        self.rank, self.size = messages.rank, messages.size
        self.places = messages.gather(place)
        self.stop = 0
        self.change: Callable[[np.ndarray], None] | None = None

    def device(self, name: str) -> str:
        """Of "cuda", the GPU of this rank: its number among the ranks here, modulo the GPUs."""
        if name != "cuda":
            return name
        gpus = [found for found in devices() if found.startswith(name)]
        return gpus[self.local % len(gpus)]

    def total(self, rows: np.ndarray, present: Sequence[bool]) -> np.ndarray:
        """The sum of all ranks' rows along one tree, see `World.total`."""
        return sums.total(self.messages, rows, present, self.change)

    def join(self, array: np.ndarray, bounds: Sequence[int]) -> None:
        """Fill a flat array of which each rank has a part."""
        sums.join(self.messages, array, bounds)

    def largest(self, number: int) -> int:
        """The largest of all ranks' numbers."""
        return self.messages.largest(number)

    def sum_of(self, number: float) -> float:
        """The sum of all ranks' numbers, in their order."""
        return sum(self.messages.gather(number))

    def check_stop(self) -> None:
        """Raise KeyboardInterrupt(name) on all ranks if a signal has come to one of them."""
        number = self.messages.largest(self.stop)
        if number:
            name = signal.Signals(number).name
            raise KeyboardInterrupt("Ctrl-C" if name == "SIGINT" else name)

    def check_same(self, **values: Any) -> None:
        """Raise RuntimeError, on every rank, where one has another value than rank 0."""
        found = self.messages.gather({name: digest(value) for name, value in values.items()})
        for name in values:
            others = [r for r in range(self.size) if found[r][name] != found[0][name]]
            if others:
                raise RuntimeError(
                    f"{self.named(others[0])} and {self.named(0)} differ in their "
                    f"{name.replace('_', ' ')}: start all ranks with the same code, flags and data"
                )

    def check_folder(self, folder: Any) -> None:
        """Raise RuntimeError, on every rank, unless all see a file that rank 0 writes there."""
        (name, *_) = self.messages.gather(f".{secrets.token_hex(8)}")
        probe = Path(folder) / name
        if self.rank == 0:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.touch()
        self.messages.gather(None)
        end = time.monotonic() + _FOLDER_SECONDS
        while not (seen := probe.exists()) and time.monotonic() < end:
            time.sleep(0.1)
        blind = [r for r, sees in enumerate(self.messages.gather(seen)) if not sees]
        if self.rank == 0:
            probe.unlink(missing_ok=True)
        if blind:
            raise RuntimeError(
                f"{self.named(blind[0])} does not see what {self.named(0)} writes to {folder}: "
                "give an output folder on a disk that all machines share"
            )

    def sharded(self, meta_grad: Any, optimizer: Any, params: Any, state: Any, batch: Any) -> Any:
        """The update in parts, see sharded.py and `World.sharded`."""
        if self.size == 1:
            return None
        return shard_update(self, meta_grad, optimizer, params, state, batch)

    def named(self, rank: int) -> str:
        """A rank as errors name it: "rank 3 (on node7)"."""
        place = self.places[rank]
        return f"rank {rank} (on {place})" if place else f"rank {rank}"
