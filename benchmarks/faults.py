"""Faults, injected at random: each must end in the right result, or in one sentence.

    python -m benchmarks.faults                     # all kinds, which takes long
    python -m benchmarks.faults --scale 0.02        # few faults of each kind
    python -m benchmarks.faults --only killed "full disk" --seed 3

Ctrl-C ends a kind; its row is printed, and the next kind begins.

Prints one table: of each kind, how many faults were injected, how many ended well, and what went
wrong with the others; the exit status is 1 if anything did. Nothing is timed. A result is right if
it has the bits that were computed without a fault. The faults are made by functions of the tests,
so pytest must be installed. Those of whole runs of the examples are in `interrupted.py`.
"""

import argparse
import io
import itertools
import os
import random
import shutil
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
from tinymeta.data import Characters, omniglot_files
from tinymeta.data.archive import read_characters

from . import work
from .interrupted import full_disks, killed_runs, second_runs

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests" / folder) for folder in ("", "meta", "jit")]  # as pytest has it
import damage  # noqa: E402
import test_io  # noqa: E402
import test_kernel_cache  # noqa: E402
import test_tampered  # noqa: E402

SHOWN = 5  # different errors of a kind, at most


class _Unavailable(Exception):
    """What a kind of fault needs is not on this machine."""


def _error_of(check: Callable, *args: object) -> str:
    """The error that check(*args) raises, in a line; "" if it passes."""
    try:
        check(*args)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


# ---- files ---------------------------------------------------------------------------------------


def _damaged_archives(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Damage of files of tm.save: each must be loaded right or refused."""
    whole, path = folder / "whole.npz", folder / "damaged.npz"
    tree = test_io.TREES["deep"]
    tm.save(whole, tree)

    def check(found: object) -> None:
        test_io.assert_same(found, tree)

    for damage_kind, data in damage.archives(whole.read_bytes(), rng.randrange(2**32), count):
        error = _error_of(damage.refused, path, data, tm.load, check)
        yield error and f"{damage_kind}: {error}"


def _damaged_omniglot(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """The same of the zip of Omniglot's smaller set."""
    root = os.environ.get("TINYMETA_DATA", "")
    source, path = Path(root, "images_evaluation.zip"), folder / "damaged.zip"
    if not root or not source.exists():
        raise _Unavailable("$TINYMETA_DATA has no Omniglot")

    def read(path: Path) -> Characters:
        return omniglot_files.check(read_characters(path), "evaluation", path)

    whole = read(source)

    def check(found: Characters) -> None:
        assert found.names == whole.names and np.array_equal(found.images, whole.images)

    for damage_kind, data in damage.archives(source.read_bytes(), rng.randrange(2**32), count):
        error = _error_of(damage.refused, path, data, read, check)
        yield error and f"{damage_kind}: {error}"


def _tampered_checkpoints(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Checkpoints with other contents and a right digest: each must be used or refused."""
    whole = folder / "whole.npz"
    test_tampered.trained(whole, until=7)
    for tampering, changes in damage.checkpoints(whole, rng.randrange(2**32), count):
        error = _error_of(test_tampered.refused, whole, folder, tampering, changes)
        yield error and f"{tampering}: {error}"


def _damaged_kernels(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """A bit flipped in each file of a cache; a process each time, as a bad kernel would end it."""
    whole, flipped = folder / "whole", folder / "flipped"

    def error_with(cache: Path) -> str:
        """The error of a process that uses the cache; "" if its result is right."""
        process = test_kernel_cache.start(cache, "print(sum(made()), 'right')")
        output, errors = process.communicate()
        if process.returncode == 0 and output == "3 right\n" and not errors:
            return ""
        return f"status {process.returncode}: {(errors or output).strip().splitlines()[-1:]}"

    error = error_with(whole)
    assert not error, error
    while count > 0:
        shutil.copytree(whole, flipped)
        files = sorted(flipped.iterdir())
        chosen = rng.sample(files, min(count, len(files)))
        for path in chosen:
            test_kernel_cache.flipped(path, rng)
        yield from [error_with(flipped)] * len(chosen)
        count -= len(chosen)
        shutil.rmtree(flipped)


# ---- calls ---------------------------------------------------------------------------------------


def _calls_in_threads(seconds: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """8 threads call functions, compiled and eager; now and then one is compiled again. Each result
    must have the bits that the function gave alone."""
    works = [work.sinusoid(tasks=4), work.conv4(tasks=2, filters=8), work.operation("variance")]
    calls = {}  # (work's name, contender) -> function
    for each in works:
        for contender, call in work.ours(each).items():
            calls[each.name, contender] = call
    expected = {key: tm.tree.map(np.ndarray.tobytes, call()) for key, call in calls.items()}
    deadline = time.monotonic() + seconds

    def check(key: tuple[str, str]) -> None:
        assert [a.tobytes() for a in calls[key]()] == expected[key], f"{key} gives other bits"

    def call_until_deadline(seed: int) -> Counter:
        thread_rng = random.Random(seed)
        errors: Counter[str] = Counter()
        while time.monotonic() < deadline:
            chosen = thread_rng.choice(works)
            if thread_rng.random() < 0.02:
                calls[chosen.name, "tinymeta, jit"] = work.ours(chosen)["tinymeta, jit"]
            key = thread_rng.choice([key for key in expected if key[0] == chosen.name])
            errors[_error_of(check, key)] += 1
        return errors

    with ThreadPoolExecutor(8) as pool:
        seeds = [rng.randrange(2**32) for _ in range(8)]
        for errors in pool.map(call_until_deadline, seeds):
            yield from errors.elements()


def _bad_calls(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Public functions called with wrong arguments: each alone, then what a search draws."""
    try:
        from tinymeta.testing.arguments import check_call, each_wrong_argument, survey
    except ImportError as error:
        raise _Unavailable(str(error)) from None
    for call in itertools.islice(each_wrong_argument(), count):
        error = _error_of(check_call, call)
        yield error and f"{call}: {error}"
        count -= 1
    search, checked = survey(), 0
    while checked < count:
        search.round(min(500, count - checked), seed=rng.randrange(2**32))
        yield from [""] * (search.tally["checked"] - checked)
        checked = search.tally["checked"]
        if search.error is not None:
            yield " ".join(f"{search.failure}: {search.error}".split())
            return


# ---- the table -----------------------------------------------------------------------------------


class _FaultKind(NamedTuple):
    """inject(count, rng, folder) yields for each fault "", or what went wrong; amount: how many,
    or how many seconds, at a scale of 1."""

    inject: Callable[[int, random.Random, Path], Iterator[str]]
    amount: int


KINDS = {
    "killed": _FaultKind(killed_runs, 1000),  # kills, 200 of each example
    "kernels": _FaultKind(_damaged_kernels, 200),  # bits
    "archives": _FaultKind(_damaged_archives, 500),
    "Omniglot's archives": _FaultKind(_damaged_omniglot, 100),
    "checkpoints": _FaultKind(_tampered_checkpoints, 300),
    "full disk": _FaultKind(full_disks, 1000),  # writes; there are fewer
    "two runs": _FaultKind(second_runs, 50),
    "threads": _FaultKind(_calls_in_threads, 300),  # seconds
    "bad calls": _FaultKind(_bad_calls, 200_000),
}


def _inject(kind: _FaultKind, scale: float, seed: int) -> tuple[Counter, str]:
    """How often the faults of a kind ended with each error, "" for those that ended well, and why
    there are none, if they are not available here.

    What the runs write to stderr is dropped.
    """
    ended: Counter[str] = Counter()
    count = max(1, round(kind.amount * scale))
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        try:
            for error in kind.inject(count, random.Random(seed), Path(folder)):
                ended[error] += 1
        except _Unavailable as reason:
            return ended, f"not here: {reason}"
        except KeyboardInterrupt:  # hours may have passed: what is known is told
            return ended, "nothing, until it was interrupted"
        except Exception as error:
            ended[f"the row broke off, {type(error).__name__}: {error}"] += 1
    return ended, ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status, 1 if anything went wrong."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--only",
        nargs="+",
        choices=KINDS,
        default=[*KINDS],
        metavar="KIND",
        help=f"some of {', '.join(KINDS)} (all)",
    )
    p.add_argument("--scale", type=float, default=1.0, help="how many, or how long, of each (1)")
    p.add_argument("--seed", type=int, default=0, help="of what is drawn, but for moments (0)")
    options = p.parse_args(arguments)
    print(f"{'faults':20} {'injected':>8} {'ended well':>10}  what went wrong", flush=True)
    failed = False
    for name in options.only:
        ended, reason = _inject(KINDS[name], options.scale, options.seed)
        errors = [f"{times} x {error[:500]}" for error, times in ended.most_common() if error]
        failed |= bool(errors)
        text = f"\n{'':41}".join(errors[:SHOWN]) or reason or "nothing"
        print(f"{name:20} {ended.total():8} {ended['']:10}  {text}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
