"""Checkpoints: all that a training needs to resume, bit for bit, in one file.

It holds the parameters, the optimizer's state, the best parameters so far, the states of the random
generators, the curve, and the configuration of the run, which has to be the same to resume. The
arrays are an archive of `tm.save`; the rest is JSON in it, the fields of `Metadata`.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..io import match_structure, read, save
from ..system.unzip import naming_the_file, one_line
from .backup import move_to_backup
from .decode import decode
from .environment import environment
from .evaluation import Score
from .training_state import Best, Progress, Row

KIND = "checkpoint of a training"


class Scored(NamedTuple):
    """When a score was reached: how the file holds `Best`, whose parameters are an array in it."""

    iteration: int
    score: Score


class Metadata(NamedTuple):
    """What is in the file beside the arrays. The names are the keys of the file's JSON."""

    config: dict
    iteration: int
    seconds: float
    curve: tuple[Row, ...]
    sums: dict[str, float]
    busy: float
    count: int  # type: ignore[assignment]  # tuple has a method of this name
    draws: dict  # generator_states
    best: Scored | None
    place: str  # the environment it was computed in


class Checkpoint:
    """The file that a training is resumed from, and when to write it.

    path: a .npz file; config: what a run must have in common with the one it continues, for JSON;
    generators: every random generator the run draws from, by name; every: seconds between writes.
    `made_on` is the environment in which what was read was computed, which its bits depend on.
    """

    def __init__(
        self,
        path: Any,
        config: dict,
        generators: dict[str, np.random.Generator],
        every: float = 120.0,
    ) -> None:
        self.path = Path(path)
        self.config = config
        self.generators = generators
        self.every = every
        self.written = time.perf_counter()  # when the file was last, or this object made
        self.made_on = environment()

    def generator_states(self) -> dict:
        """The state of each generator, by name, as JSON holds it: arrays as lists."""
        states = {name: rng.bit_generator.state for name, rng in self.generators.items()}
        return tree.map(lambda x: x.tolist() if isinstance(x, np.ndarray) else x, states)

    def due(self) -> bool:
        """Is it time to write one?"""
        return time.perf_counter() - self.written >= self.every

    def write(self, progress: Progress) -> None:
        """Replace the file by one with this `progress`.

        Raises OSError where it cannot be written; the file is then as it was.
        """
        best = progress.best
        arrays = {"params": progress.params, "state": progress.state, "best": best and best.params}
        about = {
            "kind": KIND,
            "config": self.config,
            "iteration": progress.iteration,
            "seconds": progress.seconds,
            "curve": [_row_to_json(row) for row in progress.curve],
            "sums": progress.sums,
            "busy": progress.busy,
            "count": progress.count,
            "draws": progress.generator_states,
            "place": environment(),
            "best": best and [best.iteration, list(best.score)],
        }
        try:
            save(self.path, arrays, about=about)
        except OSError as error:
            raise OSError(
                f"the checkpoint {self.path} could not be written ({error}): the one "
                "before is as it was; make room and resume"
            ) from None
        self.written = time.perf_counter()

    def read(self, params: Any, state: Any) -> Progress:
        """The progress in the file; the generators are set to their states in it.

        params, state: trees like those it must hold.
        Raises FileNotFoundError where there is no file; ValueError for one that is damaged, was
        changed, is no checkpoint, or is of a run with another configuration.
        """
        if not self.path.exists():
            raise FileNotFoundError(f"there is no checkpoint {self.path}: begin without resuming")
        found, about = read(self.path)
        with naming_the_file(self.path, f"a {KIND}"):
            metadata = _metadata_of(about)
        self.compare(metadata.config)
        expected = {"params": params, "state": state, "best": params if metadata.best else None}
        arrays: Any = match_structure(found, expected, self.path)
        best = None
        if metadata.best:
            best = Best(arrays["best"], metadata.best.iteration, metadata.best.score)
        with naming_the_file(self.path, f"a {KIND}"):
            self.restore(metadata.draws)
        self.written = time.perf_counter()
        self.made_on = metadata.place
        return Progress(
            params=arrays["params"],
            state=arrays["state"],
            best=best,
            iteration=metadata.iteration,
            seconds=metadata.seconds,
            curve=metadata.curve,
            sums=metadata.sums,
            busy=metadata.busy,
            count=metadata.count,
            generator_states=metadata.draws,
        )

    def restore(self, states: dict) -> None:
        """Set the generators to these states, or raise what NumPy does and leave them all."""
        before = self.generator_states()
        try:
            self._set_generators(states)
            if self.generator_states() != states:
                raise ValueError("a state of its generators is none")
        except Exception:
            self._set_generators(before)
            raise

    def _set_generators(self, states: dict) -> None:
        """Set the generators to these states, by name; raises what NumPy does for what is none."""
        for name, rng in self.generators.items():
            rng.bit_generator.state = states[name]

    def compare(self, config: dict) -> None:
        """Raise ValueError, naming each difference, unless `config` is this run's."""
        missing = "absent"
        differences = []
        for key in sorted({*config, *self.config}):
            was, now = config.get(key, missing), self.config.get(key, missing)
            if was != now:
                differences.append(f"{key} was {was!r} and is {now!r}")
        if differences:
            shown = [one_line(difference) for difference in differences[:5]]
            if len(differences) > 5:
                shown.append(f"and {len(differences) - 5} more")
            raise ValueError(
                f"{self.path} is of another run: {', '.join(shown)}; give what it was begun with, "
                "or another place to keep this one"
            )

    def set_aside(self) -> Path | None:
        """Move the file into a backup folder, out of a new run's way: its new path, or None."""
        folder = move_to_backup([self.path], self.path.stem)
        return folder and folder / self.path.name


def finite(*trees: Any) -> bool:
    """Whether every number in the trees is finite."""
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in tree.leaves(trees))


def _row_to_json(row: Row) -> list:
    """The fields of a Row, as `decode` reads them."""
    score = row.score and list(row.score)
    return [row.iteration, row.seconds, row.metrics, score, row.pace, row.memory]


def _metadata_of(about: dict) -> Metadata:
    """The metadata in a file, checked: no run writes counters that contradict each other.

    Raises KeyError and ValueError: to be called under `naming_the_file`.
    """
    if about["kind"] != KIND:
        raise ValueError("it is of another kind")
    about = {"place": "a place not noted", **about}  # by earlier versions
    fields = [about[name] for name in Metadata._fields]
    metadata = decode(fields, Metadata, "about")
    counters = (metadata.iteration, metadata.seconds, metadata.busy, metadata.count)
    last_row = metadata.curve[-1].iteration if metadata.curve else 0
    in_range = all(0 <= number < float("inf") for number in counters)
    if not in_range or metadata.iteration != last_row + metadata.count:
        raise ValueError("its counters do not add up")
    means = [row.metrics for row in metadata.curve]
    if metadata.count > 0:
        means.append(metadata.sums)
    if not all("loss" in metrics for metrics in means):
        raise ValueError("it lacks a loss")
    return metadata
