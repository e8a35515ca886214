"""Runs of the examples that are killed, find a full disk, or meet another run in their folder.

Each run is a fork of this process, in which everything is imported already: so a moment that is
drawn at random falls into the run, and what is changed to make it fail is changed nowhere else. The
three generators here are kinds of faults of `faults.py`: they yield "" for a fault that ended well,
else what went wrong. A run ended well if its parameters have the bits of an uninterrupted run.
"""

import builtins
import errno
import functools
import io
import itertools
import multiprocessing
import os
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


class _ExampleRun:
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


def _uninterrupted_bits(name: str, out: Path, *flags: str) -> list[bytes]:
    """The parameters of a run that nothing happens to."""
    error = _ExampleRun(name, out, *flags).fault(0)
    assert not error, error
    return saved_bits(out)


def _resume_flags(out: Path) -> list[str]:
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
    expected = _uninterrupted_bits(name, folder / "whole")  # kernels are compiled
    start = time.perf_counter()
    _uninterrupted_bits(name, folder / "again")
    seconds = time.perf_counter() - start
    pending = 0  # kills of a run that has not ended yet
    while kills or pending:
        run = _ExampleRun(name, out, *_resume_flags(out))
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


# ---- a full disk ---------------------------------------------------------------------------------


class _FullDisk:
    """The disk is full at write number `at` of a run, and, if `lasting`, at all later ones.

    Writes are the calls that may fail so: to make, fill, rename or sync a file, or to make a
    folder.
    """

    def __init__(self, at: float, lasting: bool = False) -> None:
        self.at, self.lasting = at, lasting
        self.writes = multiprocessing.Value("i", 0)  # shared: the fork counts, this process reads

    def count_write(self) -> None:
        """Count one write, or raise the OSError of a full disk."""
        self.writes.value += 1
        number = self.writes.value
        if number == self.at or self.lasting and number > self.at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def prepare(self) -> None:
        """Replace, in a fork, the functions by which it writes."""
        count_write, plain_open, plain_mkdir = self.count_write, builtins.open, os.mkdir

        class CountedFile(io.FileIO):
            def write(self, data):
                count_write()
                return super().write(data)

        def counted_open(file, mode="r", *args, **kwargs):
            if not {*mode} & {*"wxa+"}:
                return plain_open(file, mode, *args, **kwargs)
            count_write()
            buffered = io.BufferedWriter(CountedFile(file, mode.replace("b", "")))
            return buffered if "b" in mode else io.TextIOWrapper(buffered)

        def counted_mkdir(path, *args, **kwargs):
            if not os.path.exists(path):
                count_write()
            plain_mkdir(path, *args, **kwargs)

        def counted(call):
            def count_and_call(*args):
                count_write()
                return call(*args)

            return count_and_call

        builtins.open, os.mkdir = counted_open, counted_mkdir
        os.replace, os.fsync = counted(os.replace), counted(os.fsync)


def full_disks(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """A full disk at every write of a run, or at `count` of them: once, and from then on.

    The run begins in the folder of an earlier one with another seed. It must end in a sentence,
    leave all files of the earlier run, and be resumed to the bits of an uninterrupted one.
    """
    name, flags = "maml_sinusoid", ("--iterations", "3", "--every", "0")
    earlier, out = folder / "earlier", folder / "out"
    expected = _uninterrupted_bits(name, folder / "whole", *flags)
    _uninterrupted_bits(name, earlier, *flags, "--seed", "1")
    earlier_files = {path.read_bytes() for path in earlier.iterdir()}

    def fault(disk: _FullDisk) -> str:
        shutil.copytree(earlier, out)
        run = _ExampleRun(name, out, *flags, prepare=disk.prepare)
        error = run.fault(0, 1)
        status, last = run.end()
        if error:
            return error
        if status and not last.startswith("error: "):
            return f"it ended in no sentence: {last}"
        if not earlier_files <= {path.read_bytes() for path in out.rglob("*") if path.is_file()}:
            return "a file of the earlier run is gone"
        error = _ExampleRun(name, out, *flags, *_resume_flags(out)).fault(0)
        if error:
            return error
        return "" if saved_bits(out) == expected else "resumed, it ends with other bits"

    never = _FullDisk(at=float("inf"))  # counts how many writes there are
    shutil.copytree(earlier, out)
    error = _ExampleRun(name, out, *flags, prepare=never.prepare).fault(0)
    assert not error, error
    every = range(1, never.writes.value + 1)
    places = [(at, lasting) for at in every for lasting in (False, True)]
    for at, lasting in sorted(rng.sample(places, min(count, len(places)))):
        shutil.rmtree(out)
        error = fault(_FullDisk(at, lasting))
        yield error and f"write {at}{' and all later ones' * lasting}: {error}"


# ---- two runs ------------------------------------------------------------------------------------


def second_runs(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """While a run writes to a folder, at random moments, another begins in the same: it must be
    refused, and the first must end as if alone."""
    name, out = "maml_sinusoid", folder / "out"
    expected = _uninterrupted_bits(name, folder / "whole")
    while count > 0:
        first = _ExampleRun(name, out)
        while first.process.is_alive() and not list(out.glob("*.checkpoint.npz")):
            time.sleep(0.01)
        faults: list[str] = []
        while len(faults) < count and first.process.is_alive():
            time.sleep(rng.uniform(0, 0.1))
            second = _ExampleRun(name, out)
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
