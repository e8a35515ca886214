"""Checkpoints: all that a training needs to go on, bit for bit, in one file written every minutes.

It holds the parameters, the optimizer's state, the best parameters so far, the states of the random
generators, the curve, and the configuration of the run, which has to be the same to go on.
"""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.unzip import naming_the_file, one_line
from ..io import match_structure, read, save
from .aside import set_aside
from .decoded import decoded
from .method import Score
from .place import place

KIND = "checkpoint of a training"


class Row(NamedTuple):
    """A point of the learning curve; metrics are means since the row before."""

    iteration: int
    seconds: float  # since the beginning, earlier parts of a resumed run included
    metrics: dict[str, float]
    score: Score | None  # what `evaluate` returned
    pace: float = 0.0  # milliseconds an update takes, without evaluation
    memory: float = 0.0  # peak memory of the process, in MB


class Best(NamedTuple):
    """The parameters with the best score so far."""

    params: object
    iteration: int
    score: object


class Scored(NamedTuple):
    iteration: int
    score: Score


class Progress(NamedTuple):
    """A training after `iteration` updates; immutable, so any of them can be gone back to."""

    params: object
    state: object  # of the optimizer
    best: Best | None
    iteration: int
    seconds: float
    curve: tuple  # of Rows
    sums: dict  # of the metrics since the last row
    busy: float  # seconds spent in updates since then
    count: int  # updates since then
    draws: dict  # the generators' states


class Told(NamedTuple):
    """What a file tells of a Progress, beside its trees; best: (iteration, score)."""

    config: dict
    iteration: int
    seconds: float
    curve: tuple[Row, ...]
    sums: dict[str, float]
    busy: float
    count: int
    draws: dict
    best: Scored | None
    place: str  # where it was computed


class Checkpoint:
    """Where a training is kept.

    path: a .npz file; config: what a run must have in common with the one it continues, for JSON;
    generators: every random generator the run draws from, by name; every: seconds between writes.
    `made_on` tells where what was read was computed, which its bits depend on.
    """

    def __init__(
        self, path, config: dict, generators: dict[str, np.random.Generator], every: float = 120.0
    ):
        self.path, self.config, self.generators, self.every = Path(path), config, generators, every
        self.written, self.made_on = time.perf_counter(), place()

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
            "kind": KIND,
            "config": self.config,
            "iteration": at.iteration,
            "seconds": at.seconds,
            "curve": curve,
            "sums": at.sums,
            "busy": at.busy,
            "count": at.count,
            "draws": at.draws,
            "place": place(),
            "best": best and [best.iteration, list(best.score)],
        }
        try:
            save(self.path, arrays, about=told)
        except OSError as error:
            raise OSError(
                f"the checkpoint {self.path} could not be written ({error}): the one "
                "before is as it was; make room and resume"
            ) from None
        self.written = time.perf_counter()

    def read(self, params, state) -> Progress:
        """The progress that was written, and the generators set to where they were then.

        params, state: trees like those it must hold.
        Raises FileNotFoundError where nothing was kept; ValueError for a file that is damaged, was
        changed, is no checkpoint, or is of a run with another configuration.
        """
        if not self.path.exists():
            raise FileNotFoundError(f"there is no checkpoint {self.path}: begin without resuming")
        arrays, about = read(self.path)
        with naming_the_file(self.path, f"a {KIND}"):
            kept = told_by(about)
        self.compare(kept.config)
        best = kept.best
        arrays = match_structure(
            arrays, {"params": params, "state": state, "best": params if best else None}, self.path
        )
        with naming_the_file(self.path, f"a {KIND}"):
            self.restore(kept.draws)
        self.written, self.made_on = time.perf_counter(), kept.place
        return Progress(
            arrays["params"],
            arrays["state"],
            best and Best(arrays["best"], *best),
            kept.iteration,
            kept.seconds,
            kept.curve,
            kept.sums,
            kept.busy,
            kept.count,
            kept.draws,
        )

    def restore(self, draws: dict) -> None:
        """Set the generators to these states, or raise what NumPy does and leave them all."""
        before = self.draws()
        try:
            self.set_draws(draws)
            if self.draws() != draws:
                raise ValueError("a state of its generators is none")
        except Exception:
            self.set_draws(before)
            raise

    def set_draws(self, draws: dict) -> None:
        """Set the generators to these states, by their names; NumPy's errors for what is none."""
        for name, rng in self.generators.items():
            rng.bit_generator.state = draws[name]

    def compare(self, config: dict) -> None:
        """Raise ValueError, naming each difference, unless `config` is this run's."""
        missing = "absent"
        differ = [
            f"{key} was {config.get(key, missing)!r} and is {self.config.get(key, missing)!r}"
            for key in sorted({*config, *self.config})
            if config.get(key, missing) != self.config.get(key, missing)
        ]
        if differ:
            more = [f"and {len(differ) - 5} more"] if len(differ) > 5 else []
            told = ", ".join([*map(one_line, differ[:5]), *more])
            raise ValueError(
                f"{self.path} is of another run: {told}; give what it was begun with, "
                "or another place to keep this one"
            )

    def set_aside(self) -> Path | None:
        """Move what is there out of the way of a new run: its new path, or None."""
        folder = set_aside([self.path], self.path.stem)
        return folder and folder / self.path.name


def told_by(about: dict) -> Told:
    """What a file tells, after a look at whether a run can have told it.

    Raises KeyError and ValueError: to be called under `naming_the_file`.
    """
    if about["kind"] != KIND:
        raise ValueError("it is of another kind")
    about = {"place": "a place not noted", **about}  # by earlier versions
    told = decoded([about[name] for name in Told._fields], Told, "about")
    counters = (told.iteration, told.seconds, told.busy, told.count)
    since = told.curve[-1].iteration if told.curve else 0
    if (
        not all(0 <= number < float("inf") for number in counters)
        or told.iteration != since + told.count
    ):
        raise ValueError("its counters do not add up")
    means = [*(row.metrics for row in told.curve), *[told.sums] * (told.count > 0)]
    if not all("loss" in metrics for metrics in means):
        raise ValueError("it lacks a loss")
    return told


def finite(*trees) -> bool:
    """Whether every number in the trees is one."""
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in tree.leaves(trees))
