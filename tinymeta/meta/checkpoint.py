"""Checkpoints: all that a training needs to go on, bit for bit, in one file written every minutes.

It holds the parameters, the optimizer's state, the best parameters so far, the states of the random
generators, the curve, and the configuration of the run, which has to be the same to go on.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..io import about, load, save
from .method import Score

KIND = "checkpoint of a training"


class Row(NamedTuple):
    """A point of the learning curve; metrics are means since the row before."""
    iteration: int
    seconds: float          # since the beginning, earlier parts of a resumed run included
    metrics: dict
    score: object           # what `evaluate` returned, or None
    pace: float = 0.0       # milliseconds an update takes, without evaluation
    memory: float = 0.0     # peak memory of the process, in MB


class Best(NamedTuple):
    """The parameters with the best score so far."""
    params: object
    iteration: int
    score: object


class Progress(NamedTuple):
    """A training after `iteration` updates; immutable, so any of them can be gone back to."""
    params: object
    state: object           # of the optimizer
    best: Best | None
    iteration: int
    seconds: float
    curve: tuple            # of Rows
    sums: dict              # of the metrics since the last row
    busy: float             # seconds spent in updates since then
    count: int              # updates since then
    draws: dict             # the generators' states


class Checkpoint:
    """Where a training is kept.

    path: a .npz file; config: what a run must have in common with the one it continues, for JSON;
    generators: every random generator the run draws from, by name; every: seconds between writes.
    """

    def __init__(self, path, config: dict, generators: dict[str, np.random.Generator],
                 every: float = 120.0):
        self.path, self.config, self.generators, self.every = Path(path), config, generators, every
        self.written = time.perf_counter()

    def draws(self) -> dict:
        """Where each generator stands, by name."""
        return {name: rng.bit_generator.state for name, rng in self.generators.items()}

    def due(self) -> bool:
        """Is it time to write one?"""
        return time.perf_counter() - self.written >= self.every

    def write(self, at: Progress) -> None:
        """Keep this progress in place of what was kept, or raise OSError and leave that as it was."""
        best = at.best
        arrays = {"params": at.params, "state": at.state, "best": best and best.params}
        curve = [(*row[:3], row.score and list(row.score), *row[4:]) for row in at.curve]
        told = {
            "kind": KIND, "config": self.config, "iteration": at.iteration, "seconds": at.seconds,
            "curve": curve, "sums": at.sums, "busy": at.busy, "count": at.count, "draws": at.draws,
            "best": best and [best.iteration, list(best.score)]}
        try:
            save(self.path, arrays, about=told)
        except OSError as error:
            raise OSError(f"the checkpoint {self.path} could not be written ({error}): the one "
                          "before is as it was; make room and resume") from None
        self.written = time.perf_counter()

    def read(self, params, state) -> Progress:
        """The progress that was written, and the generators set to where they were then.

        params, state: trees like those it must hold.
        Raises FileNotFoundError where nothing was kept; ValueError for a file that is damaged, was
        changed, is no checkpoint, or is of a run with another configuration.
        """
        if not self.path.exists():
            raise FileNotFoundError(f"there is no checkpoint {self.path}: begin without resuming")
        kept = about(self.path)
        if kept.get("kind") != KIND:
            raise ValueError(f"{self.path} is not a {KIND}")
        self.compare(kept["config"])
        best = kept["best"]
        arrays = load(self.path, like={
            "params": params, "state": state, "best": params if best else None})
        for name, rng in self.generators.items():
            rng.bit_generator.state = kept["draws"][name]
        curve = tuple(Row(*row[:3], row[3] and Score(*row[3]), *row[4:]) for row in kept["curve"])
        self.written = time.perf_counter()
        return Progress(arrays["params"], arrays["state"],
                        best and Best(arrays["best"], best[0], Score(*best[1])), kept["iteration"],
                        kept["seconds"], curve, kept["sums"], kept["busy"], kept["count"],
                        kept["draws"])

    def compare(self, config: dict) -> None:
        """Raise ValueError, naming each difference, unless `config` is this run's."""
        missing = "absent"
        differ = [f"{key} was {config.get(key, missing)!r} and is {self.config.get(key, missing)!r}"
                  for key in sorted({*config, *self.config})
                  if config.get(key, missing) != self.config.get(key, missing)]
        if differ:
            raise ValueError(f"{self.path} is of another run: {', '.join(differ)}; give what it "
                             "was begun with, or another place to keep this one")

    def set_aside(self) -> Path | None:
        """Move what is there out of the way of a new run: its new path, or None."""
        if not self.path.exists():
            return None
        aside = self.path.with_name(f"{self.path.stem}.before.npz")
        os.replace(self.path, aside)
        return aside


def finite(*trees) -> bool:
    """Whether every number in the trees is one."""
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in tree.leaves(trees))
