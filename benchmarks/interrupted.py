"""Runs of the examples that are killed, or meet another run in their folder.

Each run is a fork of this process, in which everything is imported already: so a moment that is
drawn at random falls into the run, and what is changed to make it fail is changed nowhere else. The
generators here and in full_disk.py are kinds of faults of `faults.py`: they yield "" for a fault
that ended well, else what went wrong. A run ended well if its parameters have the bits of an
uninterrupted run.
"""

import functools
import itertools
import multiprocessing
import random
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import tinymeta as tm
from tinymeta.runs import pictures, training  # noqa: F401  for the forks, with their imports

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.append(str(EXAMPLES))

ALWAYS = "--every 0.05 --test-tasks 5"
FLAGS = {
    "maml_sinusoid": "--iterations 40 --tasks 3",
    "learned_optimizer": "--iterations 20 --tasks 3 --steps 4 --truncate 2 --hidden 3",
    "maml_images": "--iterations 6 --tasks 2 --validation-tasks 2 --net dense --glyph-alphabets 2",
    "prototypical_images": "--iterations 5 --way 5 --filters 4 --glyph-alphabets 2",
    "siamese_images": "--iterations 4 --classes 4 --alphabets 1 --filters 4 --features 8 "
    "--glyph-alphabets 2",
}
GLYPHS = ((2, 0), (5, 30), (15, 35))  # alphabets and the first of them, as image_sets has it
cached_glyphs = functools.cache(tm.data.Glyphs.characters)  # filled here, used by the forks
log_numbers = itertools.count()


class ExampleRun:
    """A fork that runs an example in the folder `out`; its output is kept in a file beside.

    prepare() is called in the fork before the example.
    """

    def __init__(
        self, name: str, out: Path, *flags: str, prepare: Callable[[], None] = lambda: None
    ) -> None:
        self.log = out.with_name(f"{out.name}.{next(log_numbers)}.txt")
        self.log.touch()  # it may be killed before it could
        words = (*FLAGS[name].split(), *ALWAYS.split(), *flags, "--out", str(out))
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(target=self._run, args=(name, words, prepare))
        self.process.start()

    def _run(self, name: str, words: tuple[str, ...], prepare: Callable[[], None]) -> None:
        """What the fork does."""
        sys.stdout = sys.stderr = open(self.log, "w", buffering=1)
        pictures.pyplot = lambda: None  # no plots: they take longer than these runs
        tm.data.Glyphs.characters = cached_glyphs
        sys.argv = [f"{name}.py", *words]
        prepare()
        runpy.run_path(str(EXAMPLES / sys.argv[0]), run_name="__main__")

    def kill(self, after: float) -> None:
        """kill -9 after so many seconds, unless it has ended by then."""
        self.process.join(after)
        self.process.kill()

    def end(self) -> tuple[int | None, str]:
        """Wait for its end: its exit status, and the last line of its output."""
        self.process.join()
        lines = self.log.read_text().splitlines() or [""]
        return self.process.exitcode, lines[-1]

    def fault(self, *allowed: int) -> str:
        """What is wrong with its end; "" if its status is one of these, without a traceback."""
        status, last = self.end()
        if status in allowed and "Traceback" not in self.log.read_text():
            return ""
        return f"a run ended with status {status}: {last}"


def saved_bits(out: Path) -> list[bytes]:
    """The parameters that a run left in its folder when it ended."""
    (path,) = (path for path in out.glob("*.npz") if ".checkpoint" not in path.name)
    return [np.asarray(leaf).tobytes() for leaf in tm.tree.leaves(tm.load(path))]


def uninterrupted_bits(name: str, out: Path, *flags: str) -> list[bytes]:
    """The parameters of a run that nothing happens to."""
    error = ExampleRun(name, out, *flags).fault(0)
    assert not error, error
    return saved_bits(out)


def resume_flags(out: Path) -> list[str]:
    """["--resume"] if there is a checkpoint of a run with seed 0, else []."""
    checkpoint = next(out.glob("*.checkpoint.npz"), None)
    if checkpoint is None:
        return []
    try:
        is_ours = tm.about(checkpoint)["config"]["seed"] == 0
    except ValueError:  # damaged: a run that is to go on from it will say so
        is_ours = True
    return ["--resume"] if is_ours else []


# ---- kill -9 -------------------------------------------------------------------------------------


def killed_runs(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Runs of all examples, killed at random moments and resumed: each must end as if nothing had
    happened."""
    for k, name in enumerate(FLAGS):
        kills = len(range(k, count, len(FLAGS)))  # the count is divided as evenly as can be
        if kills:
            yield from _killed_runs_of(name, kills, rng, folder / name)


def _killed_runs_of(name: str, kills: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """The same for one example, until there were so many kills."""
    folder.mkdir()
    if "images" in name:
        for alphabets, first in GLYPHS:
            cached_glyphs(tm.data.Glyphs(), alphabets, **{"first": first} if first else {})
    out = folder / "killed"
    expected = uninterrupted_bits(name, folder / "whole")  # kernels are compiled
    start = time.perf_counter()
    uninterrupted_bits(name, folder / "again")
    seconds = time.perf_counter() - start
    pending = 0  # kills of a run that has not ended yet
    while kills or pending:
        run = ExampleRun(name, out, *resume_flags(out))
        if kills:
            run.kill(after=rng.uniform(0, seconds))
        error = run.fault(0, -signal.SIGKILL)
        status, _ = run.end()
        if status == -signal.SIGKILL and not error:
            kills, pending = kills - 1, pending + 1
            continue
        if not error and saved_bits(out) != expected:
            error = f"{name} ended with other bits than uninterrupted"
        assert pending or not error, error  # it fails without a kill
        yield from [error] * pending
        pending = 0
        shutil.rmtree(out)


# ---- two runs ------------------------------------------------------------------------------------


def second_runs(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """While a run writes to a folder, at random moments, another begins in the same: it must be
    refused, and the first must end as if alone."""
    name, out = "maml_sinusoid", folder / "out"
    expected = uninterrupted_bits(name, folder / "whole")
    while count > 0:
        first = ExampleRun(name, out)
        while first.process.is_alive() and not list(out.glob("*.checkpoint.npz")):
            time.sleep(0.01)
        faults: list[str] = []
        while len(faults) < count and first.process.is_alive():
            time.sleep(rng.uniform(0, 0.1))
            second = ExampleRun(name, out)
            error = second.fault(1)
            _, last = second.end()
            if not first.process.is_alive():
                break  # the second may have begun after the first's end
            if not error and f"error: another run of {name} writes to {out}" not in last:
                error = f"the second was not refused: {last}"
            faults.append(error)
        error = first.fault(0)
        if not error and saved_bits(out) != expected:
            error = "the first ended with other bits"
        yield from [error or fault for fault in faults]
        count -= len(faults)
        shutil.rmtree(out)
