"""Runs of the examples that are killed, find a full disk, or meet another run in their folder.

Each run is a fork of this process, in which all is imported: so a moment that is drawn at random
falls into the run, and what is changed to make it fail is changed nowhere else. A row of
`faults.py` is a generator here: of each fault "" if it ended well, else what went wrong.
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
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import tinymeta as tm

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.append(str(EXAMPLES))
import common  # noqa: E402, F401  for the forks, with all that it imports
import pictures  # noqa: E402

ALWAYS = "--every 0.05 --test-tasks 5"
FLAGS = {
    "maml_sinusoid": "--iterations 40 --tasks 3",
    "learned_optimizer": "--iterations 20 --tasks 3 --steps 4 --truncate 2 --hidden 3",
    "maml_images": "--iterations 20 --tasks 2 --validation-tasks 4 --net dense --glyph-alphabets 2",
    "prototypical_images": "--iterations 10 --way 5 --filters 4 --glyph-alphabets 2",
    "siamese_images": "--iterations 8 --classes 4 --alphabets 1 --filters 4 --features 8 "
    "--glyph-alphabets 2",
}
GLYPHS = ((2, 0), (5, 30), (15, 35))  # alphabets and the first of them, as image_sets has it
drawn = functools.cache(tm.data.Glyphs.characters)
numbers = itertools.count()


class Run:
    """A fork that runs an example in the folder `out`; what it says is kept beside.

    prepare() is called in the fork before the example.
    """

    def __init__(self, name: str, out: Path, *flags: str, prepare=lambda: None):
        self.log = out.with_name(f"{out.name}.{next(numbers)}.txt")
        words = (*FLAGS[name].split(), *ALWAYS.split(), *flags, "--out", str(out))
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(target=self.example, args=(name, words, prepare))
        self.process.start()

    def example(self, name: str, words: tuple, prepare):
        sys.stdout = sys.stderr = open(self.log, "w", buffering=1)
        pictures.pyplot = lambda: None  # they take longer than these runs
        tm.data.Glyphs.characters = drawn
        sys.argv = [f"{name}.py", *words]
        prepare()
        runpy.run_path(str(EXAMPLES / sys.argv[0]), run_name="__main__")

    def kill(self, after: float):
        """kill -9, unless it ends before so many seconds."""
        self.process.join(after)
        self.process.kill()

    def end(self) -> tuple[int, str]:
        """Its exit status, and the last line that it said."""
        self.process.join()
        lines = self.log.read_text().splitlines() or [""]
        return self.process.exitcode, lines[-1]

    def fault(self, *fine: int) -> str:
        """What is wrong with its end; "" if its status is one of these, without a traceback."""
        status, last = self.end()
        if status in fine and "Traceback" not in self.log.read_text():
            return ""
        return f"a run ended with status {status}: {last}"


def bits(out: Path) -> list[bytes]:
    """The parameters that a run left in the end."""
    (kept,) = (path for path in out.glob("*.npz") if ".checkpoint" not in path.name)
    return [np.asarray(leaf).tobytes() for leaf in tm.tree.leaves(tm.load(kept))]


def uninterrupted(name: str, out: Path, *flags: str) -> list[bytes]:
    """The parameters of a run that nothing happens to."""
    wrong = Run(name, out, *flags).fault(0)
    assert not wrong, wrong
    return bits(out)


def go_on(out: Path) -> list[str]:
    """The flag to go on with, if there is a checkpoint of a run with seed 0."""
    kept = next(out.glob("*.checkpoint.npz"), None)
    try:
        ours = kept and tm.about(kept)["config"]["seed"] == 0
    except ValueError:  # damaged: a run that is to go on from it will say so
        ours = True
    return ["--resume"] if ours else []


# ---- kill -9 -------------------------------------------------------------------------------------


def killed(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Killed at random moments and begun again, it ends as if nothing had happened."""
    for k, name in enumerate(FLAGS):
        if kills := len(range(k, count, len(FLAGS))):
            yield from killed_example(name, kills, rng, folder / name)


def killed_example(name: str, kills: int, rng: random.Random, folder: Path) -> Iterator[str]:
    folder.mkdir()
    for alphabets, first in GLYPHS if "images" in name else ():
        drawn(tm.data.Glyphs(), alphabets, **{"first": first} if first else {})
    start = time.perf_counter()
    expected, out = uninterrupted(name, folder / "whole"), folder / "killed"
    seconds, since = time.perf_counter() - start, 0  # kills of a run that has not ended yet
    while kills or since:
        run = Run(name, out, *go_on(out))
        if kills:
            run.kill(after=rng.uniform(0, seconds))
        wrong = run.fault(0, -signal.SIGKILL)
        if run.end()[0] == -signal.SIGKILL and not wrong:
            kills, since = kills - 1, since + 1
            continue
        if not wrong and bits(out) != expected:
            wrong = f"{name} ended with other bits than uninterrupted"
        assert since or not wrong, wrong  # it fails by itself
        yield from [wrong] * since
        since = 0
        shutil.rmtree(out)


# ---- a full disk ---------------------------------------------------------------------------------


class FullDisk:
    """No room for the k-th thing that a run writes (`at`), nor, if `lasting`, for any later one.

    Counted are calls that may fail so: to make, fill, rename or sync a file, or to make a folder.
    """

    def __init__(self, at: float, lasting: bool = False):
        self.at, self.lasting = at, lasting
        self.asked = multiprocessing.Value("i", 0)  # which the fork counts up

    def ask(self):
        self.asked.value += 1
        if self.asked.value == self.at or self.lasting and self.asked.value > self.at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def prepare(self):
        """In a fork, for all that it writes from now on."""
        ask, plain_open, mkdir = self.ask, builtins.open, os.mkdir

        class Raw(io.FileIO):
            def write(self, data):
                ask()
                return super().write(data)

        def opened(file, mode="r", *args, **kwargs):
            if not {*mode} & {*"wxa+"}:
                return plain_open(file, mode, *args, **kwargs)
            ask()
            raw = io.BufferedWriter(Raw(file, mode.replace("b", "")))
            return raw if "b" in mode else io.TextIOWrapper(raw)

        def made(path, *args, **kwargs):
            if not os.path.exists(path):
                ask()
            mkdir(path, *args, **kwargs)

        builtins.open, os.mkdir = opened, made
        for name in ("replace", "fsync"):
            setattr(os, name, lambda *args, call=getattr(os, name): (ask(), call(*args))[1])


def full_disk(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """At every write of a run that begins where an earlier one was, or at `count` of them."""
    name, few, earlier, out = (
        "maml_sinusoid",
        ("--iterations", "3", "--every", "0"),
        folder / "earlier",
        folder / "out",
    )
    expected = uninterrupted(name, folder / "whole", *few)
    uninterrupted(name, earlier, *few, "--seed", "1")
    kept = {path.read_bytes() for path in earlier.iterdir()}

    def fault(disk: FullDisk) -> str:
        shutil.copytree(earlier, out)
        run = Run(name, out, *few, prepare=disk.prepare)
        wrong, (status, last) = run.fault(0, 1), run.end()
        if wrong or status and not last.startswith("error: "):
            return wrong or f"it ended in no sentence: {last}"
        if not kept <= {path.read_bytes() for path in out.rglob("*") if path.is_file()}:
            return "a file of the earlier run is gone"
        if wrong := Run(name, out, *few, *go_on(out)).fault(0):
            return wrong
        return "" if bits(out) == expected else "gone on from, it ends with other bits"

    whole = FullDisk(at=float("inf"))
    shutil.copytree(earlier, out)
    assert not Run(name, out, *few, prepare=whole.prepare).fault(0)
    places = [(at, lasting) for at in range(1, whole.asked.value + 1) for lasting in (False, True)]
    for at, lasting in sorted(rng.sample(places, min(count, len(places)))):
        shutil.rmtree(out)
        wrong = fault(FullDisk(at, lasting))
        yield wrong and f"write {at}{' and all later ones' * lasting}: {wrong}"


# ---- two runs ------------------------------------------------------------------------------------


def two_runs(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """While a run writes to a folder, at random moments, another begins in the same."""
    name, out = "maml_sinusoid", folder / "out"
    expected = uninterrupted(name, folder / "whole")
    while count > 0:
        first = Run(name, out)
        while first.process.is_alive() and not list(out.glob("*.checkpoint.npz")):
            time.sleep(0.01)
        faults = []
        while len(faults) < count and first.process.is_alive():
            time.sleep(rng.uniform(0, 0.1))
            second = Run(name, out)
            wrong, (_, last) = second.fault(1), second.end()
            if first.process.is_alive():  # else it may have begun after the first's end
                refused = f"error: another run of {name} writes to {out}" in last
                faults.append(wrong or "" if refused else f"the second was not refused: {last}")
        wrong = first.fault(0) or bits(out) != expected and "the first ended with other bits"
        yield from [wrong or fault for fault in faults]
        count -= len(faults)
        shutil.rmtree(out)
