"""Faults, injected at random: each must end in the right result, or in one sentence.

    python -m benchmarks.faults                     # all rows, which takes long
    python -m benchmarks.faults --scale 0.02        # few faults of each kind
    python -m benchmarks.faults --only killed "full disk" --seed 3

Prints one table; the exit status is 1 if anything went wrong. The faults are made by what the tests
have for them, so pytest must be installed. Runs of the examples are in `interrupted.py`.
"""

import argparse
import importlib.util
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinymeta as tm
from tinymeta.data import omniglot

from . import work
from .interrupted import full_disk, killed, two_runs

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests" / folder) for folder in ("", "meta", "jit")]  # as pytest has it
import damage  # noqa: E402
import test_io  # noqa: E402
import test_kernel_cache  # noqa: E402
import test_tampered  # noqa: E402

CALLS = "tinymeta.testing.arguments"
SHOWN = 5  # kinds of what went wrong


class NotHere(Exception):
    """What a row needs is not on this machine."""


def outcome(check: Callable, *args) -> str:
    """ "" if check(*args) passes, else what it raised, in a line."""
    try:
        check(*args)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


# ---- files ---------------------------------------------------------------------------------------


def archives(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Of tm.save."""
    whole, path = folder / "whole.npz", folder / "damaged.npz"
    tree = test_io.TREES["deep"]
    tm.save(whole, tree)
    for kind, data in damage.archives(whole.read_bytes(), rng.randrange(2**32), count):
        yield named(
            kind,
            outcome(
                damage.refused, path, data, tm.load, lambda found: test_io.assert_same(found, tree)
            ),
        )


def named(kind: str, wrong: str) -> str:
    return wrong and f"{kind}: {wrong}"


def omniglot_archives(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Of Omniglot's smaller set."""
    name, root = "evaluation", os.environ.get("TINYMETA_DATA", "")
    source, path = Path(root, "images_evaluation.zip"), folder / "damaged.zip"
    if not root or not source.exists():
        raise NotHere("$TINYMETA_DATA has no Omniglot")

    def read(path):
        return omniglot.check(omniglot.read_characters(path), name, path)

    whole = read(source)

    def check(found):
        assert found.names == whole.names and np.array_equal(found.images, whole.images)

    for kind, data in damage.archives(source.read_bytes(), rng.randrange(2**32), count):
        yield named(kind, outcome(damage.refused, path, data, read, check))


def checkpoints(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Tampered with, digest and all."""
    whole = folder / "whole.npz"
    test_tampered.trained(whole, until=7)
    for what, changes in damage.checkpoints(whole, rng.randrange(2**32), count):
        yield named(what, outcome(test_tampered.refused, whole, folder, what, changes))


def kernels(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """A bit flipped in each file of a cache; a process each time, as a bad kernel would end it."""
    whole, flipped = folder / "whole", folder / "flipped"

    def run(cache: Path) -> str:
        process = test_kernel_cache.start(cache, "print(sum(made()), 'right')")
        said, errors = process.communicate()
        if process.returncode == 0 and said == "3 right\n" and not errors:
            return ""
        return f"status {process.returncode}: {(errors or said).strip().splitlines()[-1:]}"

    wrong = run(whole)
    assert not wrong, wrong
    while count > 0:
        shutil.copytree(whole, flipped)
        files = sorted(flipped.iterdir())
        hit = rng.sample(files, min(count, len(files)))
        for path in hit:
            test_kernel_cache.flipped(path, rng)
        yield from [run(flipped)] * len(hit)
        count -= len(hit)
        shutil.rmtree(flipped)


# ---- calls ---------------------------------------------------------------------------------------


def threads(seconds: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """8 threads call functions, compiled and not; now and then one is compiled again."""
    works = [work.sinusoid(tasks=4), work.conv4(tasks=2, filters=8), work.operation("variance")]
    calls = {(w.name, how): f for w in works for how, f in work.ours(w).items()}
    expected = {key: tm.tree.map(np.ndarray.tobytes, call()) for key, call in calls.items()}
    until = time.monotonic() + seconds

    def one(seed: int) -> Counter:
        own, ended = random.Random(seed), Counter()
        while time.monotonic() < until:
            w = own.choice(works)
            if own.random() < 0.02:
                calls[w.name, "tinymeta, jit"] = work.ours(w)["tinymeta, jit"]
            key = own.choice([key for key in expected if key[0] == w.name])
            ended[outcome(check, key)] += 1
        return ended

    def check(key):
        assert [a.tobytes() for a in calls[key]()] == expected[key], f"{key} gives other bits"

    with ThreadPoolExecutor(8) as pool:
        for ended in pool.map(one, [rng.randrange(2**32) for _ in range(8)]):
            yield from ended.elements()


def bad_calls(seconds: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Public functions called with wrong arguments, by a search of its own."""
    if not importlib.util.find_spec(CALLS):
        raise NotHere(f"there is no {CALLS}")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            CALLS,
            "--minutes",
            str(seconds / 60),
            "--seed",
            str(rng.randrange(1000)),
        ],
        capture_output=True,
        text=True,
    )
    yield "" if done.returncode == 0 else " ".join((done.stdout + done.stderr).split())


# ---- the table -----------------------------------------------------------------------------------


class Row(NamedTuple):
    """inject(count, rng, folder): of each fault "" or what went wrong; count: by default."""

    inject: Callable[[int, random.Random, Path], Iterator[str]]
    count: int


ROWS = {
    "killed": Row(killed, 200),  # kills
    "kernels": Row(kernels, 200),  # bits
    "archives": Row(archives, 500),
    "Omniglot's archives": Row(omniglot_archives, 100),
    "checkpoints": Row(checkpoints, 300),
    "full disk": Row(full_disk, 1000),  # writes; there are fewer
    "two runs": Row(two_runs, 50),  # second ones
    "threads": Row(threads, 300),  # seconds
    "bad calls": Row(bad_calls, 600),  # seconds
}


def injected(row: Row, scale: float, seed: int) -> tuple[Counter, str]:
    """How the faults of a row ended, and why there are no more of them, if so."""
    ended, count = Counter(), max(1, round(row.count * scale))
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):  # of trainings
        try:
            ended.update(row.inject(count, random.Random(seed), Path(folder)))
        except NotHere as reason:
            return ended, f"not here: {reason}"
        except Exception as error:
            ended[f"the row broke off, {type(error).__name__}: {error}"] += 1
    return ended, ""


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if anything went wrong."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--only",
        nargs="+",
        choices=ROWS,
        default=[*ROWS],
        metavar="ROW",
        help=f"some of {', '.join(ROWS)} (all)",
    )
    p.add_argument("--scale", type=float, default=1.0, help="how many, or how long, of each (1)")
    p.add_argument("--seed", type=int, default=0, help="of what is drawn, but for moments (0)")
    a = p.parse_args(arguments)
    print(f"{'faults':20} {'injected':>8} {'ended well':>10}  what went wrong", flush=True)
    failed = False
    for name in a.only:
        ended, why = injected(ROWS[name], a.scale, a.seed)
        wrong = [f"{times} x {what[:500]}" for what, times in ended.most_common() if what]
        failed |= bool(wrong)
        said = f"\n{'':41}".join(wrong[:SHOWN]) or why or "nothing"
        print(f"{name:20} {ended.total():8} {ended['']:10}  {said}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
