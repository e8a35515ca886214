"""Kinds of faults: files that are damaged, calls from many threads, calls with wrong arguments.

Each is a generator kind(count, rng, folder), which yields for each fault "" if it ended well, in
the right result or in one sentence, else what went wrong. They are made by functions of the tests.
"""

import itertools
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import tinymeta as tm
from tinymeta.data import Characters, omniglot_files
from tinymeta.data.archive import read_characters

from . import work

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests" / folder) for folder in ("", "meta", "jit")]  # as pytest has it
import damage  # noqa: E402
import test_io  # noqa: E402
import test_kernel_cache  # noqa: E402
import test_tampered  # noqa: E402


class Unavailable(Exception):
    """What a kind of fault needs is not on this machine."""


def _error_of(check: Callable, *args: object) -> str:
    """The error that check(*args) raises, in a line; "" if it passes."""
    try:
        check(*args)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


# ---- files ---------------------------------------------------------------------------------------


def damaged_archives(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Damage of files of tm.save: each must be loaded right or refused."""
    whole, path = folder / "whole.npz", folder / "damaged.npz"
    tree = test_io.TREES["deep"]
    tm.save(whole, tree)

    def check(found: object) -> None:
        test_io.assert_same(found, tree)

    for damage_kind, data in damage.archives(whole.read_bytes(), rng.randrange(2**32), count):
        error = _error_of(damage.refused, path, data, tm.load, check)
        yield error and f"{damage_kind}: {error}"


def damaged_omniglot(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """The same of the zip of Omniglot's smaller set."""
    root = os.environ.get("TINYMETA_DATA", "")
    source, path = Path(root, "images_evaluation.zip"), folder / "damaged.zip"
    if not root or not source.exists():
        raise Unavailable("$TINYMETA_DATA has no Omniglot")

    def read(path: Path) -> Characters:
        return omniglot_files.check(read_characters(path), "evaluation", path)

    whole = read(source)

    def check(found: Characters) -> None:
        assert found.names == whole.names and np.array_equal(found.images, whole.images)

    for damage_kind, data in damage.archives(source.read_bytes(), rng.randrange(2**32), count):
        error = _error_of(damage.refused, path, data, read, check)
        yield error and f"{damage_kind}: {error}"


def tampered_checkpoints(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Checkpoints with other contents and a right digest: each must be used or refused."""
    whole = folder / "whole.npz"
    test_tampered.trained(whole, until=7)
    for tampering, changes in damage.checkpoints(whole, rng.randrange(2**32), count):
        error = _error_of(test_tampered.refused, whole, folder, tampering, changes)
        yield error and f"{tampering}: {error}"


def damaged_kernels(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
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


def calls_in_threads(seconds: int, rng: random.Random, folder: Path) -> Iterator[str]:
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


def bad_calls(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """Public functions called with wrong arguments: each alone, then what a search draws."""
    try:
        from tinymeta.testing.arguments import check_call, each_wrong_argument, survey
    except ImportError as error:
        raise Unavailable(str(error)) from None
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
